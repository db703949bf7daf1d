"""What a program wrote of the events that it was given: which passed, and their variables.

Read are a list of event ids (CSV with a header), a flat ROOT tree or Parquet table with ``experiment, run, evtNum``
(names of other programs are understood, see `smartbkg.datasets.make_flags`), or a file of events. A column ``passes``
(0 or 1) in the table says of each event that it was processed; events that are not in the table are then lost. Without
that column an event that is not listed did not pass. All other columns of numbers are event-level variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.make_flags import make_flags
from smartbkg.errors import EventError, FileFormatError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    EVENT_ID,
    GENERATOR_WEIGHT,
    IS_KEPT,
    KEEP_PROBABILITY,
    LOGIT,
    PASSES_PREFIX,
    PROCESS,
    SCORE,
    WEIGHT,
)
from smartbkg.io import ReadOptions
from smartbkg.io.tables import Table, read_table
from smartbkg.storage.kinds import FLAGS, SCHEMA_VERSIONS

#: Column of the program's table that says of each event it processed whether it passed.
PASSES_COLUMN: Final = "passes"
_SKIM: Final = "external"
_FLAG: Final = f"{PASSES_PREFIX}{_SKIM}"
#: Columns that say something else than a variable of the simulated event.
_NO_VARIABLES: Final = {
    *EVENT_ID, _FLAG, PROCESS, WEIGHT, GENERATOR_WEIGHT, KEEP_PROBABILITY, SCORE, LOGIT, IS_KEPT,
}  # fmt: skip


class StrangerError(SmartBKGError):
    """A program's output holds an event that the program was not given."""


@dataclass(frozen=True)
class ProgramOutput:
    """Which events passed a program.

    Attributes
    ----------
    passes : (n_events,) True = passed.
    is_simulated : (n_events,) False = lost by the program.
    variables : name → (n_events,) float64, NaN for events that the program did not list.
    is_any_listed : whether it listed any event; without, its columns have no types and `variables` is empty.
    """

    passes: NDArray[np.bool_]
    is_simulated: NDArray[np.bool_]
    variables: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    is_any_listed: bool = False


def read_output(
    path: Path, batch: EventBatch, columns: Sequence[str | None], *, with_variables: bool = True
) -> ProgramOutput:
    """Read the program's output.

    Parameters
    ----------
    path : what it wrote.
    batch : the events that it was given.
    columns : columns of flags, tried in turn; None stands for a list of the events that passed.
    with_variables : also read the other columns of numbers.

    Raises
    ------
    FileFormatError, UsageError
        It cannot be read.
    StrangerError
        It holds an event that was not given.
    """
    common = ReadOptions(experiment=_common(batch, "experiment"), run=_common(batch, "run"))
    flags = path.with_name("flags.parquet")
    choices = [[] if column is None else [f"{column} > 0"] for column in columns]
    attempts = [(selections, options) for selections in choices for options in (None, common)]
    for number, (selections, options) in enumerate(attempts):
        try:
            make_flags(
                [path], flags, _SKIM, selections=selections, variables=None if with_variables else (),
                allow_duplicates=True, options=options,
            )  # fmt: skip
        except (FileFormatError, UsageError):
            if number == len(attempts) - 1:
                raise
        else:
            break
    table = read_table(flags, FLAGS, schema_version=SCHEMA_VERSIONS[FLAGS])
    return _matched(batch, table, is_complete=bool(selections))


def _common(batch: EventBatch, name: str) -> int | None:
    """The experiment or run of all events where they share one, for outputs without that column."""
    values = np.unique(batch.event[name])
    return int(values[0]) if len(values) == 1 else None


def _matched(batch: EventBatch, table: Table, *, is_complete: bool) -> ProgramOutput:
    """The table's rows at the places of the events."""
    position = {batch.event_id(i): i for i in range(len(batch))}
    if len(position) < len(batch):
        raise EventError("events with the same id cannot be told apart in a simulation's output", source=batch.source)
    ids = np.stack([table[name].astype(np.int64) for name in EVENT_ID], axis=1).tolist()
    strangers = [tuple(row) for row in ids if (row[0], row[1], row[2]) not in position]
    if strangers:
        raise StrangerError(f"its output holds event {strangers[0]}, which it was not given")
    place = np.array([position[row[0], row[1], row[2]] for row in ids], dtype=np.int64)
    passes = np.zeros(len(batch), dtype=np.bool_)
    passes[place] = table[_FLAG].astype(np.bool_)
    is_simulated = np.full(len(batch), not is_complete)
    is_simulated[place] = True
    variables: dict[str, NDArray[Any]] = {}
    for name, values in table.columns.items():
        if name not in _NO_VARIABLES:
            variables[name] = np.full(len(batch), np.nan)
            variables[name][place] = values
    return ProgramOutput(passes, is_simulated, variables, bool(len(place)))
