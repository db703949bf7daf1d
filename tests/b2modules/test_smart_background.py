from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from b2modules.steering import messages
from b2modules.toy_onnx import expected_logits, write_toy_model

from smartbkg.conditions import ALWAYS, ConditionsStore
from smartbkg.errors import ConditionsError, ModelError, UsageError

pytest.importorskip("onnxruntime")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_toy_model(tmp_path / "toy.onnx")


@pytest.fixture
def config(reference_data: Path) -> Path:
    """Belle II's numbers."""
    return reference_data / "belle2" / "smartbackground_config.json"


def process(
    basf2: ModuleType, mdst: Path, skim: Any, n_events: int = 0, **arguments: Any
) -> tuple[list[Any], list[Any]]:
    """Extra infos of the events that go on, and of those that were rejected."""
    import modularAnalysis
    from data_store import STORE

    from smartbkg.b2modules.smart_background import add_smartbkg_filtering

    def looking(seen: list[Any]) -> Any:
        class Look(basf2.Module):
            def event(self) -> None:
                info = STORE.object("EventExtraInfo")
                seen.append(
                    {n: info.getExtraInfo(n) for n in info.getNames()}
                    | {"event": STORE.object("EventMetaData").getEvent()}
                )

        return Look()

    kept: list[Any] = []
    rejected: list[Any] = []
    path, empty = basf2.create_path(), basf2.create_path()
    empty.add_module(looking(rejected))
    modularAnalysis.inputMdst(filename=str(mdst), path=path)
    add_smartbkg_filtering(skim, path, empty_path=empty, **arguments)
    path.add_module(looking(kept))
    basf2.process(path, max_event=n_events)
    return kept, rejected


def another_process(basf2: ModuleType) -> None:
    """basf2 refuses to start the event loop again after an exception, as long as the process lives."""
    from logging_system import COUNTERS

    COUNTERS.n_errors = basf2._errors_before[0] = 0


def expected_keep(mdst: Path, config: Path, code: int, event_type: str, **override: float) -> np.ndarray:
    """q of each event, from the formulas of basf2's module."""
    from root_files import Events

    content = json.loads(config.read_text())
    tokens = {int(pdg): token for pdg, token in content["token_by_pdg"].items()}
    skim = next(skim for skim in content["skims"] if skim["code"] == code) | override
    events = Events(mdst)
    logits = np.array(
        [
            expected_logits(events.particles(entry), tokens, content["event_type"][event_type])[skim["output_index"]]
            for entry in range(len(events))
        ]
    )
    return np.clip(np.exp(skim["a"] * (logits - skim["b"])), 1 / content["max_weight"], 1)


def test_signature_is_that_of_the_current_basf2(basf2: ModuleType) -> None:
    from smartbkg.b2modules.smart_background import add_smartbkg_filtering

    parameters = inspect.signature(add_smartbkg_filtering).parameters
    positional = {n: p.default for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(positional) == [
        "skim", "path", "empty_path", "debug_mode", "payload_weights", "payload_config", "event_type",
        "activation_params",
    ]  # fmt: skip
    assert list(positional.values())[2:] == [
        None, False, "SmartBackgroundWeights_default", "SmartBackgroundConfig_default", None, None,
    ]  # fmt: skip


def test_debug_mode_writes_what_basf2s_module_predicts(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    from skim.core import CombinedSkim
    from skim.WGs.fei import feiHadronic, feiSL

    kept, rejected = process(
        basf2, mdst, CombinedSkim(feiHadronic(), feiSL()), payload_weights=str(model), payload_config=str(config),
        event_type="charged", debug_mode=True,
    )  # fmt: skip
    assert (len(kept), len(rejected)) == (100, 0)
    for name, code in (("feiHadronic", 11180500), ("feiSL", 11180600)):
        found = [entry[f"SmartBKG_Prediction_{name}"] for entry in kept]
        np.testing.assert_allclose(found, expected_keep(mdst, config, code, "charged"), rtol=2e-4)
        assert f"weight_{name}" not in kept[0]


def test_weights_are_one_over_q_or_zero(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    from skim.core import CombinedSkim
    from skim.WGs.fei import feiHadronic, feiSL

    kept, rejected = process(
        basf2, mdst, CombinedSkim(feiHadronic(), feiSL()), payload_weights=str(model), payload_config=str(config),
        event_type="mixed",
    )  # fmt: skip
    assert 0 < len(rejected) < 100
    every = sorted([*kept, *rejected], key=lambda entry: entry["event"])
    for name, code in (("feiHadronic", 11180500), ("feiSL", 11180600)):
        q = expected_keep(mdst, config, code, "mixed")
        weights = np.array([entry[f"weight_{name}"] for entry in every])
        assert 0 < (weights > 0).sum() < 100
        np.testing.assert_allclose(weights[weights > 0], 1 / q[weights > 0], rtol=2e-4)
    assert all(entry["weight_feiHadronic"] == entry["weight_feiSL"] == 0 for entry in rejected)
    assert any((entry["weight_feiHadronic"] == 0) != (entry["weight_feiSL"] == 0) for entry in kept)


def test_joint_draw_gives_one_weight_for_all_skims(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    from skim.core import CombinedSkim
    from skim.WGs.fei import feiHadronic, feiSL

    kept, rejected = process(
        basf2, mdst, CombinedSkim(feiHadronic(), feiSL()), payload_weights=str(model), payload_config=str(config),
        event_type="mixed", joint_draw=True,
    )  # fmt: skip
    joint = np.maximum(*(expected_keep(mdst, config, code, "mixed") for code in (11180500, 11180600)))
    for entry in kept:
        assert entry["weight_feiHadronic"] == entry["weight_feiSL"]
        assert entry["weight_feiHadronic"] == pytest.approx(1 / joint[entry["event"] - 1], rel=2e-4)
    assert 0 < len(rejected) < 100


def test_draw_is_the_same_in_every_job_of_the_same_seed(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    from skim.WGs.fei import feiHadronic

    options = {"payload_weights": str(model), "payload_config": str(config), "event_type": "mixed"}
    whole, _ = process(basf2, mdst, feiHadronic(), **options)
    part, _ = process(basf2, mdst, feiHadronic(), n_events=40, **options)
    assert part == [entry for entry in whole if entry["event"] <= 40]


def test_activation_can_be_given(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    from skim.WGs.fei import feiHadronic

    kept, _ = process(
        basf2, mdst, feiHadronic(), payload_weights=str(model), payload_config=str(config), event_type="mixed",
        debug_mode=True, activation_params=(0.3, 1.0),
    )  # fmt: skip
    found = [entry["SmartBKG_Prediction_feiHadronic"] for entry in kept]
    np.testing.assert_allclose(found, expected_keep(mdst, config, 11180500, "mixed", a=0.3, b=1.0), rtol=2e-4)
    with pytest.raises(UsageError, match="two numbers"):
        process(basf2, mdst, feiHadronic(), payload_weights=str(model), activation_params=(1.0,))


def test_event_type_of_the_generator_is_used(
    basf2: ModuleType, mdst: Path, model: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import generators
    from data_store import STORE
    from skim.WGs.fei import feiHadronic

    from smartbkg.b2modules.smart_background import add_smartbkg_filtering

    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))

    def predictions(written: str, given: str | None) -> list[float]:
        seen: list[float] = []

        class Look(basf2.Module):
            def event(self) -> None:
                seen.append(STORE.object("EventExtraInfo").getExtraInfo("SmartBKG_Prediction_feiHadronic"))

        path = basf2.create_path()
        path.add_module("EventInfoSetter", evtNumList=5)
        generators.add_evtgen_generator(path, finalstate="mixed", eventType=written)
        add_smartbkg_filtering(
            feiHadronic(), path, debug_mode=True, payload_weights=str(model), payload_config=str(config),
            event_type=given,
        )  # fmt: skip
        path.add_module(Look())
        basf2.process(path)
        return seen

    assert predictions("charged", None) == predictions("", "charged") != predictions("", "uubar")
    assert predictions("mixed", "charged") == predictions("charged", None)
    assert sum("event_type is 'charged'" in message for message in messages()) == 1


def test_missing_and_unknown_event_types_are_explained(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    from skim.WGs.fei import feiHadronic

    options = {"payload_weights": str(model), "payload_config": str(config)}
    with pytest.raises(UsageError, match="ccbar, charged, ddbar, mixed, ssbar, taupair, uubar"):
        process(basf2, mdst, feiHadronic(), **options)
    another_process(basf2)
    with pytest.raises(UsageError, match="did you mean 'mixed'"):
        process(basf2, mdst, feiHadronic(), event_type="mixd", **options)


def test_unknown_skims_list_the_known_codes(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    from skim.WGs.fei import feiHadronicB0

    with pytest.raises(ModelError, match=r"11180100 \(feiHadronicB0\).*11180500 \(feiHadronic\)"):
        process(
            basf2, mdst, feiHadronicB0(), payload_weights=str(model), payload_config=str(config), event_type="mixed"
        )
    with pytest.raises(UsageError, match="BaseSkim or CombinedSkim"):
        process(basf2, mdst, "feiHadronic", payload_weights=str(model))


def test_payloads_come_from_a_global_tag_of_ours(
    basf2: ModuleType, tmp_path: Path, mdst: Path, model: Path, config: Path
) -> None:
    from skim.WGs.fei import feiHadronic

    store = ConditionsStore(tmp_path / "conditions")
    store.create_tag("Skims")
    store.put("Skims", "Weights", model, ALWAYS)
    store.put("Skims", "Config", config, ALWAYS)
    store.publish("Skims")
    options = {"event_type": "mixed", "debug_mode": True, "n_events": 10}
    by_tag, _ = process(
        basf2, mdst, feiHadronic(), payload_weights="Weights", payload_config="Config", global_tag="Skims", **options
    )
    by_file, _ = process(basf2, mdst, feiHadronic(), payload_weights=str(model), payload_config=str(config), **options)
    assert by_tag == by_file
    with pytest.raises(ConditionsError, match="did you mean 'Weights'"):
        process(basf2, mdst, feiHadronic(), payload_weights="Weihgts", global_tag="Skims", **options)


def test_payloads_of_basf2_are_used_with_its_configuration_object(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    from ROOT import Belle2
    from skim.WGs.fei import feiHadronic

    content = json.loads(config.read_text())
    stored = Belle2.SmartBackgroundConfig(
        {int(code): token for code, token in content["token_by_pdg"].items()},
        {skim["code"]: skim["output_index"] for skim in content["skims"]},
        {skim["code"]: [skim["a"], skim["b"]] for skim in content["skims"]},
        {skim["code"]: skim["name"] for skim in content["skims"]},
        content["event_type"],
        content["max_weight"],
    )
    basf2.conditions.central["main_2026"] = {
        "SmartBackgroundWeights_default": model,
        "SmartBackgroundConfig_default": stored,
    }
    basf2.conditions.prepend_globaltag("main_2026")
    kept, _ = process(basf2, mdst, feiHadronic(), event_type="mixed", debug_mode=True)
    found = [entry["SmartBKG_Prediction_feiHadronic"] for entry in kept]
    np.testing.assert_allclose(found, expected_keep(mdst, config, 11180500, "mixed"), rtol=2e-4)


def test_no_table_is_taken_for_that_of_an_unknown_model(basf2: ModuleType, mdst: Path, model: Path) -> None:
    from skim.WGs.fei import feiHadronic

    with pytest.raises(ModelError, match="brings no activation for the skim feiHadronic"):
        process(basf2, mdst, feiHadronic(), payload_weights=str(model), event_type="mixed")


@pytest.mark.parametrize("name", ["belle2-2025", "belle2-2026"])
def test_tables_of_belle2s_models_are_asked_for_by_name(
    basf2: ModuleType, mdst: Path, model: Path, config: Path, reference_data: Path, name: str
) -> None:
    from skim.WGs.fei import feiHadronic

    kept, _ = process(
        basf2, mdst, feiHadronic(), payload_weights=str(model), payload_config=name, event_type="mixed", debug_mode=True
    )
    found = [entry["SmartBKG_Prediction_feiHadronic"] for entry in kept]
    newest = json.loads((reference_data / "belle2" / "smartbackground_activation_2026.json").read_text())
    override = {"a": newest["activation"]["feiHadronic"][0], "b": newest["activation"]["feiHadronic"][1]}
    expected = expected_keep(mdst, config, 11180500, "mixed", **(override if name == "belle2-2026" else {}))
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_tables_hold_the_numbers_of_their_models(basf2: ModuleType, reference_data: Path) -> None:
    from smartbkg.networks.onnx.config import belle2_onnx_config

    first = json.loads((reference_data / "belle2" / "smartbackground_config.json").read_text())
    policies = belle2_onnx_config("belle2-2025").activations
    assert {s["name"]: (s["a"], s["b"]) for s in first["skims"]} == {n: (p.a, p.b) for n, p in policies.items()}
    newest = json.loads((reference_data / "belle2" / "smartbackground_activation_2026.json").read_text())["activation"]
    config = belle2_onnx_config("belle2-2026")
    for skim, code in zip(config.skims, config.codes, strict=True):
        policy = config.activations[skim]
        assert [policy.a, policy.b] == newest.get(skim, newest.get(str(code)))
    assert belle2_onnx_config().activations == {}


def test_untouched_override_is_told(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    from skim.WGs.fei import feiHadronic

    options = {"payload_weights": str(model), "payload_config": str(config), "event_type": "mixed", "n_events": 2}
    process(basf2, mdst, feiHadronic(), activation_params=(0.5, 0.0), **options)
    assert any("before anybody sets them" in message for message in messages())


def test_second_filter_for_a_skim_is_refused(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    import modularAnalysis
    from skim.WGs.fei import feiHadronic

    from smartbkg.b2modules.smart_background import add_smartbkg_filtering
    from smartbkg.errors import EventError

    path = basf2.create_path()
    modularAnalysis.inputMdst(filename=str(mdst), path=path)
    for _ in range(2):
        add_smartbkg_filtering(
            feiHadronic(), path, payload_weights=str(model), payload_config=str(config), event_type="mixed",
            activation_params=(1e-6, 0.0),
        )  # fmt: skip
    with pytest.raises(EventError, match="'weight_feiHadronic' = 1 already"):
        basf2.process(path, max_event=1)


def half(skim: Any, path: Any, model: Path, config: Path, **options: Any) -> None:
    """A filter that keeps every event with probability 1/2."""
    from smartbkg.b2modules.smart_background import add_smartbkg_filtering

    add_smartbkg_filtering(
        skim, path, payload_weights=str(model), payload_config=str(config), event_type="mixed",
        activation_params=(1e-6, 1e6 * float(np.log(2))), **options,
    )  # fmt: skip


def after_halves(basf2: ModuleType, mdst: Path, model: Path, config: Path, stages: list[Any], **options: Any) -> Any:
    """Extra infos of the events that come through several filters of one path, under five seeds."""
    import modularAnalysis
    from data_store import STORE

    seen: list[dict[str, float]] = []

    class Look(basf2.Module):
        def event(self) -> None:
            info = STORE.object("EventExtraInfo")
            seen.append({name: info.getExtraInfo(name) for name in info.getNames()})

    for seed in range(5):
        basf2.set_random_seed(f"halves {seed}")
        path = basf2.create_path()
        modularAnalysis.inputMdst(filename=str(mdst), path=path)
        for number, skim in enumerate(stages):
            half(skim, path, model, config, multiply_weights=number > 0, **options)
        path.add_module(Look())
        basf2.process(path)
    return seen


def test_filters_of_one_path_draw_independently_and_multiply_their_weights(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    """With shared numbers the later filters keep all that the first kept: 250 of 500, with weights that say 62."""
    from skim.WGs.fei import feiHadronic

    seen = after_halves(basf2, mdst, model, config, [feiHadronic()] * 3)
    assert abs(len(seen) - 62.5) < 4 * np.sqrt(500 * 7 / 64)
    np.testing.assert_allclose([entry["weight_feiHadronic"] for entry in seen], 8, rtol=1e-3)


def test_filters_for_two_skims_draw_independently_also_jointly(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    from skim.WGs.fei import feiHadronic, feiSL

    seen = after_halves(basf2, mdst, model, config, [feiHadronic(), feiSL()], joint_draw=True)
    assert abs(len(seen) - 125) < 4 * np.sqrt(500 * 3 / 16)
    for name in ("weight_feiHadronic", "weight_feiSL"):
        np.testing.assert_allclose([entry[name] for entry in seen], 4, rtol=1e-3)


def test_second_filter_for_another_skim_is_refused_unless_weights_are_multiplied(
    basf2: ModuleType, mdst: Path, model: Path, config: Path
) -> None:
    import modularAnalysis
    from skim.WGs.fei import feiHadronic, feiSL

    from smartbkg.errors import EventError

    path = basf2.create_path()
    modularAnalysis.inputMdst(filename=str(mdst), path=path)
    half(feiHadronic(), path, model, config)
    half(feiSL(), path, model, config)
    with pytest.raises(EventError, match=r"'weight_feiHadronic' = 2.* already.*multiply_weights=True"):
        basf2.process(path)


def test_weights_of_several_filters_are_unbiased_for_every_skim(basf2: ModuleType) -> None:
    """Enumeration of all outcomes of two filters: the expectation of each weight is 1."""
    from smartbkg.b2modules.smart_background import multiplied_weights
    from smartbkg.errors import EventError

    first, second = 0.3, {"weight_a": 0.6, "weight_b": 0.2}
    goes_on = 1 - 0.4 * 0.8
    mean = {"weight_a": 0.0, "weight_b": 0.0, "weight_c": 0.0}
    for earlier, names in (("weight_a", ("weight_a", "weight_b")), ("weight_c", ("weight_a", "weight_b"))):
        mean = dict.fromkeys(mean, 0.0)
        for has_a in (True, False):
            for has_b in (True, False):
                chance = first * (0.6 if has_a else 0.4) * (0.2 if has_b else 0.8)
                drawn = {n: (1 / second[n] if has else 0.0) for n, has in zip(names, (has_a, has_b), strict=True)}
                weights = multiplied_weights({earlier: 1 / first}, drawn, goes_on, has_a or has_b)
                for name, weight in weights.items():
                    mean[name] += chance * weight
        assert all(mean[name] == pytest.approx(1) for name in {*names, earlier})
    with pytest.raises(EventError, match="is not written there"):
        multiplied_weights({"weight_a": 2.0, "weight_b": 2.0}, {"weight_c": 2.0}, 0.5, True)


def test_payload_that_nobody_has_is_an_error(basf2: ModuleType, mdst: Path) -> None:
    from skim.WGs.fei import feiHadronic

    with pytest.raises(ConditionsError, match="SmartBackgroundWeights_default"):
        process(basf2, mdst, feiHadronic(), event_type="mixed")


def test_unknown_codes_are_told_once(basf2: ModuleType, mdst: Path, model: Path, config: Path) -> None:
    import modularAnalysis
    from data_store import STORE
    from skim.WGs.fei import feiHadronic

    from smartbkg.b2modules.smart_background import add_smartbkg_filtering

    class Exotic(basf2.Module):
        def event(self) -> None:
            STORE.object("MCParticles")[5].setPDG(99887766)

    path = basf2.create_path()
    modularAnalysis.inputMdst(filename=str(mdst), path=path)
    path.add_module(Exotic())
    add_smartbkg_filtering(
        feiHadronic(), path, payload_weights=str(model), payload_config=str(config), event_type="mixed"
    )
    basf2.process(path, max_event=3)
    assert sum("does not know the PDG codes 99887766" in message for message in messages()) == 1
