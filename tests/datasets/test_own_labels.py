"""Events that carry their labels themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events
from training.toys import write_events

from smartbkg.datasets.own_labels import OwnLabels
from smartbkg.errors import DatasetError

LABEL = np.arange(20) % 3 == 0


def sample(path: Path, **columns: np.ndarray) -> Path:
    return write_events(path, random_events(20).with_event_columns(**columns))


@pytest.mark.parametrize("column", ["label_tag", "passes_tag", "label"])
def test_each_form_of_a_label_is_found(tmp_path: Path, column: str) -> None:
    labels = OwnLabels([sample(tmp_path / "e.parquet", **{column: LABEL})], ("tag",))
    assert labels.skims == ("tag",)
    assert not labels.is_soft
    ((batch, block),) = labels.batches()
    np.testing.assert_array_equal(block.labels["tag"], LABEL)
    np.testing.assert_array_equal(block.ids["evtNum"], batch.event["evtNum"])


def test_a_data_sets_own_label_wins_over_flags_of_the_same_skim(tmp_path: Path) -> None:
    path = sample(tmp_path / "e.parquet", label_tag=LABEL, passes_tag=~LABEL)
    (block,) = OwnLabels([path], ("all",)).blocks()
    np.testing.assert_array_equal(block.labels["tag"], LABEL)


def test_fractions_are_soft_labels(tmp_path: Path) -> None:
    labels = OwnLabels([sample(tmp_path / "e.parquet", pass_fraction_tag=LABEL * 0.5)], ("tag",))
    assert labels.is_soft
    (block,) = labels.blocks()
    np.testing.assert_allclose(block.labels["tag"], LABEL * 0.5)


def test_a_nameless_label_is_called_label_where_no_skim_is_named(tmp_path: Path) -> None:
    assert OwnLabels([sample(tmp_path / "e.parquet", label=LABEL)], ("all",)).skims == ("label",)


def test_events_without_labels_or_without_events_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the events carry no labels; give the flags with --flags"):
        OwnLabels([sample(tmp_path / "e.parquet")], ("tag",))
    empty = write_events(tmp_path / "n.parquet", random_events(1).select(np.zeros(1, bool)))
    with pytest.raises(DatasetError, match="no events"):
        OwnLabels([empty], ("tag",))


def test_a_second_file_without_the_column_is_named(tmp_path: Path) -> None:
    one = sample(tmp_path / "1.parquet", label_tag=LABEL)
    two = sample(tmp_path / "2.parquet", label_other=LABEL)
    labels = OwnLabels([one, two], ("tag",))
    with pytest.raises(DatasetError, match=r"2\.parquet: no column 'label_tag', which .*1\.parquet has"):
        list(labels.batches())
