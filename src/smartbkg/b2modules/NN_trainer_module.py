"""Training data from basf2: which events passed a skim, what the generator had made, and both together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from smartbkg.b2modules.data_production import data_production
from smartbkg.b2modules.data_store.event_reader import EventReader
from smartbkg.b2modules.data_store.extra_info import ExtraInfo
from smartbkg.b2modules.framework import Module, belle2, import_basf2
from smartbkg.b2modules.passing_events import EventId, PassingEvents, write_flags
from smartbkg.b2modules.upstream_layout import check_layout, write_upstream_layout
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.errors import DatasetError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io.parquet import ParquetWriter
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

#: Name of the skim in the data set: a flag file does not say which it was.
SKIM: Final = "skim"
_EVENTS_IN_MEMORY: Final = 512


class SaveFlag(Module):
    """Writes (experiment, run, evtNum) of the events that reach it to a Parquet file; to be put behind a skim.

    Parameters
    ----------
    out_file : Parquet file to write.
    """

    def __init__(self, out_file: str | Path | None = None) -> None:
        super().__init__()
        if out_file is None:
            raise UsageError("SaveFlag: name the file to write: SaveFlag(out_file='skim_flag0.parquet')")
        self.out_file = Path(out_file)

    def initialize(self) -> None:
        """Begin an empty list."""
        self._meta = belle2().PyStoreObj("EventMetaData")
        self._ids: dict[EventId, None] = {}

    def event(self) -> None:
        """Note the event.

        Raises
        ------
        DatasetError
            It came before: the input holds duplicates.
        """
        event = (int(self._meta.getExperiment()), int(self._meta.getRun()), int(self._meta.getEvent()))
        if event in self._ids:
            raise DatasetError(f"SaveFlag: the event {event} occurs more than once in the input")
        self._ids[event] = None

    def terminate(self) -> None:
        """Write the list."""
        write_flags(self.out_file, list(self._ids))


class TrainDataSaver(Module):
    """Writes the generated particles of each event with the label whether it passed.

    Parameters
    ----------
    output_file : ``.parquet`` = a data set for `smartbkg train`, the same as ``smartbkg dataset`` makes from the mDST;
        ``.h5`` = upstream's temporary table of one particle a row (key ``mc_information``; needs pandas and PyTables,
        which basf2 has).
    flag_file : what `SaveFlag` wrote, or upstream's list of event numbers.
    layout : of a ``.parquet`` file: ``smartbkg``, or ``upstream`` (`smartbkg.b2modules.upstream_layout`).

    Attributes
    ----------
    error : why no file was written, None where one was. It is not raised in ``terminate``: basf2 would not let the
        modules before this one write theirs.
    """

    def __init__(self, output_file: str | Path, flag_file: str | Path, *, layout: str = "smartbkg") -> None:
        super().__init__()
        self.output_file = Path(output_file)
        self.layout = check_layout(layout)
        self.error: SmartBKGError | None = None
        if self.output_file.suffix not in (".parquet", ".h5"):
            raise UsageError(f"TrainDataSaver: {output_file}: expected a name that ends in .parquet or .h5")
        self._flags = PassingEvents(Path(flag_file))
        self.output_file.unlink(missing_ok=True)

    def initialize(self) -> None:
        """Open the temporary file that the events stream into."""
        belle2().PyStoreArray("MCParticles").isRequired()
        self._meta = belle2().PyStoreObj("EventMetaData")
        self._particles = belle2().PyStoreArray("MCParticles")
        self._extra_info = ExtraInfo()
        self._reader = EventReader()
        self._events_file = self.output_file.with_name(f".{self.output_file.stem}.events.parquet")
        self._writer = ParquetWriter(self._events_file, record(EVENTS, SCHEMA_VERSIONS[EVENTS], {}))
        self._waiting: list[EventBatch] = []
        self._passes: dict[EventId, bool] = {}

    def event(self) -> None:
        """Take down the event."""
        batch = self._reader.read(self._particles, self._meta, self._extra_info.event_type())
        self._passes[batch.event_id(0)] = self._flags.has(batch.event_id(0))
        self._waiting.append(batch)
        if len(self._waiting) == _EVENTS_IN_MEMORY:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write(EventBatch.concatenate(self._waiting))
            self._waiting = []

    def terminate(self) -> None:
        """Join events with labels and write the file; where that fails, an error message and `error` say why."""
        self.error = None
        flags = self._events_file.with_name(f".{self.output_file.stem}.flags.parquet")
        try:
            self._flush()
            self._writer.close()
            self._check_flags()
            self._write(flags)
        except SmartBKGError as error:
            self.error = error
            import_basf2().B2ERROR(f"smartbkg: {self.output_file} is not written: {error}")
        finally:
            self._events_file.unlink(missing_ok=True)
            flags.unlink(missing_ok=True)

    def _write(self, flags: Path) -> None:
        if self.output_file.suffix == ".h5":
            from smartbkg.b2modules.data_store.particle_table import write_particle_table

            passing = {event for event, passes in self._passes.items() if passes}
            write_particle_table(self._events_file, passing, self.output_file)
            return
        write_flags(flags, list(self._passes), **{SKIM: list(self._passes.values())})
        options = DatasetOptions(skims=(SKIM,), is_part=True)
        if self.layout == "smartbkg":
            build_dataset([self._events_file], [flags], self.output_file, options)
            return
        dataset = self._events_file.with_name(f".{self.output_file.stem}.dataset.parquet")
        try:
            build_dataset([self._events_file], [flags], dataset, options)
            write_upstream_layout(dataset, self.output_file)
        finally:
            dataset.unlink(missing_ok=True)

    def _check_flags(self) -> None:
        n_found, n_listed, n_events = sum(self._passes.values()), len(self._flags), self._writer.n_written
        if n_events and n_listed and not n_found:
            raise DatasetError(
                f"{self._flags.path}: none of its {n_listed} events is among the {n_events} that were processed: these "
                "are flags of another sample"
            )
        if n_found < n_listed:
            import_basf2().B2WARNING(
                f"smartbkg: {n_listed - n_found} of the {n_listed} events in {self._flags.path} are not among the "
                f"{n_events} that were processed"
            )


__all__: list[Any] = ["SKIM", "SaveFlag", "TrainDataSaver", "data_production"]
