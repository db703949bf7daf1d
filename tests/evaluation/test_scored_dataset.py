"""Which events may evaluate a model: those it has not learned from, whatever file they come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filtering.test_event_filter import EnergyScorer
from synthetic import random_events

from smartbkg.datasets.membership import Membership, membership_keys
from smartbkg.datasets.split import TEST, VALIDATION, assign_split
from smartbkg.errors import DatasetError, ModelError
from smartbkg.evaluation.scored_dataset import score_dataset
from smartbkg.events.columns import EVENT_ID
from smartbkg.io import create_events
from smartbkg.io.tables import write_table
from smartbkg.storage.provenance import record

N = 600
BATCH = random_events(N, seed=5)
LABEL = np.arange(N) % 4 == 0


def dataset(path: Path, **columns: Any) -> Path:
    given = {"label_tag": LABEL, "var_R2": np.linspace(0, 1, N)} | columns
    with create_events(path, {"kind": "dataset", "schema_version": 1}) as writer:
        writer.write(BATCH.with_event_columns(**{name: v for name, v in given.items() if v is not None}))
    return path


def training(test: float, keys: np.ndarray | None = None) -> dict[str, Any]:
    taught = Membership.none().add(membership_keys(BATCH) if keys is None else keys)
    split = {"validation_fraction": 0.3, "test_fraction": test, "split_seed": 0}
    return {"split": split, "membership": taught.to_list(), "inputs": []}


def test_a_stranger_is_evaluated_on_all_events(tmp_path: Path) -> None:
    path = dataset(tmp_path / "d.parquet")
    for record_of in (None, training(0.2, membership_keys(random_events(50, seed=99, first_event=9000)))):
        found = score_dataset(path, EnergyScorer(), training=record_of)
        assert len(found.events) == N
        assert f"all {N} events" in found.note
    np.testing.assert_allclose(found.variables["R2"], np.linspace(0, 1, N), rtol=1e-6)


@pytest.mark.parametrize(("test", "which", "name"), [(0.2, TEST, "test"), (0.0, VALIDATION, "validation")])
def test_a_model_is_evaluated_on_the_part_that_it_did_not_learn_from(
    tmp_path: Path, test: float, which: int, name: str
) -> None:
    found = score_dataset(dataset(tmp_path / "d.parquet"), EnergyScorer(), training=training(test))
    part = assign_split({column: BATCH.event[column] for column in EVENT_ID}, 0.3, test, 0) == which
    np.testing.assert_array_equal(found.event_id["evtNum"], BATCH.event["evtNum"][part])
    assert f"its {int(part.sum())} {name} events" in found.note
    assert ("some per cent too good" in found.note) is (which == VALIDATION)


def test_events_that_taught_the_start_of_a_training_do_not_count(tmp_path: Path) -> None:
    """A model on other events, from the weights of one that learned these: it is evaluated on its test events."""
    path = dataset(tmp_path / "d.parquet")
    stranger = training(0.2, membership_keys(random_events(50, seed=99, first_event=9000)))
    found = score_dataset(path, EnergyScorer(), training=stranger | {"ancestors": [training(0.2)]})
    part = assign_split({column: BATCH.event[column] for column in EVENT_ID}, 0.3, 0.2, 0) == TEST
    np.testing.assert_array_equal(found.event_id["evtNum"], BATCH.event["evtNum"][part])
    assert "the model that its training started from was trained on d.parquet" in found.note


def test_events_without_a_label_are_left_out(tmp_path: Path) -> None:
    path = dataset(tmp_path / "d.parquet", label_tag=np.where(np.arange(N) < 100, np.nan, LABEL))
    assert len(score_dataset(path, EnergyScorer()).events) == N - 100
    nothing = dataset(tmp_path / "n.parquet", label_tag=np.full(N, np.nan))
    with pytest.raises(DatasetError, match="no event has labels of tag"):
        score_dataset(nothing, EnergyScorer())


def test_skims_of_the_model_and_of_the_data_must_be_there(tmp_path: Path) -> None:
    path = dataset(tmp_path / "d.parquet")
    with pytest.raises(ModelError, match="the model has no skim 'tga': did you mean 'tag'"):
        score_dataset(path, EnergyScorer(), ("tga",))
    with pytest.raises(DatasetError, match="no labels of the skim 'other' of the model: "):
        score_dataset(path, EnergyScorer(("other",)))


def test_without_variables_those_of_the_generator_are_looked_at(tmp_path: Path) -> None:
    found = score_dataset(dataset(tmp_path / "d.parquet", var_R2=None), EnergyScorer())
    assert all(name.startswith("gen_") for name in found.variables)
    assert len(found.variables) > 5


def test_a_new_calibration_is_fitted_on_other_events_than_those_that_evaluate(tmp_path: Path) -> None:
    path = dataset(tmp_path / "d.parquet", label_tag=np.random.default_rng(0).random(N) < 0.3)
    found = score_dataset(path, EnergyScorer(), is_recalibrated=True)
    assert found.calibration is not None
    assert 0.35 * N < len(found.events) < 0.65 * N
    assert "after the others calibrated it" in found.note
    assert found.events.score.mean() == pytest.approx(0.3, abs=0.08)


def test_true_probabilities_are_joined_by_event(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(N)
    truth = np.linspace(0.01, 0.9, N)
    columns = {name: BATCH.event[name][order] for name in EVENT_ID} | {"pass_probability_tag": truth[order]}
    write_table(tmp_path / "o.parquet", columns, record("flags", 1, {}))
    found = score_dataset(dataset(tmp_path / "d.parquet"), EnergyScorer(), oracle=tmp_path / "o.parquet")
    assert found.events.oracle is not None
    np.testing.assert_allclose(found.events.oracle[:, 0], truth)
