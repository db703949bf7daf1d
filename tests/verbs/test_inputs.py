"""What a user holds in memory becomes the same files as what a user holds on disk."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.errors import DatasetError, UsageError
from smartbkg.io import open_events
from smartbkg.io.tables import read_table
from smartbkg.verbs.inputs import TemporaryFolder, Workplace, as_batch, write_batch, write_flags


def test_a_temporary_folder_goes_with_the_last_reference() -> None:
    folder = TemporaryFolder()
    path = folder.path
    assert path.is_dir()
    del folder
    gc.collect()
    assert not path.exists()


def test_a_path_stays_the_users_and_events_in_memory_get_a_file(tmp_path: Path) -> None:
    place = Workplace()
    assert place.events(tmp_path / "mine.hepmc3") == tmp_path / "mine.hepmc3"
    assert place.output(tmp_path / "out.parquet", "x") == tmp_path / "out.parquet"
    assert place.folder is None, "nothing was made that nobody needs"
    batch = random_events(7)
    with open_events(place.events(batch)) as reader:
        found = next(iter(reader.batches()))
    assert found.event["evtNum"].tolist() == batch.event["evtNum"].tolist()
    np.testing.assert_array_equal(found.particle["px"], batch.particle["px"])


def test_an_awkward_array_is_events_and_a_list_is_not() -> None:
    batch = random_events(5)
    back = as_batch(batch.to_awkward())
    np.testing.assert_array_equal(back.particle["PDG"], batch.particle["PDG"])
    assert as_batch(batch) is batch
    with pytest.raises(UsageError, match="events are a list, expected a path"):
        as_batch([1, 2])


def test_truth_values_become_flags_of_their_events(tmp_path: Path) -> None:
    batch = random_events(6)
    write_batch(batch, tmp_path / "e.parquet")
    passes = np.arange(6) % 3 == 0
    write_flags(tmp_path / "e.parquet", passes, "mine", tmp_path / "f.parquet")
    table = read_table(tmp_path / "f.parquet")
    assert table["evtNum"].tolist() == batch.event["evtNum"].tolist()
    assert table["passes_mine"].tolist() == passes.tolist()
    write_flags(tmp_path / "e.parquet", {"a": passes, "b": 1 - passes}, "unused", tmp_path / "g.parquet")
    assert (read_table(tmp_path / "g.parquet")["passes_b"] == ~passes).all()


@pytest.mark.parametrize(("passes", "said"), [([1, 0], r"shape \(2,\), expected \(6,\)"), ([0.5] * 6, "other values")])
def test_flags_of_another_length_or_kind_are_refused(tmp_path: Path, passes: list[float], said: str) -> None:
    write_batch(random_events(6), tmp_path / "e.parquet")
    with pytest.raises(DatasetError, match=said):
        write_flags(tmp_path / "e.parquet", passes, "mine", tmp_path / "f.parquet")
