"""How much the entries of a ROOT tree unpack to is known before they are unpacked."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from smartbkg.errors import FileFormatError
from smartbkg.io.root import open_root
from smartbkg.io.root_volume import Volume
from smartbkg.storage import bounds


@pytest.fixture(params=["tree", "ntuple"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """200,000 zeros in four pieces, which pack to next to nothing."""
    path = tmp_path / "f.root"
    with uproot.recreate(path) as file:
        zeros = ak.Array({"x": np.zeros(50_000)})
        if request.param == "tree":
            file.mktree("events", {"x": np.float64})
        else:
            file.mkrntuple("events", zeros.layout.form)
        for _ in range(4):
            file["events"].extend(zeros if request.param == "ntuple" else {"x": np.zeros(50_000)})
    return path


def test_the_volume_of_parts_is_that_of_the_whole_and_near_the_bytes_of_the_numbers(path: Path) -> None:
    with open_root(path) as file:
        volume = Volume(file["events"])
        whole = volume.size(0, 200_000)
        assert whole == pytest.approx(8 * 200_000, rel=0.01)
        parts = [volume.size(start, start + 30_000) for start in range(0, 180_000, 30_000)]
        assert sum(parts) + volume.size(180_000, 200_000) == pytest.approx(whole)
        assert volume.size(10, 10) == 0


def test_entries_that_would_unpack_to_far_more_than_they_are_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_root(path) as file:
        Volume(file["events"]).check(0, 200_000, "small")
        monkeypatch.setattr(bounds, "ALWAYS_ALLOWED", 1000)
        monkeypatch.setattr(bounds, "LARGEST_EXPANSION", 2)
        with pytest.raises(FileFormatError, match="entries 0 to 199999"):
            Volume(file["events"]).check(0, 200_000, "f")
