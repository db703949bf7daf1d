"""What a file holds, counted in constant memory whatever the size of a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from synthetic import random_events
from training.toys import write_events

from smartbkg.errors import FileFormatError
from smartbkg.inspection.summary import describe_file, render_events, summarise_events
from smartbkg.io import ReadOptions
from smartbkg.io.tables import write_table
from smartbkg.storage.provenance import record

BATCH = random_events(50, seed=3, first_event=7).with_event_columns(weight=np.where(np.arange(50) == 4, -2.0, 1.0))


def printed(content: object) -> str:
    import io

    console = Console(width=300, record=True, file=io.StringIO())
    console.print(content)
    return console.export_text()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_counts_do_not_depend_on_the_size_of_a_batch(tmp_path: Path, size: int) -> None:
    found = summarise_events(write_events(tmp_path / "e.parquet", BATCH), batch_size=size)
    assert found.n_events == 50
    assert found.n_particles == BATCH.n_particles
    assert (found.fewest, found.most) == (BATCH.counts.min(), BATCH.counts.max())
    assert found.ids["evtNum"] == (7, 56)
    assert found.processes == {"mixed": 50}
    assert found.sum_weight == pytest.approx(47.0)
    assert found.n_negative == 1
    assert found.n_duplicates == 0
    assert found.first is not None
    assert found.first.event[2] == 7


def test_reading_stops_after_so_many_events_and_says_so(tmp_path: Path) -> None:
    found = summarise_events(write_events(tmp_path / "e.parquet", BATCH), max_events=12, batch_size=5)
    assert found.n_events == 12
    assert not found.is_complete
    assert "12 read, there are more" in printed(render_events(found))


def test_unknown_codes_and_repeated_events_are_counted(tmp_path: Path) -> None:
    twice = BATCH.select(np.array([0, 1, 1]))
    twice.particle["PDG"][:2] = 987654
    found = summarise_events(write_events(tmp_path / "e.parquet", twice), ReadOptions())
    assert found.unknown_codes == {987654: 2}
    text = printed(render_events(found))
    assert "987654 (987654) 2" in text
    assert "1 events come twice" in text


def test_a_table_of_ours_is_described_and_other_files_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "f.parquet", {"evtNum": np.arange(3), "passes_a": np.ones(3, bool)}, record("flags", 1, {}))
    text = printed(describe_file(tmp_path / "f.parquet"))
    assert "rows" in text
    assert "passes_a (bool)" in text
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(FileFormatError):
        describe_file(tmp_path / "x.parquet")
