"""The verbs as functions: own events from arrays to a filtered, checked sample, and results that show themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.toys import toy_events, toy_flags

import smartbkg as sb
from smartbkg.errors import DatasetError, UsageError
from smartbkg.events.columns import PASSES_PREFIX
from smartbkg.verbs.inputs import write_batch
from smartbkg.verbs.results import Flags, Kept, Model

SETTINGS = {"optimiser.epochs": 1, "run.seed": 1, "run.threads": 1, "network.units": 16, "network.n_layers": 1}


@pytest.fixture(scope="module")
def events() -> sb.EventBatch:
    return toy_events(600)


@pytest.fixture(scope="module")
def passes(events: sb.EventBatch) -> np.ndarray:
    return np.asarray(toy_flags(events)[PASSES_PREFIX + "kaons"])


@pytest.fixture(scope="module")
def model(events: sb.EventBatch, passes: np.ndarray) -> Model:
    return sb.train(events.to_awkward(), passes, skim="mine", settings=SETTINGS)


def test_arrays_in_memory_become_a_model_that_filters_them_as_its_file_does(
    events: sb.EventBatch, model: Model, tmp_path: Path
) -> None:
    kept = sb.filter(events, model, seed=3)
    named = sb.filter(events, str(model.path), seed=3, output=tmp_path / "kept.parquet")
    assert isinstance(kept, Kept)
    assert kept.to_arrow().equals(named.to_arrow())
    assert 0 < kept.counted["kept"] < len(events)
    assert kept.to_arrow()["weight"].to_numpy().sum() == pytest.approx(kept.counted["sum of weights"])


def test_a_file_that_nobody_named_lives_as_long_as_its_result(events: sb.EventBatch, model: Model) -> None:
    scores = sb.score(events, model)
    path = scores.path
    assert path.exists()
    assert len(scores.to_pandas()) == len(events)
    del scores
    assert not path.exists()


def test_results_show_themselves(events: sb.EventBatch, model: Model) -> None:
    kept = sb.filter(events, model, seed=3)
    assert repr(kept).startswith("<Kept kept.parquet: kept ")
    assert "<th" in kept._repr_html_()
    assert "kept.parquet" in kept._repr_html_()
    assert len(kept.to_awkward()) == kept.counted["kept"]
    for result in (kept, model, sb.score(events, model)):
        assert result.plot().get_axes()


def test_a_title_from_a_file_name_cannot_inject_a_page(tmp_path: Path) -> None:
    assert "<script>" not in Flags(tmp_path / "<script>.parquet", {"<script>": 1})._repr_html_()


def test_flags_of_another_length_and_other_things_than_events_are_refused(events: sb.EventBatch) -> None:
    with pytest.raises(DatasetError, match=r"shape \(3,\), expected \(600,\)"):
        sb.dataset(events, np.zeros(3, dtype=bool), skim="mine")
    with pytest.raises(DatasetError, match="other values than 0 and 1"):
        sb.dataset(events, np.full(len(events), 0.5), skim="mine")
    with pytest.raises(UsageError, match="events are a list"):
        sb.score([1, 2], "model.safetensors")


def test_data_sets_and_validations_draw_themselves(
    events: sb.EventBatch, passes: np.ndarray, model: Model, tmp_path: Path
) -> None:
    (axes,) = sb.dataset(events, passes, skim="mine").plot().axes
    assert axes.lines[0].get_xdata()[0] == pytest.approx(100 * passes.mean())
    write_batch(events, tmp_path / "E.parquet")
    validated = sb.validate(sb.filter(events, model, seed=3), events=tmp_path / "E.parquet")
    assert validated.plot().axes[0].get_legend() is not None
    with pytest.raises(UsageError, match="no variable 'nParticle'"):
        validated.plot("nParticle")


def test_a_policy_may_be_a_function_and_events_with_flags_a_data_set(
    events: sb.EventBatch, passes: np.ndarray, model: Model
) -> None:
    kept = sb.filter(events, model, policy=lambda score: 0.5 + 0 * score)
    assert set(kept.to_arrow()["keep_probability"].to_pylist()) == {0.5}
    assert sb.plan(model, events, passes).figures["skims"] == "mine"
    assert sb.evaluate(model, events, passes).figures["skim"] == "mine", "flags without a name are of the model's skim"


@pytest.mark.parametrize(
    ("verb", "arguments", "wrong", "message"),
    [
        (sb.generate, ("mixed", 5), {"seed": 1, "output": "e.hepmc3"}, "a Parquet table is written"),
        (sb.simulate, ("e.parquet",), {"output": "f.root"}, "a Parquet table is written"),
        (sb.flag, ("e.parquet",), {"output": "f.csv"}, "a Parquet table is written"),
        (sb.dataset, ("e.parquet", "f.parquet"), {"output": "d.h5"}, "a Parquet table is written"),
        (sb.train, ("d.parquet",), {"output": "m.pth"}, "a model is written, expected a name that ends in .safeten"),
        (sb.evaluate, ("m.safetensors", "d.parquet"), {"output": "r.pdf"}, "an HTML page is written"),
        (sb.filter, ("e.parquet", "m.safetensors"), {"seed": 1, "output": "k.h5"}, "cannot write events as '.h5'"),
        (sb.score, ("e.parquet", "m.safetensors"), {"output": "s.csv"}, "a Parquet table is written"),
        (sb.merge, (["a.parquet", "b.parquet"],), {"output": "k.h5"}, "cannot write events as '.h5'"),
    ],
)
def test_an_output_is_called_by_what_is_in_it(
    verb: Any, arguments: tuple[Any, ...], wrong: dict[str, Any], message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Before anything is read: none of the inputs exists."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        verb(*arguments, **wrong)
    assert list(tmp_path.iterdir()) == []
