"""Belle II's own eight steering files find all that they import and call, with upstream's import paths in front.

The files themselves are basf2's and not here. For each of them stands what it imports and which arguments it gives; the
flows that they run follow with the same calls. The files in the folder SMARTBKG_UPSTREAM_STEERING, if any, run too.
"""

# ruff: noqa: N813 - steering files import modularAnalysis so

from __future__ import annotations

import importlib
import inspect
import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
from b2modules.toy_onnx import write_toy_model

from smartbkg.b2modules.environment import shim_folder
from smartbkg.io import open_events

FILES_VARIABLE = "SMARTBKG_UPSTREAM_STEERING"


class Steering(NamedTuple):
    """What a steering file needs."""

    imports: tuple[str, ...]
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]]


ANY = object()
FEI_B0 = ((), {"udstOutput": False, "analysisGlobaltag": ANY})


def skim_and_save_flags(n_skipped: int, n_events: int) -> Steering:
    """What the files that run a skim over an mDST and save which events passed have in common."""
    return Steering(
        ("basf2", "modularAnalysis", "mdst"),
        {
            "modularAnalysis.inputMdst": (
                (), {"environmentType": "default", "filename": ANY, "skipNEvents": n_skipped, "path": ANY},
            ),
            "mdst.add_mdst_output": ((), {"path": ANY, "filename": ANY}),
            "skim.WGs.fei.feiHadronicB0": FEI_B0,
            "modularAnalysis.applyEventCuts": (("eventExtraInfo(passes_feiHadronicB0)", ANY), {}),
            "smartBKG.b2modules.NN_trainer_module.SaveFlag": (("_flag0.parquet",), {}),
            "basf2.process": ((), {"path": ANY, "max_event": n_events}),
        },
    )  # fmt: skip


STEERING = {
    "SmartBKGEvtGen": Steering(
        ("basf2", "generators", "simulation", "reconstruction", "modularAnalysis", "mdst"),
        {
            "generators.add_evtgen_generator": ((), {"path": ANY, "finalstate": "mixed"}),
            "smartBKG.b2modules.NN_filter_module.NNFilterModule": ((), {"extra_info_var": "GAT_AfterGen"}),
            "mdst.add_mdst_output": ((), {"path": ANY, "filename": ANY, "additionalBranches": ["EventExtraInfo"]}),
            "simulation.add_simulation": ((), {"path": ANY}),
            "reconstruction.add_reconstruction": ((), {"path": ANY}),
            "skim.WGs.fei.feiHadronicB0": FEI_B0,
            "modularAnalysis.getAnalysisGlobaltag": ((), {}),
            "basf2.create_path": ((), {}),
            "basf2.process": ((), {"path": ANY, "calculateStatistics": True}),
        },
    ),
    "SmartBKGSkimFlag": skim_and_save_flags(n_skipped=0, n_events=1000),
    "SmartBKGSkimTracking": skim_and_save_flags(n_skipped=2500, n_events=2500),
    "SmartBKGTrainDataProduction": Steering(
        (),
        {
            "smartBKG.b2modules.NN_trainer_module.data_production": (
                (), {"in_dir": "./", "out_dir": "./", "job_id": 1, "save_vars": None},
            ),
            "smartBKG.b2modules.NN_trainer_module.data_production.process": ((ANY,), {}),
            "smartBKG.b2modules.NN_trainer_module.data_production.clean_up": ((ANY,), {}),
        },
    ),
    "SmartBKGTrain": Steering(
        (),
        {
            "smartBKG.models.gatgap.GATGAPModel": (
                (), {"units": 32, "attention_heads": 4, "n_layers": 6, "use_gap": True},
            ),
            "smartBKG.utils.dataset.ArrayDataset": ((ANY,), {"batch_size": 128, "shuffle": True}),
            "smartBKG.utils.metrics.speedup": (
                (), {"filter_prob": ANY, "y_true": ANY, "retention_rate": 0.05},
            ),
        },
    ),
    "SmartBkgExampleSteering": Steering(
        ("basf2", "generators", "simulation", "reconstruction", "modularAnalysis"),
        {
            "basf2.Path": ((), {}),
            "generators.add_evtgen_generator": (
                (), {"finalstate": "charged", "path": ANY, "eventType": "charged"},
            ),
            "skim.WGs.fei.feiHadronic": ((), {"analysisGlobaltag": ANY, "OutputFileName": "test.udst.root"}),
            "skim.smartbkg.add_smartbkg_filtering": ((), {"skim": ANY, "path": ANY}),
            "simulation.add_simulation": ((ANY,), {}),
            "reconstruction.add_reconstruction": ((ANY,), {}),
            "basf2.process": ((ANY,), {}),
        },
    ),
    "SmartBkgDebugMode": Steering(
        ("basf2", "generators", "mdst"),
        {
            "basf2.set_random_seed": ((18052001,), {}),
            "skim.WGs.fei.feiHadronic": (
                (), {"analysisGlobaltag": ANY, "udstOutput": False, "roundToMdstPrecision": True, "feiPrefix": ANY},
            ),
            "skim.smartbkg.add_smartbkg_filtering": ((), {"skim": ANY, "path": ANY, "debug_mode": True}),
            "mdst.add_mdst_output": ((), {"filename": ANY, "path": ANY}),
            "variables.variables.addAlias": (("smartBkgPrediction", ANY), {}),
            "modularAnalysis.variablesToNtuple": (
                ("", ANY), {"treename": "predictions", "filename": ANY, "path": ANY},
            ),
        },
    ),
    "SmartBkgPayloadCreation": Steering(
        ("basf2",),
        {
            "ROOT.Belle2.SmartBackgroundConfig": ((ANY,) * 5 + (100.0,), {}),
            "ROOT.Belle2.IntervalOfValidity": ((0, 0, -1, -1), {}),
            "ROOT.Belle2.Database.storeData": ((ANY, "SmartBackgroundConfig_custom", ANY, ANY), {}),
            "ROOT.Belle2.Database.getData": (("SmartBackgroundConfig_custom", 0, 0), {}),
        },
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def shim(basf2: ModuleType, tmp_path: Path, mdst: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Upstream's import paths in front, a folder of its own, and the events of the mDST for the generator."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))
    monkeypatch.syspath_prepend(shim_folder())
    for name in [name for name in sys.modules if name.partition(".")[0] == "skim"]:
        del sys.modules[name]
    return iter((None,))


def found(name: str) -> Any:
    """What a dotted name means."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            value = getattr(value, part)
        return value
    raise ImportError(name)


@pytest.mark.parametrize("name", STEERING)
def test_imports_and_arguments_of_the_file_are_there(name: str) -> None:
    for module in STEERING[name].imports:
        importlib.import_module(module)
    for callable_name, (positional, keywords) in STEERING[name].calls.items():
        inspect.signature(found(callable_name)).bind(*positional, **keywords)
    import smartBKG

    assert set(smartBKG.MODEL_CONFIG) == {"units", "attention_heads", "n_layers", "use_gap"}
    assert set(smartBKG.DECORR_LIST) == {"Y4S", "B"}


def test_smartbkg_is_found_before_basf2s_and_the_rest_of_skim_is_the_releases() -> None:
    import skim
    import skim.core
    import skim.smartbkg
    import smartBKG

    assert Path(smartBKG.__file__).is_relative_to(shim_folder())
    assert Path(skim.smartbkg.__file__).is_relative_to(shim_folder())
    assert not Path(skim.core.__file__).is_relative_to(shim_folder())
    assert skim.BaseSkim is skim.core.BaseSkim


def test_a_releases_own_skim_smartbkg_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = tmp_path / "release" / "skim"
    release.mkdir(parents=True)
    (release / "__init__.py").write_text("")
    (release / "smartbkg.py").write_text("add_smartbkg_filtering = 'of the release'\n")
    monkeypatch.syspath_prepend(release.parent)
    monkeypatch.syspath_prepend(shim_folder())
    from skim import smartbkg

    assert smartbkg.add_smartbkg_filtering == "of the release"


def predictions(tmp_path: Path, add: Any) -> list[float]:
    """Debug predictions of ten events, the filter added by a function."""
    import basf2
    import generators
    from data_store import STORE

    seen: list[float] = []

    class Look(basf2.Module):  # type: ignore[misc]
        def event(self) -> None:
            seen.append(STORE.object("EventExtraInfo").getExtraInfo("SmartBKG_Prediction_feiHadronic"))

    path = basf2.create_path()
    path.add_module("EventInfoSetter", evtNumList=[10], expList=[0], runList=[0])
    generators.add_evtgen_generator(finalstate="charged", path=path, eventType="charged")
    add(path)
    path.add_module(Look())
    basf2.process(path)
    return seen


def test_module_answers_to_its_name_where_the_release_has_none(
    basf2: ModuleType, tmp_path: Path, reference_data: Path
) -> None:
    pytest.importorskip("onnxruntime")
    from skim import smartbkg
    from skim.WGs.fei import feiHadronic

    model = str(write_toy_model(tmp_path / "toy.onnx"))
    config = str(reference_data / "belle2" / "smartbackground_config.json")
    parameters = {"skimCodes": [11180500], "skimNames": ["feiHadronic"], "debugMode": True, "payloadWeights": model,
                  "payloadConfig": config}  # fmt: skip

    def by_name(path: Any) -> None:
        path.add_module("SmartBackground", **parameters)

    def by_function(path: Any) -> None:
        smartbkg.add_smartbkg_filtering(
            feiHadronic(), path, debug_mode=True, payload_weights=model, payload_config=config
        )

    first = predictions(tmp_path, by_name)
    assert len(first) == 10
    assert first == predictions(tmp_path, by_function)
    assert basf2.register_module("SmartBackground").name() == "SmartBackground"


def test_an_override_without_an_event_type_means_charged_as_in_basf2(
    basf2: ModuleType, tmp_path: Path, reference_data: Path
) -> None:
    """SmartBackgroundModule.cc: the parameter eventType is "charged" before anybody sets it."""
    pytest.importorskip("onnxruntime")
    from skim import smartbkg  # noqa: F401 - lets the name be answered

    model = str(write_toy_model(tmp_path / "toy.onnx"))
    config = str(reference_data / "belle2" / "smartbackground_config.json")
    parameters = {"skimCodes": [11180500], "skimNames": ["feiHadronic"], "debugMode": True, "payloadWeights": model,
                  "payloadConfig": config, "overrideEventType": True}  # fmt: skip
    unset = predictions(tmp_path, lambda path: path.add_module("SmartBackground", **parameters))
    named = predictions(tmp_path, lambda path: path.add_module("SmartBackground", eventType="charged", **parameters))
    other = predictions(tmp_path, lambda path: path.add_module("SmartBackground", eventType="uubar", **parameters))
    assert unset == named
    assert unset != other


def test_misspelt_parameters_of_the_module_name_the_nearest(basf2: ModuleType) -> None:
    from skim import smartbkg  # noqa: F401 - lets the name be answered

    from smartbkg.errors import UsageError

    with pytest.raises(UsageError, match="did you mean 'debugMode'"):
        basf2.register_module("SmartBackground", debugmode=True)


def test_training_data_of_upstreams_paths_is_upstreams_file(mdst: Path, tmp_path: Path) -> None:
    """Flags, then data production: the file has the records that upstream's training script reads."""
    import basf2
    import modularAnalysis as ma
    from mdst import add_mdst_output
    from skim.WGs.fei import feiHadronicB0
    from smartBKG import TOKENIZE_DICT
    from smartBKG.b2modules.NN_trainer_module import SaveFlag, data_production

    path = basf2.create_path()
    ma.inputMdst(environmentType="default", filename=str(mdst), skipNEvents=0, path=path)
    add_mdst_output(path=path, filename="./_submdst0.root")
    feiHadronicB0(analysisGlobaltag=ma.getAnalysisGlobaltag(), udstOutput=False)(path)
    ma.applyEventCuts("eventExtraInfo(passes_feiHadronicB0)", path)
    path.add_module(SaveFlag("./_flag0.parquet"))
    basf2.process(path=path, max_event=1000)
    data_production(in_dir="./", out_dir="./out/", job_id=0, save_vars=None).process()
    assert [entry.name for entry in Path("out").iterdir()] == ["preprocessed0.parquet"]
    array = ak.from_parquet("out/preprocessed0.parquet")
    assert array.particles.fields == [
        "arrayIndex", "PDG", "mass", "charge", "energy", "prodTime", "x", "y", "z", "px", "py", "pz", "motherIndex",
    ]  # fmt: skip
    assert sorted(array.evtNum[array.label].tolist()) == sorted(pq.read_table("_flag0.parquet")["evtNum"].to_pylist())
    with open_events(Path("out/preprocessed0.parquet")) as reader:
        assert sum(int(batch.event["label"].sum()) for batch in reader.batches()) == int(ak.sum(array.label))
    expected = upstreams_records(mdst, TOKENIZE_DICT)
    for entry, (indices, tokens, times, mothers) in enumerate(expected):
        record = array.particles[entry]
        assert record.arrayIndex.tolist() == indices
        assert record.PDG.tolist() == tokens
        assert record.motherIndex.tolist() == mothers
        np.testing.assert_allclose(record.prodTime, times, atol=1e-6)


def upstreams_records(mdst: Path, tokens: dict[int, int]) -> list[Any]:
    """Indices, tokens, times and mothers as upstream's ``load_particle_list`` and ``preprocessed`` make them."""
    from root_files import Events

    events, records = Events(mdst), []
    for entry in range(len(events)):
        kept, root_time = [], {}
        for particle in events.particles(entry):
            index, mother = particle.getArrayIndex(), particle.getMother()
            place = particle.getProductionVertex()
            mother_index = index if mother is None or mother.isVirtual() else mother.getArrayIndex()
            time = particle.getProductionTime()
            root_time[index] = time if mother is None else root_time[mother.getArrayIndex()]
            if particle.getStatus() & 0xF1 == 1 and max(abs(place.X()), abs(place.Y()), abs(place.Z())) < 10:
                kept.append((index, particle.getPDG(), time - root_time[index], mother_index))
        position = {row[0]: number for number, row in enumerate(kept)}
        records.append(
            (
                [row[0] for row in kept], [tokens[row[1]] for row in kept], [row[2] for row in kept],
                [position.get(row[3], -1) for row in kept],
            )
        )  # fmt: skip
    return records


def test_upstreams_training_steps_run_on_the_file(
    mdst: Path, tmp_path: Path, reference_model: Path, reference_data: Path
) -> None:
    """Data set, network and loss under upstream's names; the network gives the reference logits of its weights."""
    import torch
    from smartBKG import MODEL_CONFIG
    from smartBKG.b2modules.NN_trainer_module import data_production
    from smartBKG.models.gatgap import GATGAPModel
    from smartBKG.utils.dataset import ArrayDataset
    from smartBKG.utils.metrics import speedup

    Path("_submdst0.root").symlink_to(mdst)
    from smartbkg.b2modules.passing_events import write_flags

    with uproot.open(mdst) as file:
        meta = file["tree"]["EventMetaData"]
        numbers = [meta[f"m_{part}"].array(library="np") for part in ("experiment", "run", "event")]
    ids = [tuple(int(part[entry]) for part in numbers) for entry in range(0, 100, 3)]
    write_flags(Path("_flag0.parquet"), ids)
    data_production(in_dir="./", out_dir="./", job_id=0).process()
    array = ak.from_parquet("preprocessed0.parquet")
    model = GATGAPModel(**MODEL_CONFIG)
    model.load_state_dict(torch.load(reference_model, weights_only=True)["model_state_dict"], strict=False)
    loader = torch.utils.data.DataLoader(ArrayDataset(array, batch_size=64, shuffle=False), collate_fn=lambda x: x[0])
    graphs, labels = zip(*loader, strict=True)
    logits = torch.cat([model(graph) for graph in graphs])
    reference = np.load(reference_data / "gatgap" / "reference.npz")["logits"]
    np.testing.assert_allclose(logits.detach().numpy()[:, 0], reference.ravel(), atol=2e-3)
    loss = speedup(filter_prob=logits, y_true=torch.cat(labels), retention_rate=0.05)
    loss.backward()
    assert sum(weight.grad is not None and bool(weight.grad.any()) for weight in model.parameters()) > 20


def test_loss_is_time_over_time_without_a_filter(basf2: ModuleType) -> None:
    """Keeping everything costs the network alone."""
    import torch
    from smartBKG.utils.metrics import speedup

    labels = torch.tensor([1.0, 1.0, 0.0, 0.0])
    all_kept = speedup(labels, torch.ones(4), retention_rate=0.25, from_logits=False)
    n_effective, cost = 2.0, 0.08 + 0.63 + 97.04
    assert float(all_kept) == pytest.approx((2 * 0.25 + 2 * 0.75) * cost / (n_effective * (0.08 + 97.04)), rel=1e-6)


def test_payload_creation_stores_what_the_filter_reads(basf2: ModuleType, tmp_path: Path, reference_data: Path) -> None:
    pytest.importorskip("onnxruntime")
    from ROOT import Belle2
    from skim import smartbkg
    from skim.WGs.fei import feiHadronic

    content = json.loads((reference_data / "belle2" / "smartbackground_config.json").read_text())
    config = Belle2.SmartBackgroundConfig(
        {int(code): token for code, token in content["token_by_pdg"].items()},
        {skim["code"]: skim["output_index"] for skim in content["skims"]},
        {skim["code"]: [skim["a"], skim["b"]] for skim in content["skims"]},
        {skim["code"]: skim["name"] for skim in content["skims"]},
        content["event_type"],
        100.0,
    )
    always = Belle2.IntervalOfValidity(0, 0, -1, -1)
    Belle2.Database.Instance().storeData("SmartBackgroundConfig_custom", config, always)
    model = str(write_toy_model(tmp_path / "toy.onnx"))
    basf2.conditions.prepend_testing_payloads("localdb/database.txt")

    def stored(path: Any) -> None:
        smartbkg.add_smartbkg_filtering(
            feiHadronic(), path, debug_mode=True, payload_weights=model, payload_config="SmartBackgroundConfig_custom"
        )

    def from_file(path: Any) -> None:
        smartbkg.add_smartbkg_filtering(
            feiHadronic(), path, debug_mode=True, payload_weights=model,
            payload_config=str(reference_data / "belle2" / "smartbackground_config.json"),
        )  # fmt: skip

    assert predictions(tmp_path, stored) == predictions(tmp_path, from_file)


def test_upstreams_preprocessing_of_a_list_of_particles_gives_upstreams_records(mdst: Path, tmp_path: Path) -> None:
    """From the data store, event by event, as from the file."""
    pandas = pytest.importorskip("pandas")
    import basf2
    import modularAnalysis as ma
    from ROOT import Belle2
    from smartBKG import TOKENIZE_DICT
    from smartBKG.utils.preprocess import ak_from_df, load_particle_list, preprocessed

    tables: list[Any] = []

    class Collect(basf2.Module):  # type: ignore[misc]
        def event(self) -> None:
            number = Belle2.PyStoreObj("EventMetaData").getEvent()
            particles = Belle2.PyStoreArray("MCParticles")
            tables.append(load_particle_list(particles, evtNum=number, label=number % 3 == 0))

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    path.add_module(Collect())
    basf2.process(path, max_event=20)
    table = pandas.concat(tables)
    records = preprocessed(table)
    for record, (indices, tokens, times, mothers) in zip(records, upstreams_records(mdst, TOKENIZE_DICT), strict=False):
        assert record.particles.arrayIndex.tolist() == indices
        assert record.particles.PDG.tolist() == tokens
        assert record.particles.motherIndex.tolist() == mothers
        np.testing.assert_allclose(record.particles.prodTime, times, atol=1e-6)
    assert len(records) == 20
    assert records.label.tolist() == [number % 3 == 0 for number in records.evtNum.tolist()]
    everything = preprocessed(table, particle_selection=lambda array: abs(array.particles.z) > -1.0)
    assert ak.num(everything.particles).tolist() == [len(one) for one in tables]
    some = pandas.DataFrame({"evtNum": [int(table.evtNum.iloc[0])], "Mbc": [np.nan]})
    joined = ak_from_df(table, some, missing_values=True)
    assert len(joined) == 1
    assert joined.Mbc.tolist() == [None]
    assert joined.particles.energy.type.content.content.primitive == "float32"


def payloads(basf2: ModuleType, folder: Path, reference_data: Path, *, is_local: bool) -> None:
    """A model of the C++ module's signature and its configuration object, in the main tag or as testing payloads."""
    pytest.importorskip("onnxruntime")
    from ROOT import Belle2

    content = json.loads((reference_data / "belle2" / "smartbackground_config.json").read_text())
    config = Belle2.SmartBackgroundConfig(
        {int(code): token for code, token in content["token_by_pdg"].items()},
        {skim["code"]: skim["output_index"] for skim in content["skims"]},
        {skim["code"]: [skim["a"], skim["b"]] for skim in content["skims"]},
        {skim["code"]: skim["name"] for skim in content["skims"]},
        content["event_type"],
        content["max_weight"],
    )
    model = write_toy_model(folder / "toy.onnx")
    if is_local:
        always = Belle2.IntervalOfValidity(0, 0, -1, -1)
        Belle2.Database.Instance().addPayload("SmartBackgroundWeights_default", str(model), always)
        Belle2.Database.Instance().storeData("SmartBackgroundConfig_default", config, always)
    else:
        basf2.conditions.central["main_2026"] = {
            "SmartBackgroundWeights_default": model, "SmartBackgroundConfig_default": config,
        }  # fmt: skip


def steering_file(name: str) -> Path:
    """Belle II's own file of a name; the test is skipped where it is not there."""
    folder = os.environ.get(FILES_VARIABLE)
    if not folder:
        pytest.skip(f"{FILES_VARIABLE} names no folder with basf2's own steering files")
    path = Path(folder) / f"{name}.py"
    if not path.is_file():
        pytest.skip(f"{path}: absent")
    return path


def run_file(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """Run a steering file as `basf2 FILE ARGUMENTS` does; its names."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    return runpy.run_path(str(steering_file(name)), run_name="__main__")


#: Steering file → arguments of the files that run one after another, and the file that is written.
FLOWS = {
    "SmartBKGEvtGen": ((("SmartBKGEvtGen", "0"),), "AfterGen.root"),
    "SmartBKGSkimFlag": ((("SmartBKGSkimFlag", "0"),), "_flag0.parquet"),
    "SmartBKGSkimTracking": ((("SmartBKGSkimTracking", "1"),), "_flag1.parquet"),
    "SmartBKGTrainDataProduction": (
        (("SmartBKGSkimFlag", "0"), ("SmartBKGTrainDataProduction", "-j", "0")), "preprocessed0.parquet",
    ),
    "SmartBkgExampleSteering": ((("SmartBkgExampleSteering",),), "test_smartbkg_fei.udst.root"),
    "SmartBkgDebugMode": ((("SmartBkgDebugMode",),), "test_flags_and_predictions.root"),
    "SmartBkgPayloadCreation": ((("SmartBkgPayloadCreation",),), "localdb/database.txt"),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOWS)
def test_the_file_itself_runs(
    basf2: ModuleType, mdst: Path, name: str, reference_model: Path, reference_data: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    flows, written = FLOWS[name]
    steering_file(name)
    for link in ("mdst.root", "mdst1.root"):
        Path(link).symlink_to(mdst)
    payloads(basf2, tmp_path, reference_data, is_local=name == "SmartBkgExampleSteering")
    basf2.conditions.central["SmartBKG_GATGAP"] = {"GATGAPgen.pth": reference_model}
    for script, *arguments in flows:
        names = run_file(script, monkeypatch, *arguments)
    assert Path(written).is_file()
    if name == "SmartBkgDebugMode":
        with uproot.open(written) as file:
            tree = file["predictions"].arrays(library="np")
        (prediction,) = (branch for branch in tree if branch.startswith("eventExtraInfo") or "Prediction" in branch)
        assert len(tree["__event__"]) == 100
        assert ((tree[prediction] > 0) & (tree[prediction] <= 1)).all()
    if name == "SmartBkgPayloadCreation":
        assert names["config"].getMaxWeight() == 100.0


def test_upstreams_training_script_runs_with_awkwards_two_old_names(
    basf2: ModuleType, mdst: Path, reference_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole script on five jobs' files; `ak.packed` and `ak.partitioned` are of awkward 1, and are given here."""
    import torch
    from smartBKG import MODEL_CONFIG
    from smartBKG.b2modules.NN_trainer_module import data_production
    from smartBKG.models.gatgap import GATGAPModel

    from smartbkg.b2modules.passing_events import write_flags

    steering_file("SmartBKGTrain")
    with uproot.open(mdst) as file:
        meta = file["tree"]["EventMetaData"]
        numbers = [meta[f"m_{part}"].array(library="np") for part in ("experiment", "run", "event")]
    for job in range(5):
        Path(f"_submdst{job}.root").symlink_to(mdst)
        write_flags(Path(f"_flag{job}.parquet"), [tuple(int(n[row]) for n in numbers) for row in range(job, 100, 4)])
        data_production(in_dir="./", out_dir="./", job_id=job).process()
    torch.manual_seed(1)
    monkeypatch.setattr(ak, "packed", ak.to_packed, raising=False)
    monkeypatch.setattr(ak, "partitioned", ak.concatenate, raising=False)
    names = run_file("SmartBKGTrain", monkeypatch)
    assert len(names["record"]["pred"]) == 500
    assert np.isfinite(names["history"]["val_loss"]).all()
    model = GATGAPModel(**MODEL_CONFIG)
    model.load_state_dict(torch.load("GATGAP.pth", weights_only=True)["model_state_dict"])
