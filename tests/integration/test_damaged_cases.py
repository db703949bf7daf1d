"""Files that were read with other numbers, fewer events or a traceback: each is refused, by its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pristine import read_events, read_flags, read_store

from smartbkg.datasets.make_flags import make_flags
from smartbkg.errors import SmartBKGError

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "damaged"


def select(path: Path) -> None:
    """Flags from a cut on the column that is damaged."""
    make_flags([path], path.with_name("flags.parquet"), "skim", selections=["Mbc > 5.27"])


READ: dict[str, Callable[[Path], object]] = {
    "first-event-lost.hepmc3": read_events,
    "lost-row-group.parquet": read_events,
    "payloads-lost.sqlite": read_store,
    "traceback.csv": select,
    "traceback.root": read_flags,
    "traceback.sqlite": read_store,
    "wrong-numbers.hepmc3.zst": read_events,
}


@pytest.mark.parametrize("name", READ)
def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    if not (CASES / name).is_file():
        pytest.skip("cases not found beside the project")
    path = tmp_path / name
    shutil.copyfile(CASES / name, path)
    with pytest.raises(SmartBKGError, match=name):
        READ[name](path)
