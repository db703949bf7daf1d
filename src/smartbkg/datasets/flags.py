"""Flags as the data set needs them: which event passed which skim, looked up by (experiment, run, evtNum)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smartbkg.errors import DatasetError, nearest
from smartbkg.events.columns import (
    CONTENT,
    EVENT_DTYPES,
    EVENT_ID,
    FRACTION_PREFIX,
    GENERATOR_WEIGHT,
    KEEP_PROBABILITY,
    PASSES_PREFIX,
)
from smartbkg.events.identity import ids_of, keys_of
from smartbkg.events.skim_choice import choose_skims
from smartbkg.io.parquet import open_parquet

READ_ROWS: Final = 65536

_NO_IDS: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class FlagBlock:
    """Some rows of flags.

    Attributes
    ----------
    ids : the three columns of `EVENT_ID`, (n_rows,), and `CONTENT` where the table says what was generated.
    labels : skim → (n_rows,) bool, or float in [0, 1] where it is a fraction of passing replicas.
    variables : event-level variables, (n_rows,) each.
    """

    ids: Mapping[str, NDArray[Any]]
    labels: Mapping[str, NDArray[Any]]
    variables: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.ids[EVENT_ID[0]])

    def select(self, chosen: NDArray[Any]) -> FlagBlock:
        """The chosen rows: a mask that is True for them, or their positions."""
        return FlagBlock(*({name: column[chosen] for name, column in part.items()} for part in self._parts()))

    def _parts(self) -> tuple[Mapping[str, NDArray[Any]], ...]:
        return self.ids, self.labels, self.variables

    @classmethod
    def concatenate(cls, blocks: Sequence[FlagBlock]) -> FlagBlock:
        """All rows of several blocks with the same columns."""
        parts = zip(*(block._parts() for block in blocks), strict=True)
        return cls(*({name: np.concatenate([part[name] for part in same]) for name in same[0]} for same in parts))


@dataclass(frozen=True)
class FlagLayout:
    """Which columns of a table of flags are what.

    Attributes
    ----------
    label_columns : skim → column; empty for a list of the passing events alone.
    variables : columns that hold event-level variables.
    """

    label_columns: Mapping[str, str]
    variables: tuple[str, ...]

    @classmethod
    def of_schema(cls, schema: pa.Schema, source: str) -> FlagLayout:
        """Find the columns by their names.

        Raises
        ------
        DatasetError
            The three columns of the event id are not all there.
        """
        missing = [name for name in EVENT_ID if name not in schema.names]
        if missing:
            raise DatasetError(
                f"{source}: flags without the column{'s' * (len(missing) > 1)} {', '.join(missing)}: an event is known "
                f"by {', '.join(EVENT_ID)} together; has {', '.join(schema.names)}"
            )
        labels: dict[str, str] = {}
        for prefix in (FRACTION_PREFIX, PASSES_PREFIX):
            labels |= {name.removeprefix(prefix): name for name in schema.names if name.startswith(prefix)}
        variables = tuple(
            field.name
            for field in schema
            if field.name not in (*EVENT_DTYPES, GENERATOR_WEIGHT, KEEP_PROBABILITY, CONTENT)
            and field.name not in labels.values()
            and not field.name.startswith((PASSES_PREFIX, FRACTION_PREFIX))
            and (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
        )
        return cls(labels, variables)


class FlagFiles:
    """One or several tables of flags, read in blocks."""

    def __init__(self, paths: Sequence[Path], skims: Sequence[str]) -> None:
        """Open the tables and choose the skims.

        Parameters
        ----------
        paths : Parquet tables with the columns of the event id and ``passes_<skim>`` (or ``pass_fraction_<skim>``);
            without any such column a table lists the events that passed the one skim of ``skims``.
        skims : names, or ``all``.

        Raises
        ------
        DatasetError
            An unknown skim, or tables that do not fit together.
        """
        self.paths = tuple(paths)
        self._files = [open_parquet(path) for path in paths]
        layouts = [
            FlagLayout.of_schema(file.schema_arrow, str(path)) for path, file in zip(paths, self._files, strict=True)
        ]
        self.is_list_of_passing = not any(layout.label_columns for layout in layouts)
        if self.is_list_of_passing:
            if len(skims) != 1 or skims[0] == "all":
                raise DatasetError(f"{paths[0]}: lists passing events of one skim; name it with one --skim")
            self.skims = tuple(skims)
        else:
            self.skims = chosen_skims(skims, set.intersection(*(set(lay.label_columns) for lay in layouts)), paths[0])
        self._label_columns = {} if self.is_list_of_passing else {s: layouts[0].label_columns[s] for s in self.skims}
        self.variables = tuple(n for n in layouts[0].variables if all(n in layout.variables for layout in layouts))
        self.n_rows = sum(file.metadata.num_rows for file in self._files)
        self.has_content = all(CONTENT in file.schema_arrow.names for file in self._files)

    @property
    def is_soft(self) -> bool:
        """Whether labels are fractions of passing replicas, not yes or no."""
        return any(column.startswith(FRACTION_PREFIX) for column in self._label_columns.values())

    def blocks(self, *, with_variables: bool = True) -> Iterator[FlagBlock]:
        """All rows, `READ_ROWS` at a time."""
        variables = self.variables if with_variables else ()
        columns = [*EVENT_ID, *([CONTENT] * self.has_content), *self._label_columns.values(), *variables]
        for path, file in zip(self.paths, self._files, strict=True):
            first_row = 0
            for rows in file.iter_batches(batch_size=READ_ROWS, columns=columns, use_threads=False):
                yield self._block(rows, str(path), variables, first_row)
                first_row += rows.num_rows

    def _block(self, rows: pa.RecordBatch, source: str, variables: Sequence[str], first_row: int) -> FlagBlock:
        ids = {
            name: ids_of(rows.column(name).to_numpy(zero_copy_only=False), name, source, first_row).astype(np.int64)
            for name in EVENT_ID
        }
        if self.has_content:
            ids[CONTENT] = rows.column(CONTENT).to_numpy(zero_copy_only=False)
        if self.is_list_of_passing:
            labels = {self.skims[0]: np.ones(rows.num_rows, dtype=np.bool_)}
        else:
            labels = {
                skim: as_label(rows.column(column).to_numpy(zero_copy_only=False), f"{source}: column '{column}'")
                for skim, column in self._label_columns.items()
            }
        return FlagBlock(
            ids,
            labels,
            {name: rows.column(name).to_numpy(zero_copy_only=False).astype(np.float32) for name in variables},
        )

    def close(self) -> None:
        """Release the files."""
        for file in self._files:
            file.close()


def chosen_skims(wanted: Sequence[str], available: set[str], source: Path | str) -> tuple[str, ...]:
    """The skims to label: those wanted, or every available one for ``all``.

    Raises
    ------
    DatasetError
        A skim does not exist; the message says which do.
    """
    if not wanted:
        raise DatasetError(f"{source}: no skim given; name one with --skim: {nearest('', available)}")
    if tuple(wanted) == ("all",):
        return tuple(sorted(available))
    choose_skims(sorted(available), wanted, holder=f"{source}: no flags of the skim", error=DatasetError)
    return tuple(dict.fromkeys(wanted))


def as_label(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Labels as bool, or as float32 fractions in [0, 1].

    Raises
    ------
    DatasetError
        Other numbers than that.
    """
    if values.dtype == np.bool_:
        return values
    if values.dtype == object or values.dtype.kind not in "iuf":
        raise DatasetError(
            f"{where}: labels of type {values.dtype} with missing or other values, expected true or false"
        )
    is_valid = np.isfinite(values) & (values >= 0) & (values <= 1)
    if not is_valid.all():
        raise DatasetError(f"{where}: label {values[~is_valid][0]}, expected true, false or a fraction in [0, 1]")
    return values.astype(np.bool_) if values.dtype.kind in "iu" else values.astype(np.float32)


class FlagIndex:
    """Flags in memory, found by event id."""

    def __init__(self, blocks: Sequence[FlagBlock], source: str) -> None:
        """Sort the rows by key.

        Raises
        ------
        DatasetError
            An event has two rows.
        """
        block = FlagBlock.concatenate(blocks) if blocks else FlagBlock(dict.fromkeys(EVENT_ID, _NO_IDS), {}, {})
        keys = keys_of(block.ids)
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self.block = block.select(order)
        repeated = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        if len(repeated):
            event = tuple(int(self.block.ids[name][repeated[0]]) for name in EVENT_ID)
            raise DatasetError(f"{source}: {len(repeated)} events have more than one row of flags, first {event}")
        self._times_found = np.zeros(len(keys), dtype=np.uint8)

    def find(self, event: Mapping[str, NDArray[Any]], source: str) -> NDArray[np.int64]:
        """(n_events,) the row of each event in ``block``, -1 where it has none.

        Raises
        ------
        DatasetError
            An event is asked for a second time: the sample holds duplicates.
        """
        if not len(self._keys):
            return np.full(len(event[EVENT_ID[0]]), -1, dtype=np.int64)
        wanted = keys_of(event)
        position = np.searchsorted(self._keys, wanted).clip(max=len(self._keys) - 1)
        is_found = self._keys[position] == wanted
        for name in EVENT_ID:
            is_found &= self.block.ids[name][position] == event[name]
        np.add.at(self._times_found, position[is_found], 1)
        is_repeated = is_found & (self._times_found[position] > 1)
        if is_repeated.any():
            first = int(np.flatnonzero(is_repeated)[0])
            event_id = tuple(int(event[name][first]) for name in EVENT_ID)
            raise DatasetError(f"{source}: the event {event_id} occurs more than once in the sample")
        return np.where(is_found, position, -1)


def write_block(writer: pq.ParquetWriter | None, path: Path, block: FlagBlock) -> pq.ParquetWriter:
    """Append rows to a temporary table of flags, opened at the first call."""
    columns = {**block.ids, **{PASSES_PREFIX + skim: label for skim, label in block.labels.items()}, **block.variables}
    table = pa.table(columns)
    if writer is None:
        writer = pq.ParquetWriter(path, table.schema, compression="lz4")
    writer.write_table(table)
    return writer
