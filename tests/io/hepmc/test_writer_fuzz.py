"""A small fuzz campaign of the HepMC writer; `make fuzz` runs the large one."""

from __future__ import annotations

from pathlib import Path

import pytest
from writer_fuzzing import attempt, difference


@pytest.mark.parametrize("seed", range(4))
def test_what_is_written_both_official_readers_read_particle_by_particle(tmp_path: Path, seed: int) -> None:
    outcome = attempt(seed, tmp_path)
    assert outcome == (5, "")


def test_the_comparison_sees_a_particle_that_changed() -> None:
    particle = {"key": [11, 1, 0.0, 0.0, 1.0, 1.0, 0.0], "made_in": 0, "ends_in": 0}
    event = {
        "number": 1,
        "units": ["GEV", "MM"],
        "weights": [1.0],
        "names": ["0"],
        "particles": [particle],
        "vertices": {},
    }
    other = event | {"particles": [particle | {"key": [13, 1, 0.0, 0.0, 1.0, 1.0, 0.0]}]}
    assert difference([event], [event], has_places=True) == ""
    assert difference([event], [other], has_places=True) == "event 1: its particles or vertices"
    assert difference([event], [event | {"weights": [2.0]}], has_places=True).startswith("event 1: weights")
    assert difference([event], [], has_places=True) == "1 events, then 0"
