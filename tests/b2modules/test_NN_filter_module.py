# ruff: noqa: N813 - steering files import modularAnalysis so
from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from b2modules.steering import extra_infos, messages

from smartbkg.conditions import ALWAYS, ConditionsStore, Interval
from smartbkg.errors import ConditionsError, EventError, ModelError, SmartBKGError
from smartbkg.events import EventBatch
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.io import open_events
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling.policies import ScorePolicy

DESIGN_MODEL_CONFIG = {"attention_heads": 4, "n_layers": 6, "units": 32, "use_gap": True}
DESIGN_PREPROC_CONFIG = {
    "cuts": ["abs(x) < 10", "abs(y) < 10", "abs(z) < 10"],
    "features": ["PDG", "prodTime", "energy", "x", "y", "z", "px", "py", "pz"],
}


def make(**arguments: Any) -> Any:
    from smartbkg.b2modules.NN_filter_module import NNFilterModule

    return NNFilterModule(**arguments)


def read(path: Path) -> EventBatch:
    with open_events(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def logit(score: float) -> float:
    return float(np.log(score) - np.log1p(-score))


def column(seen: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([entry[name] for entry in seen])


def test_signature_is_the_documented_one(basf2: ModuleType) -> None:
    from smartbkg.b2modules.NN_filter_module import NNFilterModule
    from smartbkg.NN_filter_module import NNFilterModule as OlderPath

    assert OlderPath is NNFilterModule
    assert issubclass(NNFilterModule, basf2.Module)
    parameters = inspect.signature(NNFilterModule.__init__).parameters
    given = {name: p.default for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "self"}
    assert given == {
        "model_file": None,
        "model_config": DESIGN_MODEL_CONFIG,
        "preproc_config": DESIGN_PREPROC_CONFIG,
        "threshold": None,
        "extra_info_var": "NN_prediction",
        "global_tag": "SmartBKG_GATGAP",
        "payload": "GATGAPgen.pth",
    }


def test_scores_are_the_reference_and_those_of_the_command_line(
    basf2: ModuleType, mdst: Path, reference_model: Path, reference_data: Path
) -> None:
    seen = extra_infos(basf2.create_path(), make(model_file=str(reference_model)), mdst)
    scores = column(seen, "NN_prediction")
    reference = np.load(reference_data / "gatgap" / "reference.npz")["logits"]
    np.testing.assert_allclose([logit(score) for score in scores], reference, rtol=1e-5, atol=1e-4)
    batch = read(mdst)
    assert [entry["id"] for entry in seen] == [batch.event_id(index) for index in range(len(batch))]
    np.testing.assert_allclose(scores, load_scorer(reference_model).scores(batch)[:, 0], rtol=1e-5)


def test_other_release_with_shifted_times_gives_the_scores_of_the_command_line(
    basf2: ModuleType, reference_data: Path, reference_model: Path
) -> None:
    source = reference_data / "belle2" / "mdst-v06-00-00.root"
    seen = extra_infos(basf2.create_path(), make(model_file=reference_model), source)
    expected = load_scorer(reference_model).scores(read(source))[:, 0]
    np.testing.assert_allclose(column(seen, "NN_prediction"), expected, rtol=1e-5)


def test_decisions_and_weights_are_those_of_the_filter(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    from smartbkg.b2modules.framework import job_seed

    seen = extra_infos(basf2.create_path(), make(model_file=reference_model), mdst)
    decision = EventFilter(load_scorer(reference_model), ScorePolicy(), seed=job_seed()).decide(read(mdst))
    np.testing.assert_allclose(column(seen, "NN_prediction_keep_probability"), decision.keep_probability, rtol=1e-5)
    np.testing.assert_allclose(column(seen, "NN_prediction_weight"), decision.weight, rtol=1e-5)


def test_a_model_with_a_surrogate_scores_as_on_the_command_line(
    basf2: ModuleType, mdst: Path, reference_model: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate
    from smartbkg.networks.bundle import save_bundle
    from smartbkg.networks.upstream import load_state_dict_file
    from smartbkg.sampling.cost import BELLE_II_COSTS
    from smartbkg.sampling.optimal import solve_optimal
    from smartbkg.surrogate.combination import N_OWN, Combination
    from smartbkg.surrogate.prior import BetaPrior
    from smartbkg.surrogate.stored import SurrogateRecord

    believed = Combination((BetaPrior((-3.0, 1.0, 0.0), (0.0, 0.0)),), ((0.0,) * N_OWN,))
    policy = solve_optimal(np.linspace(0.001, 0.9, 50), BELLE_II_COSTS).to_dict()
    record = SurrogateRecord.of(EmbeddedSurrogate(), ((4, believed),), policy=policy)
    network = replace(load_state_dict_file(reference_model), skims=("feiHadronicB0",))
    model = tmp_path / "surrogate.safetensors"
    save_bundle(model, replace(network, surrogate=record))
    seen = extra_infos(basf2.create_path(), make(model_file=model), mdst)
    scores = column(seen, "NN_prediction")
    batch = read(mdst)
    np.testing.assert_allclose(scores, load_scorer(model).scores(batch)[:, 0], rtol=1e-5)
    alone = load_scorer(model, without_surrogate=True).scores(batch)[:, 0]
    assert (np.abs(scores - alone) > 1e-3).sum() > 20
    weights = column(seen, "NN_prediction_weight")
    is_kept = weights > 0
    assert 0 < is_kept.sum() < 100
    np.testing.assert_allclose(weights[is_kept] * column(seen, "NN_prediction_keep_probability")[is_kept], 1, rtol=1e-5)


def test_policy_can_be_chosen(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    module = make(model_file=reference_model)
    module.policy = "exp=0.46,-0.25"
    seen = extra_infos(basf2.create_path(), module, mdst)
    scores = column(seen, "NN_prediction")
    expected = np.clip(np.exp(0.46 * (np.log(scores / (1 - scores)) + 0.25)), 0.01, 1)
    np.testing.assert_allclose(column(seen, "NN_prediction_keep_probability"), expected, rtol=1e-5)
    weights = column(seen, "NN_prediction_weight")
    is_kept = weights > 0
    assert 0 < is_kept.sum() < 100
    np.testing.assert_allclose(weights[is_kept], 1 / expected[is_kept], rtol=1e-5)


def test_rejected_events_take_the_other_path(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    module = make(model_file=reference_model)
    module.policy = "exp=0.46,-0.25"
    dead = basf2.create_path()
    dead.add_module("Rejected")
    module.if_false(dead)
    kept = extra_infos(basf2.create_path(), module, mdst)
    assert 0 < len(kept) < 100
    assert (column(kept, "NN_prediction_weight") > 0).all()
    assert basf2.statistics.calls["Rejected"] == 100 - len(kept)


def test_draw_follows_basf2s_seed_and_the_event_alone(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    def kept(seed: str, **options: Any) -> dict[Any, bool]:
        basf2.set_random_seed(seed)
        module = make(model_file=reference_model)
        module.policy = "exp=0.46,-0.25"
        seen = extra_infos(basf2.create_path(), module, mdst, **options)
        return {entry["id"]: entry["NN_prediction_weight"] > 0 for entry in seen}

    first = kept("one")
    assert kept("one") == first
    assert kept("two") != first
    assert kept("one", n_events=30).items() <= first.items()


@pytest.mark.parametrize("threshold", [0.0, 1e-4, 0.5])
def test_threshold_keeps_what_is_not_below_it(
    basf2: ModuleType, mdst: Path, reference_model: Path, threshold: float
) -> None:
    seen = extra_infos(basf2.create_path(), make(model_file=reference_model, threshold=threshold), mdst)
    np.testing.assert_array_equal(
        column(seen, "NN_prediction_weight") > 0, column(seen, "NN_prediction") >= np.float32(threshold)
    )
    assert any("biased" in message for message in messages()) == (threshold > 0)


def test_defaults_are_never_changed(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    from smartbkg.b2modules import NN_filter_module

    module = make(model_file=reference_model)
    module.preproc_config["features"].remove("PDG")
    module.model_config["units"] = 7
    assert NN_filter_module.PREPROC_CONFIG == DESIGN_PREPROC_CONFIG
    assert NN_filter_module.MODEL_CONFIG == DESIGN_MODEL_CONFIG
    mine = {"cuts": ["abs(x) < 10"], "features": ["PDG", "prodTime", "energy", "x", "y", "z", "px", "py", "pz"]}
    extra_infos(basf2.create_path(), make(model_file=reference_model, preproc_config=mine), mdst, n_events=2)
    assert len(mine["features"]) == 9


def test_cuts_are_those_of_the_configuration(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    tight = {**DESIGN_PREPROC_CONFIG, "cuts": ["abs(x) < 0.1"]}
    loose = extra_infos(basf2.create_path(), make(model_file=reference_model), mdst)
    cut = extra_infos(basf2.create_path(), make(model_file=reference_model, preproc_config=tight), mdst)
    assert (column(cut, "NN_prediction") != column(loose, "NN_prediction")).any()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"features": ["energy"]}, "lack 'PDG'"),
        ({"cut": ["abs(x) < 1"]}, "has the key 'cut'"),
        ({"cuts": ["hypot(x, y) < 1"]}, "cannot read the cut"),
        ({"features": ["PDG", "enrgy"]}, "did you mean 'energy'"),
    ],
)
def test_wrong_configuration_is_explained(basf2: ModuleType, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make(model_file=__file__, preproc_config=config)


def test_name_of_the_extra_info_is_the_users(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    seen = extra_infos(basf2.create_path(), make(model_file=reference_model, extra_info_var="GAT"), mdst, n_events=1)
    assert {"GAT", "GAT_weight", "GAT_keep_probability"} < seen[0].keys()


def test_extra_info_of_others_is_kept(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    from data_store import STORE

    class Earlier(basf2.Module):
        def event(self) -> None:
            STORE.create("EventExtraInfo")
            STORE.object("EventExtraInfo").addExtraInfo("earlier", 3.0)

    path = basf2.create_path()
    path.add_module(Earlier())
    seen = extra_infos(path, make(model_file=reference_model), mdst, n_events=3)
    assert all(entry["earlier"] == 3.0 and "NN_prediction" in entry for entry in seen)


def test_module_before_the_generator_is_refused(basf2: ModuleType, reference_model: Path) -> None:
    path = basf2.create_path()
    path.add_module("EventInfoSetter", evtNumList=3)
    path.add_module(make(model_file=reference_model))
    with pytest.raises(basf2.FatalError, match=r"1 ERROR\(S\) occurred"):
        basf2.process(path)
    assert any("MCParticles' does not exist" in message for message in messages("ERROR"))


def test_events_without_particles_are_scored_as_empty_graphs_and_told(
    basf2: ModuleType, mdst: Path, reference_model: Path
) -> None:
    from data_store import STORE

    class Emptier(basf2.Module):
        def event(self) -> None:
            STORE.entries["MCParticles"].pointer.clear()

    import modularAnalysis as ma

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    path.add_module(Emptier())
    path.add_module(make(model_file=reference_model))
    basf2.process(path, max_event=4)
    assert sum("no generated particle" in message for message in messages()) == 1
    assert any("4 events had no particle" in message for message in messages("INFO"))


def test_unknown_codes_are_counted_not_fatal(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    from data_store import STORE

    class Exotic(basf2.Module):
        def event(self) -> None:
            STORE.object("MCParticles")[0].setPDG(99887766)

    path = basf2.create_path()
    import modularAnalysis as ma

    ma.inputMdst(filename=str(mdst), path=path)
    path.add_module(Exotic())
    path.add_module(make(model_file=reference_model))
    basf2.process(path, max_event=5)
    assert any("5 particles had PDG codes" in message for message in messages("INFO"))
    assert sum("does not know the PDG codes 99887766" in message for message in messages()) == 1


def filter_twice(
    basf2: ModuleType, mdst: Path, first: Any, second: Any, monkeypatch: pytest.MonkeyPatch, source: Path
) -> list[dict[str, Any]]:
    """What is in EventExtraInfo after a filter, a file, and another filter."""
    import generators
    from mdst import add_mdst_output

    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))
    path = basf2.create_path()
    path.add_module("EventInfoSetter", expList=[7], runList=[1], evtNumList=[100])
    generators.add_evtgen_generator(path, finalstate="mixed", eventType="mixed")
    first.if_false(basf2.create_path())
    path.add_module(first)
    add_mdst_output(path, filename=str(source), additionalBranches=["EventExtraInfo"])
    basf2.process(path)
    return extra_infos(basf2.create_path(), second, source)


def flat(policy: str, reference_model: Path, **options: Any) -> Any:
    module = make(model_file=reference_model, **options)
    module.policy = policy
    return module


def test_second_filter_does_not_overwrite_the_first_weight(
    basf2: ModuleType, mdst: Path, reference_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = flat("exp=0.46,-0.25", reference_model), flat("exp=0.46,-0.25", reference_model)
    with pytest.raises(EventError, match=r"'NN_prediction' = .* already.*multiply_weights=True"):
        filter_twice(basf2, mdst, first, second, monkeypatch, tmp_path / "kept.root")


def test_second_filter_multiplies_when_asked_to_and_draws_anew(
    basf2: ModuleType, mdst: Path, reference_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the numbers of the first draw every kept event would be kept again: q1 = q2, and the draw is below both."""
    first = flat("exp=0.46,-0.25", reference_model)
    second = flat("exp=0.46,-0.25", reference_model, multiply_weights=True)
    seen = filter_twice(basf2, mdst, first, second, monkeypatch, tmp_path / "kept.root")
    scores = column(seen, "NN_prediction")
    q = np.clip(np.exp(0.46 * (np.log(scores / (1 - scores)) + 0.25)), 0.01, 1)
    weights = column(seen, "NN_prediction_weight")
    is_kept = weights > 0
    assert 0 < is_kept.sum() < len(seen) < 100
    np.testing.assert_allclose(weights[is_kept], 1 / q[is_kept] ** 2, rtol=1e-4)
    np.testing.assert_allclose(column(seen, "NN_prediction_keep_probability"), q**2, rtol=1e-4)
    assert set(column(seen, "NN_prediction_draws")) == {2.0}


def test_second_filter_under_another_name_draws_anew(
    basf2: ModuleType, mdst: Path, reference_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = flat("exp=0.46,-0.25", reference_model)
    second = flat("exp=0.46,-0.25", reference_model, extra_info_var="second")
    seen = filter_twice(basf2, mdst, first, second, monkeypatch, tmp_path / "kept.root")
    assert 0 < (column(seen, "second_weight") > 0).sum() < len(seen)
    assert (column(seen, "NN_prediction_weight") > 0).all()


@pytest.mark.parametrize("options", [{"multiply_weights": True}, {"extra_info_var": "second"}])
def test_two_filters_of_one_path_draw_independently(
    basf2: ModuleType, mdst: Path, reference_model: Path, options: dict[str, Any]
) -> None:
    """With a shared number the second keeps all that the first has kept: half of the events, not a quarter."""
    n_kept = 0
    for seed in range(4):
        basf2.set_random_seed(f"two filters {seed}")
        half = f"exp=1e-6,{1e6 * np.log(2)}"
        first, second = flat(half, reference_model), flat(half, reference_model, **options)
        path = basf2.create_path()
        seen = []

        class Look(basf2.Module):
            def event(self) -> None:
                from data_store import STORE

                info = STORE.object("EventExtraInfo")
                seen.append({name: info.getExtraInfo(name) for name in info.getNames()})  # noqa: B023

        import modularAnalysis as ma

        ma.inputMdst(filename=str(mdst), path=path)
        for module in (first, second):
            module.if_false(basf2.create_path())
            path.add_module(module)
        path.add_module(Look())
        basf2.process(path)
        n_kept += len(seen)
        weight = column(seen, "NN_prediction_weight")
        if "extra_info_var" in options:
            weight = weight * column(seen, "second_weight")
        np.testing.assert_allclose(weight, 4, rtol=1e-3)
    assert abs(n_kept - 100) < 4 * np.sqrt(400 * 3 / 16)


def test_counters_begin_anew_in_a_second_processing(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    import modularAnalysis as ma

    module = make(model_file=reference_model)
    for _ in range(2):
        path = basf2.create_path()
        ma.inputMdst(filename=str(mdst), path=path)
        path.add_module(module)
        basf2.process(path, max_event=5)
    assert sum("of 5 events" in message for message in messages("INFO")) == 2


def test_filters_may_run_in_parallel_and_what_writes_files_may_not(
    basf2: ModuleType, tmp_path: Path, reference_model: Path
) -> None:
    from smartbkg.b2modules.NN_trainer_module import SaveFlag

    flag = basf2.ModulePropFlags.PARALLELPROCESSINGCERTIFIED
    assert make(model_file=reference_model).has_properties(flag)
    assert not SaveFlag(tmp_path / "flags.parquet").has_properties(flag)


def test_particles_cost_at_most_nine_calls_and_removed_ones_two(
    basf2: ModuleType, mdst: Path, reference_model: Path
) -> None:
    """Each call from Python to C++ costs about a microsecond, whatever it returns."""
    import modularAnalysis as ma
    from data_objects import CALLS

    counted: list[tuple[int, int, int]] = []

    class Counting(type(make(model_file=reference_model))):  # type: ignore[misc]
        def event(self) -> None:
            CALLS.clear()
            super().event()
            n_all = len(self._particles)
            n_kept = CALLS["getPDG"]
            counted.append((sum(CALLS.values()), n_kept, n_all - n_kept))

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    path.add_module(Counting(model_file=reference_model))
    basf2.process(path, max_event=20)
    for n_calls, n_kept, n_removed in counted[1:]:  # the first event tries whether buffers can be filled
        assert min(n_kept, n_removed) > 0
        assert n_calls <= 9 * n_kept + 2 * n_removed


def fill_store(basf2: ModuleType, tmp_path: Path, model: Path, *intervals: Interval) -> ConditionsStore:
    store = ConditionsStore(tmp_path / "conditions")
    store.create_tag("Mine")
    for interval in intervals or (ALWAYS,):
        store.put("Mine", "model.pth", model, interval)
    return store


def test_model_comes_from_the_users_global_tag(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path
) -> None:
    fill_store(basf2, tmp_path, reference_model).publish("Mine")
    module = make(global_tag="Mine", payload="model.pth")
    assert basf2.conditions.globaltags == []
    by_tag = extra_infos(basf2.create_path(), module, mdst)
    by_file = extra_infos(basf2.create_path(), make(model_file=reference_model), mdst)
    assert by_tag == by_file
    assert any("global tag Mine" in message for message in messages("INFO"))


def test_tag_that_only_basf2_knows_is_left_to_basf2(basf2: ModuleType, mdst: Path, reference_model: Path) -> None:
    basf2.conditions.central["SmartBKG_GATGAP"] = {"GATGAPgen.pth": reference_model}
    module = make()
    assert basf2.conditions.globaltags == ["SmartBKG_GATGAP"]
    by_tag = extra_infos(basf2.create_path(), module, mdst, n_events=3)
    assert not any("ANOTHER MODEL" in message for message in messages())
    assert any(
        f"payload GATGAPgen.pth, revision 1 of basf2's global tag SmartBKG_GATGAP: {reference_model}" in message
        for message in messages("INFO")
    )
    assert by_tag == extra_infos(basf2.create_path(), make(model_file=reference_model), mdst, n_events=3)


def test_users_own_tag_behind_basf2s_accessor_is_used(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that basf2 is told of by BELLE2_CONDB_METADATA, and smartbkg is not."""
    fill_store(basf2, tmp_path, reference_model).publish("Mine")
    monkeypatch.setenv("SMARTBKG_CONDITIONS", str(tmp_path / "nothing"))
    monkeypatch.setenv("BELLE2_CONDB_METADATA", str(tmp_path / "conditions" / "database.sqlite"))
    monkeypatch.setenv("BELLE2_CONDB_PAYLOADS", str(tmp_path / "conditions"))
    monkeypatch.setattr(basf2.conditions, "default_globaltags", ())
    by_tag = extra_infos(basf2.create_path(), make(global_tag="Mine", payload="model.pth"), mdst, n_events=3)
    assert any("of basf2's global tag Mine" in message for message in messages("INFO"))
    assert by_tag == extra_infos(basf2.create_path(), make(model_file=reference_model), mdst, n_events=3)


def test_run_without_the_payload_behind_one_with_it_is_an_error(
    basf2: ModuleType, mdst: Path, reference_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's model must not take over in the middle of a job."""
    import generators
    from database import Revision

    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))
    only_first = Revision(reference_model, 1, (7, 1), (7, 1))
    basf2.conditions.central["SmartBKG_GATGAP"] = {"GATGAPgen.pth": [only_first]}
    path = basf2.create_path()
    path.add_module("EventInfoSetter", expList=[7, 7], runList=[1, 2], evtNumList=[1, 1])
    generators.add_evtgen_generator(path, finalstate="mixed")
    path.add_module(make())
    with pytest.raises(ConditionsError, match="one job would use two models"):
        basf2.process(path)


def test_local_payloads_of_basf2_are_used(basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path) -> None:
    from smartbkg.conditions.local_text import LocalTextDatabase

    database = LocalTextDatabase(tmp_path / "localdb" / "database.txt")
    database.put("GATGAPgen.pth", reference_model, ALWAYS)
    basf2.conditions.prepend_testing_payloads(str(database.file))
    basf2.conditions.central["SmartBKG_GATGAP"] = {}
    assert len(extra_infos(basf2.create_path(), make(), mdst, n_events=3)) == 3


def test_unknown_payload_names_the_nearest(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path
) -> None:
    fill_store(basf2, tmp_path, reference_model)
    with pytest.raises(ConditionsError, match=r"did you mean 'model\.pth'"):
        extra_infos(basf2.create_path(), make(global_tag="Mine", payload="modle.pth"), mdst)


def test_run_without_a_valid_payload_is_an_error(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path
) -> None:
    fill_store(basf2, tmp_path, reference_model, Interval(999, 0, 999, -1))
    with pytest.raises(ConditionsError, match="999,0,999,-1"):
        extra_infos(basf2.create_path(), make(global_tag="Mine", payload="model.pth"), mdst)


def test_each_run_is_scored_with_its_own_revision(
    basf2: ModuleType, tmp_path: Path, reference_data: Path, reference_model: Path
) -> None:
    """Two runs, two models: the second revision holds from the second run on."""
    import torch

    content = torch.load(reference_model, weights_only=True)
    content["model_state_dict"]["fc_output.bias"] = content["model_state_dict"]["fc_output.bias"] + 1.5
    torch.save(content, tmp_path / "shifted.pth")
    store = fill_store(basf2, tmp_path, reference_model)
    store.put("Mine", "model.pth", tmp_path / "shifted.pth", Interval(7, 2, -1, -1))
    path = basf2.create_path()
    path.add_module("EventInfoSetter", expList=[7, 7], runList=[1, 2], evtNumList=[3, 3])
    import generators

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASF2_DOUBLE_EVENTS", str(reference_data / "belle2" / "mdst.root"))
        generators.add_evtgen_generator(path, finalstate="mixed")
        seen: list[float] = []
        path.add_module(make(global_tag="Mine", payload="model.pth"))

        class Look(basf2.Module):
            def event(self) -> None:
                from data_store import STORE

                seen.append(logit(STORE.object("EventExtraInfo").getExtraInfo("NN_prediction")))

        path.add_module(Look())
        basf2.process(path)
    reference = np.load(reference_data / "gatgap" / "reference.npz")["logits"][:6]
    np.testing.assert_allclose(np.array(seen) - reference, [0, 0, 0, 1.5, 1.5, 1.5], atol=1e-3)


def test_pickle_that_runs_code_is_refused_and_does_not_run(basf2: ModuleType, tmp_path: Path, mdst: Path) -> None:
    """A payload whose unpickling would make a file."""

    class Malice:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    (tmp_path / "bad.pth").write_bytes(pickle.dumps({"model_state_dict": Malice()}))
    fill_store(basf2, tmp_path, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=r"refused|not a readable"):
        extra_infos(basf2.create_path(), make(global_tag="Mine", payload="model.pth"), mdst)
    assert not (tmp_path / "owned").exists()


def test_payload_with_a_flipped_bit_is_refused(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path
) -> None:
    store = fill_store(basf2, tmp_path, reference_model)
    path = store.path_of(store.find("Mine", "model.pth", 0, 0))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConditionsError, match="damaged"):
        extra_infos(basf2.create_path(), make(global_tag="Mine", payload="model.pth"), mdst)


def test_missing_model_file_names_its_neighbours(basf2: ModuleType, reference_model: Path) -> None:
    with pytest.raises(ModelError, match=r"did you mean 'reference\.pth'"):
        make(model_file=reference_model.with_name("refrence.pth"))


def test_without_basf2_the_import_says_what_works() -> None:
    code = "import smartbkg.b2modules, smartbkg.NN_filter_module"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "basf2 is not set up" in result.stderr
    assert "smartbkg filter" in result.stderr


def test_the_import_error_is_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "basf2", None)
    for name in [name for name in sys.modules if name.startswith("smartbkg.b2modules")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match="basf2 is not set up") as caught:
        import smartbkg.b2modules.NN_filter_module  # noqa: F401
    assert isinstance(caught.value, SmartBKGError)


def test_store_inside_the_package_is_the_last_resort(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """basf2 knows the tag, but has no such payload in it."""
    from smartbkg.conditions import resolve
    from smartbkg.conditions.packaged import build_packaged_store

    build_packaged_store({"GATGAPgen.pth": reference_model}, tmp_path / "data")
    monkeypatch.setattr(resolve, "packaged_folder", lambda: tmp_path / "data")
    basf2.conditions.central["SmartBKG_GATGAP"] = {}
    assert len(extra_infos(basf2.create_path(), make(), mdst, n_events=2)) == 2
    assert basf2.conditions.globaltags == ["SmartBKG_GATGAP"]
    warning = next(message for message in messages() if "ANOTHER MODEL" in message)
    assert "no payload 'GATGAPgen.pth' in the global tag 'SmartBKG_GATGAP'" in warning
    assert "fallback=False" in warning


def test_a_stand_in_can_be_forbidden(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smartbkg.conditions import resolve
    from smartbkg.conditions.packaged import build_packaged_store

    build_packaged_store({"GATGAPgen.pth": reference_model}, tmp_path / "data")
    monkeypatch.setattr(resolve, "packaged_folder", lambda: tmp_path / "data")
    basf2.conditions.central["SmartBKG_GATGAP"] = {}
    with pytest.raises(ConditionsError, match=r"no payload 'GATGAPgen\.pth' .* and fallback=False"):
        extra_infos(basf2.create_path(), make(fallback=False), mdst)


def test_the_packaged_model_can_be_asked_for(
    basf2: ModuleType, tmp_path: Path, mdst: Path, reference_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smartbkg.conditions import resolve
    from smartbkg.conditions.location import PLACES_VARIABLE
    from smartbkg.conditions.packaged import build_packaged_store

    build_packaged_store({"GATGAPgen.pth": reference_model}, tmp_path / "data")
    monkeypatch.setattr(resolve, "packaged_folder", lambda: tmp_path / "data")
    monkeypatch.setenv(PLACES_VARIABLE, "package")
    assert len(extra_infos(basf2.create_path(), make(), mdst, n_events=2)) == 2
    assert basf2.conditions.globaltags == []


def test_payload_that_nobody_has_is_an_error(
    basf2: ModuleType, tmp_path: Path, mdst: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smartbkg.conditions import resolve

    monkeypatch.setattr(resolve, "packaged_folder", lambda: tmp_path / "data")
    basf2.conditions.central["Somewhere"] = {}
    with pytest.raises(ConditionsError, match=r"'Somewhere' .* is in none of the conditions databases"):
        extra_infos(basf2.create_path(), make(global_tag="Somewhere"), mdst)


def test_silent_server_of_the_user_is_an_error(basf2: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another database would give another model."""
    from smartbkg.conditions import transport
    from smartbkg.conditions.location import PLACES_VARIABLE

    monkeypatch.setattr(transport.Transport, "_with_retries", lambda self, path, attempt: attempt())
    monkeypatch.setenv(PLACES_VARIABLE, "http://127.0.0.1:9/")
    with pytest.raises(ConditionsError, match="no answer"):
        make()
