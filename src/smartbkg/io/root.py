"""ROOT files through uproot: opening, reading lists flat, and its errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError, SmartBKGError
from smartbkg.io.reader import EventReader
from smartbkg.io.root_volume import Volume
from smartbkg.storage.bounds import BATCH_BYTES
from smartbkg.storage.machine import reading
from smartbkg.storage.signatures import ROOT_START

Content = TypeVar("Content", bound=Sized)


@contextlib.contextmanager
def root_errors(source: str, what: str) -> Iterator[None]:
    """Turn whatever uproot raises into a `FileFormatError` that says what was read; a failing disk is no damage."""
    try:
        with reading(source):
            yield
    except SmartBKGError:
        raise
    except Exception as error:  # damaged bytes raise what they please: uproot has no class for it
        reason = (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(",")
        raise FileFormatError(f"{source}: damaged, truncated or unreadable {what}: {reason}") from error


def open_root(path: Path) -> Any:
    """A ROOT file, opened for reading.

    Raises
    ------
    FileFormatError
        Missing, truncated, or not ROOT.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file")
    import uproot

    with root_errors(str(path), "ROOT file"):
        return uproot.open(path)


def root_recogniser(what: str, is_ours: Callable[[Any, str], bool]) -> Callable[[bytes, Path], bool]:
    """How a format of ROOT files is recognised: by looking into the file.

    Parameters
    ----------
    what : the part of the file that is looked at, for messages.
    is_ours : from the open file and its path, whether it holds that format.

    Returns
    -------
    From the first bytes and the path, whether a file has the format; False where it cannot be read.
    """

    def recognises(head: bytes, path: Path) -> bool:
        if head[: len(ROOT_START)] != ROOT_START or not path.is_file():
            return False
        try:
            with open_root(path) as file, root_errors(str(path), what):
                return is_ours(file, str(path))
        except FileFormatError:
            return False

    return recognises


def check_whole(path: Path) -> None:
    """Raise `FileFormatError` where a ROOT file cannot be opened or is shorter than its header says."""
    with open_root(path) as file:
        announced, found = int(file.file.fEND), path.stat().st_size
    if found < announced:
        raise FileFormatError(f"{path}: truncated: {found} of {announced} bytes are there")


def check_entries(branch: Any, n_entries: int) -> None:
    """Raise `ValueError` where a branch has another number of entries than its tree: one of the two is damaged."""
    if int(branch.num_entries) != n_entries:
        raise ValueError(f"{branch.name} has {branch.num_entries} entries, its tree {n_entries}")


def flat_branch(branch: Any, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """A branch of lists.

    Returns
    -------
    counts : (stop - start,) int64, length of each list.
    values : (sum of counts,), all lists one after the other.
    """
    import awkward as ak

    array = branch.array(library="ak", entry_start=start, entry_stop=stop)
    counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64)
    return counts, np.asarray(ak.to_numpy(ak.flatten(array, axis=1)))


def read_ranges(
    reader: EventReader, n_entries: int, size: int, read: Callable[[int, int], Content], volume: Volume
) -> Iterator[Content]:
    """The entries of a tree in pieces; under ``skip_corrupt`` whatever can be read between damaged ones.

    Parameters
    ----------
    size : most entries of a piece; fewer where they take more than `BATCH_BYTES`.
    read : the events of the entries ``start:stop``; raises `FileFormatError` where it cannot.
    volume : of what ``read`` reads, which is refused where it would unpack to far more than it is.
    """

    def bounded(start: int, stop: int) -> Content:
        with root_errors(reader.source, f"entries {start} to {stop - 1}"):
            volume.check(start, stop, reader.source)
        return read(start, stop)

    for start in range(0, n_entries, size):
        for first, last in _pieces(reader, start, min(start + size, n_entries), volume):
            yield from _range(reader, first, last, bounded)


def _pieces(reader: EventReader, start: int, stop: int, volume: Volume) -> Iterator[tuple[int, int]]:
    """A range halved until each part takes `BATCH_BYTES` at most, or is one entry."""
    n_bytes = 0.0
    with contextlib.suppress(FileFormatError), root_errors(reader.source, "baskets"):  # reading them says it better
        n_bytes = volume.size(start, stop)
    if n_bytes <= BATCH_BYTES or stop - start < 2:
        yield start, stop
        return
    middle = (start + stop) // 2
    yield from _pieces(reader, start, middle, volume)
    yield from _pieces(reader, middle, stop, volume)


def _range(reader: EventReader, start: int, stop: int, read: Callable[[int, int], Content]) -> Iterator[Content]:
    """Halve a range that cannot be read until what is left out is one entry."""
    try:
        batch = read(start, stop)
    except FileFormatError as error:
        if not reader.options.skip_corrupt:
            raise
        if stop - start == 1:
            reader.skip(error)  # it names the file and the entry
            return
        middle = (start + stop) // 2
        yield from _range(reader, start, middle, read)
        yield from _range(reader, middle, stop, read)
        return
    if len(batch):
        yield batch


__all__ = ["check_entries", "check_whole", "flat_branch", "open_root", "read_ranges", "root_errors"]
