"""Upstream's temporary HDF5 table: one particle a row, with the label and id of its event."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

from smartbkg.b2modules.passing_events import EventId
from smartbkg.events.columns import EVENT_ID, PARTICLE_FIELDS
from smartbkg.io.parquet import ParquetReader
from smartbkg.optional import needed_for
from smartbkg.storage.atomic import atomic_path

KEY = "mc_information"


def write_particle_table(events: Path, passing: set[EventId], output: Path) -> None:
    """Write the particles of a native file of events.

    Raises
    ------
    MissingDependencyError
        pandas or PyTables is not installed.
    """
    with needed_for("an .h5 file of TrainDataSaver (a .parquet file needs neither)"):
        pandas = importlib.import_module("pandas")
        importlib.import_module("tables")
    with ParquetReader(events) as reader, atomic_path(output, is_locked=False) as partial:
        for batch in reader.batches():
            index = batch.event_index
            label = np.array([batch.event_id(event) in passing for event in range(len(batch))])
            columns = {"label": label[index]} | {name: batch.event[name][index] for name in EVENT_ID}
            columns |= {field.name: batch.particle[field.name] for field in PARTICLE_FIELDS}
            pandas.DataFrame(columns).to_hdf(partial, key=KEY, mode="a", format="table", append=True)
