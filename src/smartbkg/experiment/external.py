"""Any external program in place of the embedded experiment: events in, the events that passed out.

The program is a command with ``{input}`` and ``{output}``. It gets a file of events (Parquet or HepMC3) and writes what
passed: a list of event ids (CSV with a header), a flat ROOT tree or Parquet table with ``experiment, run, evtNum``
(names of other programs are understood, see `smartbkg.datasets.make_flags`), or a file of events. A column ``passes``
(0 or 1) in the table says of each event that it was processed; events that are not in the table are then lost, and
reported. Without that column an event that is not listed did not pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.datasets.make_flags import make_flags
from smartbkg.errors import EventError, FileFormatError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, PASSES_PREFIX
from smartbkg.events.totals import TOTALS_KEY
from smartbkg.experiment.program import ProgramError, filled, run_program, split_command
from smartbkg.io import ReadOptions, create_events
from smartbkg.io.convert import SampleTally
from smartbkg.io.several import expand, open_all
from smartbkg.io.tables import TableWriter, read_table
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import EVENTS, FLAGS, SCHEMA_VERSIONS
from smartbkg.storage.partial import scratch_folder
from smartbkg.storage.provenance import record

#: Column of the program's table that says of each event it processed whether it passed.
PASSES_COLUMN: Final = "passes"
#: Events handed to one call of the program.
DEFAULT_BATCH_SIZE: Final = 2048
_NAMED_EVENTS: Final = 5
_WHAT: Final = "external simulation"


class SimulationError(SmartBKGError):
    """An external simulation failed, hung or lost events: says which."""


class ExternalSummary(NamedTuple):
    """What an external simulation did."""

    n_events: int
    n_passing: int
    n_failed: int
    """Events that were not simulated: left out of the output, their calls failed or lost them."""
    messages: tuple[str, ...]
    """One line a failure, with the events concerned."""


class ExternalResult(NamedTuple):
    """Which events passed an external simulation."""

    passes: NDArray[np.bool_]
    """(n_events,) True = passed"""
    is_simulated: NDArray[np.bool_]
    """(n_events,) False = lost by the program"""


def simulate_externally(
    batch: EventBatch,
    command: str,
    *,
    timeout: float | None = None,
    input_suffix: str = ".parquet",
    working_folder: Path | None = None,
) -> ExternalResult:
    """Run an external program over some events.

    Parameters
    ----------
    batch : events, with distinct ids.
    command : run without a shell: ``"mysim --in {input} --out {output}"``; a suffix may follow ``{output}``.
    timeout : seconds after which the program and its children are ended; None waits for ever.
    input_suffix : of the input file, which decides its format: ``.parquet``, ``.hepmc3``.
    working_folder : what relative paths in the command start from; that of this process if not given.

    Raises
    ------
    SimulationError
        The program cannot be started, fails, takes too long, or writes nothing that can be read; names the events.
    UsageError
        The command lacks ``{input}`` or ``{output}``.
    """
    with _called(batch, command, timeout, input_suffix, working_folder) as written:
        try:
            ids, passing, is_complete = _read(written, batch, (PASSES_COLUMN, None))
        except (FileFormatError, UsageError) as error:
            raise _unreadable(batch, error) from error
    return _matched(batch, ids, passing, is_complete)


def flags_of_program(
    batch: EventBatch,
    command: str,
    skims: Sequence[str],
    *,
    timeout: float | None = None,
    input_suffix: str = ".parquet",
) -> NDArray[np.bool_]:
    """Run an external program over some events and read its flags of several skims.

    Parameters
    ----------
    skims : its output is a table with a column ``passes_<skim>`` for each; for one skim all that `simulate_externally`
        reads will do. Other parameters as there.

    Returns
    -------
    (n_events, n_skims) True = passes.

    Raises
    ------
    SimulationError
        As in `simulate_externally`, or the program lost events.
    """
    with _called(batch, command, timeout, input_suffix) as written:
        results = []
        for skim in skims:
            columns = (PASSES_PREFIX + skim, *((PASSES_COLUMN, None) if len(skims) == 1 else ()))
            try:
                results.append(_matched(batch, *_read(written, batch, columns)))
            except (FileFormatError, UsageError) as error:
                raise _unreadable(batch, error) from error
    lost = np.flatnonzero(~np.all([result.is_simulated for result in results], axis=0))
    if len(lost):
        raise SimulationError(f"external simulation: lost {_named(batch, lost)}")
    return np.stack([result.passes for result in results], axis=1)


@contextlib.contextmanager
def _called(
    batch: EventBatch, command: str, timeout: float | None, input_suffix: str, working_folder: Path | None = None
) -> Iterator[Path]:
    """Run the program over the events; the file it wrote, until the block ends."""
    words = split_command(command, ("{input}", "{output}"), _WHAT)
    concerned = _named(batch, np.arange(len(batch)))
    with scratch_folder("simulation") as folder:
        source, target = folder / f"events{input_suffix}", folder / "passing"
        with create_events(source, record(EVENTS, SCHEMA_VERSIONS[EVENTS], {"for": "external simulation"})) as writer:
            writer.write(batch)
        try:
            words = filled(words, {"input": source, "output": target})
            run_program(words, folder, _WHAT, concerned, timeout, working_folder)
        except ProgramError as error:
            raise SimulationError(str(error)) from error
        written = sorted(path for path in folder.glob("passing*") if path.is_file())
        if len(written) != 1:
            raise SimulationError(f"external simulation: wrote {len(written)} files, expected one, for {concerned}")
        yield written[0]


def _unreadable(batch: EventBatch, error: Exception) -> SimulationError:
    concerned = _named(batch, np.arange(len(batch)))
    return SimulationError(f"external simulation: output not readable, for {concerned}: {error}")


def simulate_file_externally(
    source: Path | Sequence[Path],
    output: Path,
    command: str,
    *,
    skim: str = "external",
    timeout: float | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    input_suffix: str = ".parquet",
    skip_failures: bool = False,
    progress: Callable[[int], None] | None = None,
    working_folder: Path | None = None,
) -> ExternalSummary:
    """Run an external program over a file of events and write the table of flags.

    Parameters
    ----------
    source : events in any format that is readable; several files, or a pattern, are read as one.
    output : table with ids and ``passes_<skim>``; whole or not at all.
    skip_failures : leave out the events of failed calls and lost events, and report them, instead of stopping.
    progress : called with the number of events of each call that is done.

    Other parameters as in `simulate_externally`.

    Raises
    ------
    SimulationError
        A call failed or lost events, unless ``skip_failures``.
    """
    sources = expand([source] if isinstance(source, Path) else source)
    refuse_same_file(output, *sources)
    settings = {"command": command, "skim": skim, "timeout": timeout}
    n_events, n_passing, messages = 0, 0, []
    n_written = 0
    with (
        open_all(sources) as reader,
        TableWriter(output, record(FLAGS, SCHEMA_VERSIONS[FLAGS], settings, inputs=sources)) as writer,
    ):
        tally = SampleTally(reader)
        for batch in tally.batches(batch_size):
            result, message = _guarded(batch, command, timeout, input_suffix, working_folder)
            if message is not None:
                if not skip_failures:
                    raise SimulationError(message)
                messages.append(message)
            kept = result.is_simulated
            columns = {name: batch.event[name][kept] for name in EVENT_ID}
            writer.write({**columns, PASSES_PREFIX + skim: result.passes[kept]})
            n_events += len(batch)
            n_written += int(kept.sum())
            n_passing += int(result.passes.sum())
            if progress is not None:
                progress(len(batch))
        if n_events == 0:
            raise UsageError(f"{reader.source}: holds no events")
        writer.describe(**{TOTALS_KEY: tally.totals.to_dict()})
    return ExternalSummary(n_events, n_passing, n_events - n_written, tuple(messages))


def _guarded(
    batch: EventBatch, command: str, timeout: float | None, input_suffix: str, working_folder: Path | None
) -> tuple[ExternalResult, str | None]:
    """The result of one call, and what went wrong with which events."""
    try:
        result = simulate_externally(
            batch, command, timeout=timeout, input_suffix=input_suffix, working_folder=working_folder
        )
    except SimulationError as error:
        nothing = np.zeros(len(batch), dtype=np.bool_)
        return ExternalResult(nothing, nothing), str(error)
    lost = np.flatnonzero(~result.is_simulated)
    message = f"external simulation: lost {_named(batch, lost)}" if len(lost) else None
    return result, message


def _read(
    path: Path, batch: EventBatch, columns: Sequence[str | None]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], bool]:
    """(ids, passes, whether all processed events are listed) of the program's output.

    ``columns`` of flags are tried in turn; None stands for a list of the events that passed.
    """
    common = ReadOptions(experiment=_common(batch, "experiment"), run=_common(batch, "run"))
    flags = path.with_name("flags.parquet")
    choices = [[] if column is None else [f"{column} > 0"] for column in columns]
    attempts = [(selections, options) for selections in choices for options in (None, common)]
    for number, (selections, options) in enumerate(attempts):
        try:
            make_flags([path], flags, "external", selections=selections, allow_duplicates=True, options=options)
        except (FileFormatError, UsageError):
            if number == len(attempts) - 1:
                raise
        else:
            break
    table = read_table(flags, FLAGS, schema_version=SCHEMA_VERSIONS[FLAGS])
    ids = np.stack([table[name].astype(np.int64) for name in EVENT_ID], axis=1)
    return ids, table[f"{PASSES_PREFIX}external"].astype(np.bool_), bool(selections)


def _common(batch: EventBatch, name: str) -> int | None:
    """The experiment or run of all events where they share one, for outputs without that column."""
    values = np.unique(batch.event[name])
    return int(values[0]) if len(values) == 1 else None


def _matched(
    batch: EventBatch, ids: NDArray[np.int64], passing: NDArray[np.bool_], is_complete: bool
) -> ExternalResult:
    position = {batch.event_id(i): i for i in range(len(batch))}
    if len(position) < len(batch):
        raise EventError("events with the same id cannot be told apart in a simulation's output", source=batch.source)
    passes = np.zeros(len(batch), dtype=np.bool_)
    is_simulated = np.full(len(batch), not is_complete)
    for row, passed in zip(ids.tolist(), passing.tolist(), strict=True):
        event = position.get((row[0], row[1], row[2]))
        if event is None:
            raise SimulationError(f"external simulation: its output holds event {tuple(row)}, which it was not given")
        passes[event] = passed
        is_simulated[event] = True
    return ExternalResult(passes, is_simulated)


def _named(batch: EventBatch, events: NDArray[np.int64]) -> str:
    """A phrase that names some events."""
    names = [str(batch.event_id(int(event))) for event in events[:_NAMED_EVENTS]]
    rest = f" and {len(events) - _NAMED_EVENTS} more" if len(events) > _NAMED_EVENTS else ""
    return f"{len(events)} events (experiment, run, evtNum) {', '.join(names)}{rest}"
