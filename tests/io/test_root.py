"""ROOT files: errors as ours, whole files, and what can be read around a damaged entry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
import uproot

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io.reader import EventReader, ReadOptions
from smartbkg.io.root import check_whole, flat_branch, open_root, read_ranges, root_errors, root_recogniser
from smartbkg.io.root_volume import Volume

#: Of a tree whose branches are not looked at.
NO_VOLUME = Volume(SimpleNamespace(classname="TTree"), [])


class ReaderOfNothing(EventReader):
    """A reader whose entries the test gives."""

    def batches(self, size: int = 1) -> Iterator[EventBatch]:
        return iter(())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "t.root"
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": "var * float64"})
        file["events"].extend({"x": ak.Array([[1.0, 2.0], [], [3.0]])})
    return path


def test_lists_are_flat_with_their_lengths(tree: Path) -> None:
    with open_root(tree) as file:
        branch = file["events"]["x"]
        counts, values = flat_branch(branch, 0, 3)
        assert (counts.tolist(), values.tolist()) == ([2, 0, 1], [1.0, 2.0, 3.0])
        counts, values = flat_branch(branch, 1, 3)
        assert (counts.tolist(), values.tolist()) == ([0, 1], [3.0])


def test_whatever_a_library_raises_is_one_line_and_our_own_errors_stay() -> None:
    with (
        pytest.raises(FileFormatError, match=r"f: damaged, truncated or unreadable tree: first line$"),
        root_errors("f", "tree"),
    ):
        raise RuntimeError("first line,\nsecond line")
    with pytest.raises(UsageError, match="mine"), root_errors("f", "tree"):
        raise UsageError("mine")


def test_a_truncated_file_is_noticed_and_a_missing_one_named(tree: Path) -> None:
    check_whole(tree)
    tree.write_bytes(tree.read_bytes()[:-20])
    with pytest.raises(FileFormatError):
        check_whole(tree)
    with pytest.raises(FileFormatError, match="no such file"):
        open_root(tree.with_name("missing.root"))


def test_a_format_is_recognised_by_what_is_in_the_file(tree: Path) -> None:
    recognises = root_recogniser("tree", lambda file, _: "events" in file)
    head = tree.read_bytes()[:64]
    assert recognises(head, tree)
    assert not recognises(b"PAR1", tree)
    assert not recognises(head, tree.with_name("missing.root"))
    assert not root_recogniser("tree", lambda file, _: "other" in file)(head, tree)
    tree.write_bytes(head)
    assert not recognises(head, tree), "a damaged file is of no format"


@pytest.mark.parametrize("size", [1, 3, 100])
def test_only_the_damaged_entries_are_left_out(size: int) -> None:
    damaged = {4, 5, 17}

    def read(start: int, stop: int) -> list[int]:
        if damaged & set(range(start, stop)):
            raise FileFormatError(f"entries {start} to {stop}")
        return list(range(start, stop))

    reader = ReaderOfNothing("toy", ReadOptions(skip_corrupt=True))
    found = [entry for part in read_ranges(reader, 20, size, read, NO_VOLUME) for entry in part]
    assert found == [entry for entry in range(20) if entry not in damaged]
    assert reader.skipped.n_events == 3
    with pytest.raises(FileFormatError):
        list(read_ranges(ReaderOfNothing("toy"), 20, size, read, NO_VOLUME))


def test_an_empty_range_gives_nothing() -> None:
    assert list(read_ranges(ReaderOfNothing("toy"), 0, 5, lambda start, stop: np.arange(start, stop), NO_VOLUME)) == []
