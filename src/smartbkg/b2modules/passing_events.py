"""The events that passed a skim, as `SaveFlag` writes them and `TrainDataSaver` looks them up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from smartbkg.errors import DatasetError
from smartbkg.events.columns import EVENT_DTYPES, EVENT_ID, PASSES_PREFIX
from smartbkg.events.identity import ids_of
from smartbkg.io.parquet import open_parquet
from smartbkg.io.tables import ROW_GROUP_ROWS
from smartbkg.storage.atomic import atomic_path
from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.parquet import CheckedParquetWriter
from smartbkg.storage.provenance import METADATA_KEY, record

EventId = tuple[int, int, int]


def write_flags(path: Path, ids: Sequence[EventId], **passes: Sequence[bool]) -> None:
    """Write flags: the columns ``experiment, run, evtNum``, and ``passes_<skim>`` for each skim that is given.

    Parameters
    ----------
    ids : events; without any skim those that passed.
    passes : skim → whether each of the events passed it.
    """
    columns: dict[str, pa.Array] = {
        name: pa.array([event[position] for event in ids], pa.from_numpy_dtype(EVENT_DTYPES[name]))
        for position, name in enumerate(EVENT_ID)
    }
    columns |= {PASSES_PREFIX + skim: pa.array(list(values), pa.bool_()) for skim, values in passes.items()}
    metadata = {METADATA_KEY: json.dumps(record(FLAGS, SCHEMA_VERSIONS[FLAGS], {}), sort_keys=True)}
    table = pa.table(columns).replace_schema_metadata(metadata)
    with atomic_path(path) as partial, CheckedParquetWriter(partial, table.schema, group_rows=ROW_GROUP_ROWS) as writer:
        for rows in table.to_batches():
            writer.write(rows)


class PassingEvents:
    """Events that passed, known by (experiment, run, evtNum), or by their number alone in upstream's files.

    A number alone can mean several events: numbers that are listed twice, or that two events of the sample have, are
    refused.

    Parameters
    ----------
    path : Parquet file with the columns of the event id, or with one column of event numbers.

    Raises
    ------
    DatasetError
        Numbers that repeat, or columns that are neither.
    FileFormatError
        The file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_parquet(path) as file:
            table = file.read()
        names = table.schema.names
        self._known_as: dict[int, EventId] = {}
        if all(name in names for name in EVENT_ID):
            columns = [
                ids_of(table.column(name).combine_chunks().to_numpy(zero_copy_only=False), name, str(path)).tolist()
                for name in EVENT_ID
            ]
            self._ids: set[EventId] | None = {(e, r, n) for e, r, n in zip(*columns, strict=True)}
            self._numbers: set[int] = set()
            return
        is_list = len(names) == 1 and (table.num_rows == 0 or pa.types.is_integer(table.schema.types[0]))
        if not is_list:
            raise DatasetError(
                f"{path}: expected the columns {', '.join(EVENT_ID)}, or one column of event numbers as upstream "
                f"writes it; has {', '.join(names)}"
            )
        values = table.column(0).combine_chunks().to_numpy(zero_copy_only=False)
        numbers = ids_of(values, EVENT_ID[2], str(path), column_name=names[0]).tolist()
        self._ids, self._numbers = None, set(numbers)
        if len(self._numbers) != len(numbers):
            repeated = [number for number, n_times in Counter(numbers).items() if n_times > 1][:5]
            raise DatasetError(
                f"{path}: event numbers repeat ({', '.join(map(str, repeated))}): they are of several runs, and cannot "
                "be told apart without run numbers; write the flags again with smartbkg's SaveFlag"
            )

    def __len__(self) -> int:
        return len(self._numbers if self._ids is None else self._ids)

    def has(self, event: EventId) -> bool:
        """Whether that event passed.

        Raises
        ------
        DatasetError
            The file has numbers alone, and another event of the sample has this one's number.
        """
        if self._ids is not None:
            return event in self._ids
        if event[2] not in self._numbers:
            return False
        known = self._known_as.setdefault(event[2], event)
        if known != event:
            raise DatasetError(
                f"{self.path}: the events {known} and {event} have the same number, and the flags have numbers alone: "
                "write the flags again with smartbkg's SaveFlag"
            )
        return True
