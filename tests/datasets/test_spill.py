"""A join larger than memory: every event and its flags meet in one part, and nothing is lost or doubled."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from training.toys import toy_events, toy_flags, write_flags

from smartbkg.datasets import spill
from smartbkg.datasets.flags import FlagFiles, FlagIndex
from smartbkg.datasets.spill import spilled_partitions
from smartbkg.events.identity import keys_of


@pytest.mark.parametrize("n_partitions", [1, 7, 300])
def test_every_event_comes_out_once_beside_its_flags(
    tmp_path: Path, n_partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "_MOST_PARTITIONS", 20)
    events = toy_events(400, 3)
    flags = toy_flags(events)
    path = write_flags(tmp_path / "R.parquet", flags)
    expected = dict(zip(keys_of(events.event).tolist(), flags["passes_kaons"].tolist(), strict=True))
    seen: dict[int, bool] = {}
    folder = tmp_path / "parts"
    folder.mkdir()
    with contextlib.closing(FlagFiles([path], ("kaons",))) as files:
        for blocks, batches in spilled_partitions(files, events.chunks(90), folder, n_partitions):
            index = FlagIndex(list(blocks), "flags")
            for batch in batches:
                rows = index.find(batch.event, "events")
                assert (rows >= 0).all(), "an event away from its flags"
                keys = keys_of(batch.event).tolist()
                assert not seen.keys() & set(keys)
                seen |= dict(zip(keys, index.block.labels["kaons"][rows].tolist(), strict=True))
    assert seen == expected
    assert len(list(folder.glob("events-*"))) <= min(n_partitions, 20)


def test_particles_come_out_as_they_went_in(tmp_path: Path) -> None:
    events = toy_events(60, 4)
    path = write_flags(tmp_path / "R.parquet", toy_flags(events))
    momentum = {}
    with contextlib.closing(FlagFiles([path], ("kaons",))) as files:
        for _, batches in spilled_partitions(files, [events], tmp_path, 4):
            for batch in batches:
                for row, number in enumerate(batch.event["evtNum"]):
                    momentum[int(number)] = batch.particle["px"][batch.offsets[row] : batch.offsets[row + 1]]
    for row, number in enumerate(events.event["evtNum"]):
        np.testing.assert_array_equal(
            momentum[int(number)], events.particle["px"][events.offsets[row] : events.offsets[row + 1]]
        )


def test_events_whose_part_has_no_flags_still_come_out(tmp_path: Path) -> None:
    events = toy_events(50, 5)
    flags = {name: column[:1] for name, column in toy_flags(events).items()}
    path = write_flags(tmp_path / "R.parquet", flags)
    with contextlib.closing(FlagFiles([path], ("kaons",))) as files:
        n_events = n_flags = 0
        for blocks, batches in spilled_partitions(files, [events], tmp_path, 8):
            n_flags += sum(len(block) for block in blocks)
            n_events += sum(len(batch) for batch in batches)
    assert (n_events, n_flags) == (50, 1)
