"""Any external program in place of the embedded experiment: events in, the events that passed out.

The program is a command with ``{input}`` and ``{output}``, called with some thousand events at a time. It gets a file
of events (Parquet or HepMC3; of events that were read from HepMC, the original ones) and writes what passed, see
`smartbkg.experiment.external_output`. `smartbkg.experiment.external_program` lists what else its command may hold.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import (
    CONTENT,
    EVENT_ID,
    EXPERIMENT,
    GENERATOR_WEIGHT,
    KEEP_PROBABILITY,
    PASSES_PREFIX,
    PROCESS,
    RUN,
    WEIGHT,
)
from smartbkg.events.content import content_digests
from smartbkg.events.identity import unique_events
from smartbkg.events.totals import TOTALS_KEY
from smartbkg.events.weight_columns import as_kept
from smartbkg.experiment.external_output import PASSES_COLUMN, ProgramOutput, StrangerError, read_output
from smartbkg.experiment.external_program import ExternalProgram
from smartbkg.experiment.program import ProgramError, filled, run_program, split_command
from smartbkg.experiment.simulation import ordered_map
from smartbkg.io import ReadOptions, create_events, reading_for
from smartbkg.io.convert import SampleTally
from smartbkg.io.reader import EventReader
from smartbkg.io.several import expand, open_all
from smartbkg.io.tables import TableWriter
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.kinds import EVENTS, FLAGS, KEPT, SCHEMA_VERSIONS
from smartbkg.storage.partial import scratch_folder
from smartbkg.storage.provenance import record

#: Events handed to one call of the program.
DEFAULT_BATCH_SIZE: Final = 2048
#: Columns of the events that the flags carry on.
_OF_EVENTS: Final = (*EVENT_ID, PROCESS, WEIGHT, GENERATOR_WEIGHT, KEEP_PROBABILITY)
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
    """One line per failure, with the events concerned."""


def simulate_externally(
    batch: EventBatch,
    command: str,
    *,
    timeout: float | None = None,
    input_suffix: str = ".parquet",
    working_folder: Path | None = None,
    seed: int = 1,
) -> ProgramOutput:
    """Run an external program over some events.

    Parameters
    ----------
    batch : events, with distinct ids.
    command, timeout, input_suffix, working_folder, seed : as in `ExternalProgram`.

    Raises
    ------
    SimulationError
        The program cannot be started, fails, takes too long, or writes nothing that can be read; names the events.
    UsageError
        The command lacks ``{input}`` or ``{output}``.
    """
    program = ExternalProgram(command, timeout, input_suffix, working_folder, seed)
    return _simulated(batch, program, 0, _about({}))


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
    results = []
    with _called(batch, ExternalProgram(command, timeout, input_suffix), 0, _about({})) as written:
        for skim in skims:
            columns = (PASSES_PREFIX + skim, *((PASSES_COLUMN, None) if len(skims) == 1 else ()))
            results.append(_readable(batch, written, columns, with_variables=False))
    lost = np.flatnonzero(~np.all([result.is_simulated for result in results], axis=0))
    if len(lost):
        raise SimulationError(f"{_WHAT}: lost {_named(batch, lost)}")
    return np.stack([result.passes for result in results], axis=1)


def simulate_file_externally(
    source: Path | Sequence[Path],
    output: Path,
    command: str,
    *,
    skim: str = "external",
    seed: int = 1,
    n_jobs: int = 1,
    timeout: float | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    input_suffix: str = ".parquet",
    skip_failures: bool = False,
    options: ReadOptions | None = None,
    progress: Callable[[int], None] | None = None,
    working_folder: Path | None = None,
) -> ExternalSummary:
    """Run an external program over a file of events and write the table of flags.

    Parameters
    ----------
    source : events in any format that is readable; several files, or a pattern, are read as one.
    output : table with ids, ``passes_<skim>`` and the variables that the program wrote; whole or not at all.
    n_jobs : calls at a time; the output is the same.
    batch_size : events of one call.
    skip_failures : leave out the events of failed calls and lost events, and report them, instead of stopping.
    options : how to read the source.
    progress : called with the number of events of each call that is done.

    Other parameters as in `ExternalProgram`.

    Raises
    ------
    SimulationError
        A call failed or lost events, unless ``skip_failures``, or calls wrote different variables.
    EventError
        An event id comes twice: the program's output could not tell which event it means.
    """
    sources = expand([source] if isinstance(source, Path) else source)
    refuse_same_file(output, *sources)
    program = ExternalProgram(command, timeout, input_suffix, working_folder, seed)
    options = reading_for(Path(f"events{input_suffix}"), options)
    settings = {"command": command, "skim": skim, "timeout": timeout}
    if program.mentions("seed"):
        settings |= {"seed": seed, "batch_size": batch_size}
    n_events = n_written = n_passing = 0
    messages: list[str] = []
    with (
        open_all(sources, options) as reader,
        TableWriter(output, record(FLAGS, SCHEMA_VERSIONS[FLAGS], settings, inputs=sources)) as writer,
    ):
        flags, tally = _Flags(writer, skim), SampleTally(reader)
        for batch, result, message in _calls(program, reader, map(as_kept, tally.batches(batch_size)), n_jobs):
            if message is not None and not skip_failures:
                raise SimulationError(message)
            messages += [message] if message is not None else []
            flags.add(batch, result)
            n_events += len(batch)
            n_written += int(result.is_simulated.sum())
            n_passing += int(result.passes.sum())
            if progress is not None:
                progress(len(batch))
        if n_events == 0:
            raise UsageError(f"{reader.source}: holds no events")
        flags.finish()
        writer.describe(**{TOTALS_KEY: tally.totals.to_dict()})
        messages += flags.messages
    return ExternalSummary(n_events, n_passing, n_events - n_written, tuple(messages))


class _Flags:
    """Writes the table; the first call whose program listed events decides which variables there are."""

    def __init__(self, writer: TableWriter, skim: str) -> None:
        self.messages: list[str] = []
        self._writer = writer
        self._flag = PASSES_PREFIX + skim
        self._variables: tuple[str, ...] | None = None
        self._waiting: list[dict[str, NDArray[Any]]] = []

    def add(self, batch: EventBatch, result: ProgramOutput) -> None:
        """Append the events of a call that were simulated."""
        kept = result.is_simulated
        columns: dict[str, NDArray[Any]] = {name: batch.event[name][kept] for name in _OF_EVENTS if name in batch.event}
        columns[CONTENT] = content_digests(batch)[kept]
        columns[self._flag] = result.passes[kept]
        if result.is_any_listed:
            self._note_variables(batch, tuple(result.variables))
            columns |= {name: values[kept] for name, values in result.variables.items()}
        self._waiting.append(columns)
        if self._variables is not None:
            self._write()

    def _note_variables(self, batch: EventBatch, names: tuple[str, ...]) -> None:
        if self._variables is None:
            self._variables = names
        differing = sorted(set(names) ^ set(self._variables))
        if differing:
            concerned = _named(batch, np.arange(len(batch)))
            self.messages.append(
                f"{_WHAT}: variables other than of the first call, {', '.join(differing)}: {concerned}"
            )

    def _write(self) -> None:
        for columns in self._waiting:
            missing = np.full(len(columns[self._flag]), np.nan)
            own = {name: columns[name] for name in (*_OF_EVENTS, CONTENT, self._flag) if name in columns}
            self._writer.write(own | {name: columns.get(name, missing) for name in self._variables or ()})
        self._waiting = []

    def finish(self) -> None:
        """Write what waits for a call that lists events, where there was none."""
        self._write()


def _calls(
    program: ExternalProgram, reader: EventReader, batches: Iterable[EventBatch], n_jobs: int
) -> Iterator[tuple[EventBatch, ProgramOutput, str | None]]:
    """The events of each call, what became of them, and what went wrong, in their order."""

    def call(numbered: tuple[int, EventBatch]) -> tuple[EventBatch, ProgramOutput, str | None]:
        part, batch = numbered
        return batch, *_guarded(batch, program, part, _about(reader.metadata))

    parts = _parts(unique_events(batches), by_run=program.mentions(EXPERIMENT, RUN))
    yield from ordered_map(call, enumerate(parts), n_jobs, at_end=program.stop.set)


def _parts(batches: Iterable[EventBatch], *, by_run: bool) -> Iterator[EventBatch]:
    """The events of each call: the batches, cut where another run begins if asked to."""
    for batch in batches:
        if not by_run:
            yield batch
            continue
        is_new = np.any([np.diff(batch.event[name]) != 0 for name in (EXPERIMENT, RUN)], axis=0)
        bounds = [0, *(np.flatnonzero(is_new) + 1).tolist(), len(batch)]
        for first, last in itertools.pairwise(bounds):
            yield batch.slice(first, last)


def _about(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the file that a program is given: kept events are still that, with their layout of weights."""
    kind = KEPT if metadata.get("kind") == KEPT else EVENTS
    settings = metadata.get("settings", {}) if kind == KEPT else {"for": _WHAT}
    return record(kind, SCHEMA_VERSIONS[kind], settings)


def _guarded(
    batch: EventBatch, program: ExternalProgram, part: int, about: Mapping[str, Any]
) -> tuple[ProgramOutput, str | None]:
    """The result of one call, and what went wrong with which events."""
    try:
        result = _simulated(batch, program, part, about)
    except SimulationError as error:
        nothing = np.zeros(len(batch), dtype=np.bool_)
        return ProgramOutput(nothing, nothing), str(error)
    lost = np.flatnonzero(~result.is_simulated)
    message = f"{_WHAT}: lost {_named(batch, lost)}" if len(lost) else None
    return result, message


def _simulated(batch: EventBatch, program: ExternalProgram, part: int, about: Mapping[str, Any]) -> ProgramOutput:
    with _called(batch, program, part, about) as written:
        return _readable(batch, written, (PASSES_COLUMN, None))


@contextlib.contextmanager
def _called(batch: EventBatch, program: ExternalProgram, part: int, about: Mapping[str, Any]) -> Iterator[Path]:
    """Run the program over the events; the file it wrote, until the block ends."""
    words = split_command(program.command, ("{input}", "{output}"), _WHAT)
    concerned = _named(batch, np.arange(len(batch)))
    with scratch_folder("simulation") as folder:
        source, target = folder / f"events{program.input_suffix}", folder / "passing"
        with create_events(source, about) as writer:
            writer.write(batch)
        values = program.values(batch, part) | {"input": source, "output": target}
        try:
            run_program(
                filled(words, values), folder, _WHAT, concerned, program.timeout, program.working_folder,
                stop=program.stop,
            )  # fmt: skip
        except ProgramError as error:
            raise SimulationError(str(error)) from error
        written = sorted(path for path in folder.glob("passing*") if path.is_file())
        if len(written) != 1:
            raise SimulationError(f"{_WHAT}: wrote {len(written)} files, expected one, for {concerned}")
        yield written[0]


def _readable(
    batch: EventBatch, written: Path, columns: Sequence[str | None], *, with_variables: bool = True
) -> ProgramOutput:
    """What the program wrote; `SimulationError` with the events concerned where that cannot be read."""
    try:
        return read_output(written, batch, columns, with_variables=with_variables)
    except (FileFormatError, UsageError) as error:
        concerned = _named(batch, np.arange(len(batch)))
        raise SimulationError(f"{_WHAT}: output not readable, for {concerned}: {error}") from error
    except StrangerError as error:
        raise SimulationError(f"{_WHAT}: {error}") from error


def _named(batch: EventBatch, events: NDArray[np.int64]) -> str:
    """A phrase that names some events."""
    names = [str(batch.event_id(int(event))) for event in events[:_NAMED_EVENTS]]
    rest = f" and {len(events) - _NAMED_EVENTS} more" if len(events) > _NAMED_EVENTS else ""
    return f"{len(events)} events (experiment, run, evtNum) {', '.join(names)}{rest}"
