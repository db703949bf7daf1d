"""Numbers of events for a display: exact where files say, estimated for text, none where nobody can know."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from io_events import decay_event, hepmc_text
from synthetic import random_events

from smartbkg.io import create_events
from smartbkg.io.counting import count_events
from smartbkg.storage.provenance import record


def native(path: Path, n_events: int) -> Path:
    with create_events(path, record("events", 1, {})) as writer:
        writer.write(random_events(n_events))
    return path


def test_files_that_say_are_added_up(tmp_path: Path) -> None:
    paths = [native(tmp_path / f"e{k}.parquet", 10 * k) for k in (1, 2)]
    assert count_events(paths) == (30, True)
    assert count_events([tmp_path / "e*.parquet"]) == (30, True)


def test_one_estimate_makes_the_sum_an_estimate(tmp_path: Path) -> None:
    text = tmp_path / "e.hepmc3"
    text.write_bytes(hepmc_text([decay_event(number) for number in range(1, 9)]))
    found = count_events([text, native(tmp_path / "e.parquet", 10)])
    assert found is not None
    assert not found.is_exact
    assert abs(found.n_events - 18) <= 1


def test_one_event_is_one(tmp_path: Path) -> None:
    path = tmp_path / "e.hepmc3"
    path.write_bytes(hepmc_text([decay_event(1)]))
    assert count_events([path]) == (1, False)


def test_nobody_knows_of_pipes_packed_text_and_what_cannot_be_read(tmp_path: Path) -> None:
    packed = tmp_path / "e.hepmc3.gz"
    packed.write_bytes(gzip.compress(hepmc_text([decay_event(1)])))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    empty = tmp_path / "empty.parquet"
    empty.touch()
    for path in (packed, pipe, empty, Path("-"), tmp_path / "missing.parquet", tmp_path):
        assert count_events([path]) is None, path
