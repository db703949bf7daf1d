"""The example steering files, and steering files written for upstream, run on the double of basf2."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
from b2modules.toy_onnx import write_toy_model

from smartbkg.b2modules.environment import shim_folder
from smartbkg.conditions.location import PLACES_VARIABLE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "basf2"


@pytest.fixture(autouse=True)
def in_folder(basf2: ModuleType, tmp_path: Path, mdst: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, with a generator that takes the events of the mDST."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))


def run(monkeypatch: pytest.MonkeyPatch, script: Path, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [script.name, *map(str, arguments)])
    runpy.run_path(str(script), run_name="__main__")


def test_filter_after_evtgen_simulates_the_kept_events_alone(
    basf2: ModuleType, monkeypatch: pytest.MonkeyPatch, reference_model: Path
) -> None:
    script = EXAMPLES / "filter_after_evtgen.py"
    run(monkeypatch, script, "--events", 60, "--model", reference_model, "--policy", "exp=0.46,-0.25")
    calls = basf2.statistics.calls
    assert calls["NNFilterModule"] == 60
    assert 0 < calls["FullSim"] == calls["RootOutput"] < 60
    assert Path("filtered.mdst.root").is_file()


def test_flags_and_training_data_of_two_jobs(monkeypatch: pytest.MonkeyPatch, mdst: Path) -> None:
    for job_id in (0, 1):
        run(monkeypatch, EXAMPLES / "skim_flags.py", job_id, "--input", mdst, "--events", 50)
        run(monkeypatch, EXAMPLES / "training_data.py", job_id, "--remove-input", *(["--variables"] * job_id))
    parts = [pq.read_table(f"pp{job_id}.parquet") for job_id in (0, 1)]
    assert [part.num_rows for part in parts] == [50, 50]
    assert all(0 < np.sum(part["label"].to_numpy()) < 50 for part in parts)
    assert {"var_thrust", "var_Mbc"} <= set(parts[1].schema.names)
    assert not list(Path().glob("_*"))


def test_ntuple_has_one_weight_for_both_skims(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference_data: Path
) -> None:
    pytest.importorskip("onnxruntime")
    model = write_toy_model(tmp_path / "toy.onnx")
    config = reference_data / "belle2" / "smartbackground_config.json"
    script = EXAMPLES / "ntuple_with_weights.py"
    run(monkeypatch, script, "--events", 100, "--weights", model, "--config", config)
    with uproot.open("weighted.root") as file:
        tree = file["events"]
        names = [name for name in tree.keys() if "weight_fei" in name]  # noqa: SIM118 - a TTree, not a dict
        weights = [tree[name].array(library="np") for name in names]
    assert 0 < len(weights[0]) < 100
    assert (weights[0] >= 1).all()
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("target", ["tag", "local"])
def test_payload_that_was_created_is_used(
    basf2: ModuleType, monkeypatch: pytest.MonkeyPatch, reference_model: Path, tmp_path: Path, target: str
) -> None:
    script = EXAMPLES / "create_payload.py"
    if target == "tag":
        run(monkeypatch, script, reference_model, "--tag", "SmartBKG_GATGAP")
    else:
        run(monkeypatch, script, reference_model, "--local", "localdb/database.txt")
        basf2.conditions.prepend_testing_payloads("localdb/database.txt")
        basf2.conditions.central["SmartBKG_GATGAP"] = {}
    run(monkeypatch, EXAMPLES / "filter_after_evtgen.py", "--events", 5)
    assert basf2.statistics.calls["NNFilterModule"] == 5


def test_acceptance_compares_with_belle2s_numbers(
    basf2: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference_data: Path
) -> None:
    """Another model and another sample of ten events: it says so, and its exit code too."""
    pytest.importorskip("onnxruntime")
    model = write_toy_model(tmp_path / "toy.onnx")
    events = reference_data / "belle2" / "mdst-v06-00-00.root"
    with pytest.raises(SystemExit, match="not those of Belle II's test"):
        run(monkeypatch, EXAMPLES / "acceptance.py", events, "--weights", model, "--config", "belle2-2026")


UPSTREAM_STEERING = """
import basf2 as b2
import generators as ge
import simulation as si
import modularAnalysis as ma
from smartBKG import TOKENIZE_DICT, PREPROC_CONFIG, MODEL_CONFIG, LIST_FIELDS, DECORR_LIST
from smartBKG.b2modules.NN_filter_module import NNFilterModule
from smartBKG.NN_filter_module import NNFilterModule as older
from smartBKG.b2modules.NN_trainer_module import SaveFlag, TrainDataSaver, data_production
from smartBKG.utils.preprocess import check_status_bit

assert older is NNFilterModule and check_status_bit(1) and not check_status_bit(1 | 1 << 6)
assert TOKENIZE_DICT[0] == 0 and TOKENIZE_DICT[300553] > 0 and MODEL_CONFIG["units"] == 32
main = b2.create_path()
main.add_module("EventInfoSetter", expList=1003, runList=0, evtNumList=20)
ge.add_evtgen_generator(path=main, finalstate="mixed")
module = NNFilterModule(extra_info_var="GAT_AfterGen", model_config=MODEL_CONFIG, preproc_config=PREPROC_CONFIG)
dead_path = b2.create_path()
module.if_false(dead_path)
main.add_module(module)
si.add_simulation(path=main)
main.add_module(SaveFlag("kept.parquet"))
b2.process(path=main)
"""


def test_steering_file_of_upstream_runs_unchanged(
    basf2: ModuleType, monkeypatch: pytest.MonkeyPatch, reference_model: Path, tmp_path: Path
) -> None:
    basf2.conditions.central["SmartBKG_GATGAP"] = {"GATGAPgen.pth": reference_model}
    monkeypatch.syspath_prepend(shim_folder())
    script = tmp_path / "steering.py"
    script.write_text(UPSTREAM_STEERING)
    run(monkeypatch, script)
    assert basf2.conditions.globaltags == ["SmartBKG_GATGAP"]
    assert basf2.statistics.calls["NNFilterModule"] == 20
    assert pq.read_table("kept.parquet").num_rows == basf2.statistics.calls.get("FullSim", 0)


def test_tokens_are_upstreams(monkeypatch: pytest.MonkeyPatch, reference_data: Path) -> None:
    import json

    monkeypatch.syspath_prepend(shim_folder())
    import smartBKG

    content = json.loads((reference_data / "belle2" / "gatgap_pdg_tokens.json").read_text())
    codes = content if isinstance(content, list) else next(v for v in content.values() if isinstance(v, list))
    assert codes == smartBKG.PDG_TOKENS
    assert {code: token for token, code in enumerate(codes)} == smartBKG.TOKENIZE_DICT


def test_users_store_goes_before_basf2(
    basf2: ModuleType, monkeypatch: pytest.MonkeyPatch, reference_model: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv(PLACES_VARIABLE, str(tmp_path / "mine"))
    run(monkeypatch, EXAMPLES / "create_payload.py", reference_model, "--tag", "SmartBKG_GATGAP")
    run(monkeypatch, EXAMPLES / "filter_after_evtgen.py", "--events", 2)
    assert basf2.conditions.globaltags == []
