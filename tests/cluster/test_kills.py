"""A few kills of everything that a campaign consists of; `tests/cluster/kills.py` does as many as one likes."""

from pathlib import Path

import pytest
from cluster import kills
from cluster.slurm import is_installed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "n_kills"),
    [
        ("local", 3),
        ("dask", 3),
        pytest.param("slurm", 2, marks=pytest.mark.xdist_group("slurm")),
        pytest.param("array", 2, marks=pytest.mark.xdist_group("slurm")),
    ],
)
def test_nothing_is_lost_or_doubled_whatever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, n_kills: int
) -> None:
    if place in ("slurm", "array") and not is_installed():
        pytest.skip("no Slurm here, or not root: make test-cluster installs it")
    if place in ("slurm", "dask"):
        pytest.importorskip("distributed")
    monkeypatch.setattr(kills, "N_CHUNKS", 10)
    assert kills.kill_campaigns(place, n_kills, tmp_path, seed=3).total() == n_kills
