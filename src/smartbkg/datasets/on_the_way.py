"""Data sets that nobody asked to see: made of events and flags beside the output of a verb, and gone after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.errors import UsageError
from smartbkg.storage.partial import scratch_folder


@contextlib.contextmanager
def data_sets(
    given: Sequence[Path], events: Sequence[Path], flags: Sequence[Path], skims: Sequence[str], beside: Path | None
) -> Iterator[Sequence[Path]]:
    """The data sets that were given, or one of events and flags, which lives as long as the block.

    Parameters
    ----------
    given : data sets.
    events, flags : in place of data sets, as in `smartbkg.datasets.build.build_dataset`.
    skims : to label; all that the flags hold where none is named.
    beside : file in whose folder the data set is made; that of temporary files where not given.

    Raises
    ------
    UsageError
        Neither data sets nor events with flags are given, or both.
    DatasetError
        Events and flags do not fit.
    """
    if given and (events or flags):
        raise UsageError("give data sets, or --events with --flags, not both")
    if given:
        yield given
        return
    if not events:
        raise UsageError("nothing to learn from: give a data set, or --events with --flags")
    name = events[0].name.partition(".")[0].replace("*", "")
    with scratch_folder("dataset", None if beside is None else beside.absolute().parent) as folder:
        made = folder / f"{name or 'events'}-with-flags.parquet"
        build_dataset(events, flags, made, DatasetOptions(tuple(skims) or ("all",)))
        yield [made]


__all__ = ["data_sets"]
