"""Files of machine code are whole or absent, and damaged ones are not believed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from smartbkg.compilation.store import read_code, remove_unused, write_code

CONTENT = bytes(range(256)) * 40


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a-1.kernel"
    write_code(path, CONTENT)
    assert read_code(path) == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read_code(tmp_path / "none.kernel") is None


@pytest.mark.parametrize("place", [0, 9, 60, -1])
def test_one_damaged_bit_makes_a_file_worthless(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a-1.kernel"
    write_code(path, CONTENT)
    stored = bytearray(path.read_bytes())
    stored[place] ^= 1
    path.write_bytes(stored)
    assert read_code(path) is None


@pytest.mark.parametrize("size", [0, 5, 20, 41, 100])
def test_a_truncated_file_is_worthless(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a-1.kernel"
    write_code(path, CONTENT)
    path.write_bytes(path.read_bytes()[:size])
    assert read_code(path) is None


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_code(tmp_path / "a-1.kernel", CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_only_what_nobody_read_for_long_is_removed(tmp_path: Path) -> None:
    old = time.time() - 100 * 86400
    for name in ("a-new.kernel", "a-old.kernel", "b-old.kernel", ".a-x.partial"):
        (tmp_path / name).touch()
        if "new" not in name:
            os.utime(tmp_path / name, (old, old))
    remove_unused(tmp_path, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-new.kernel", "b-old.kernel"]
