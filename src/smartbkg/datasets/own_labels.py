"""Labels that the events carry themselves: open data with a ``label``, or a data set made before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.flags import FlagBlock, as_label, chosen_skims
from smartbkg.errors import DatasetError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, FRACTION_PREFIX, LABEL_PREFIX, PASSES_PREFIX
from smartbkg.io import open_events


class OwnLabels:
    """Events with a column ``label_<skim>``, ``passes_<skim>`` or, for one skim, ``label``."""

    variables: tuple[str, ...] = ()

    def __init__(self, paths: Sequence[Path], skims: Sequence[str]) -> None:
        """Look at the first events and choose the skims.

        Raises
        ------
        DatasetError
            No labels, or an unknown skim.
        """
        self.paths = tuple(paths)
        first = next((batch for path in paths for batch in _batches(path)), None)
        if first is None:
            raise DatasetError(f"{paths[0]}: no events")
        columns: dict[str, str] = {}
        for prefix in (FRACTION_PREFIX, PASSES_PREFIX, LABEL_PREFIX):
            columns |= {name.removeprefix(prefix): name for name in first.event if name.startswith(prefix)}
        if not columns and "label" in first.event and len(skims) == 1:
            columns = {"label" if skims[0] == "all" else skims[0]: "label"}
        if not columns:
            raise DatasetError(
                f"{paths[0]}: the events carry no labels; give the flags with --flags, for example those of "
                "'smartbkg simulate'"
            )
        self.skims = chosen_skims(skims, set(columns), paths[0])
        self._columns = {skim: columns[skim] for skim in self.skims}
        self.is_soft = any(first.event[column].dtype.kind == "f" for column in self._columns.values())

    def batches(self) -> Iterator[tuple[EventBatch, FlagBlock]]:
        """Events and their labels.

        Raises
        ------
        DatasetError
            An event occurs twice within a batch, or a file has no labels.
        """
        for path in self.paths:
            for batch in _batches(path):
                yield batch, self._block(batch)

    def blocks(self, *, with_variables: bool = True) -> Iterator[FlagBlock]:  # noqa: ARG002 - as `FlagFiles`
        """The labels alone."""
        return (block for _, block in self.batches())

    def _block(self, batch: EventBatch) -> FlagBlock:
        labels: dict[str, NDArray[Any]] = {}
        for skim, column in self._columns.items():
            if column not in batch.event:
                raise DatasetError(f"{batch.source}: no column '{column}', which {self.paths[0]} has")
            labels[skim] = as_label(batch.event[column], f"{batch.source}: column '{column}'")
        return FlagBlock({name: batch.event[name].astype(np.int64) for name in EVENT_ID}, labels, {})

    def close(self) -> None:
        """Nothing to do: each pass opens and closes the files itself."""


def _batches(path: Path) -> Iterator[EventBatch]:
    with open_events(path) as reader:
        yield from reader.batches()
