"""The training file as upstream writes it (``preprocessed{job}.parquet``), for scripts that were written for it.

One record per event: ``particles``, a list of records of the particles that are nodes of the graph, ``label``, and the
event's numbers. ``PDG`` holds tokens; ``motherIndex`` the mother's position in the list, a particle's own where it has
no mother or a virtual one, −1 where the mother is no node; ``prodTime`` counts from the production of the particle's
own root, the first of its ancestors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smartbkg.errors import DatasetError, UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, VARIABLE_PREFIX, ParticleStatus
from smartbkg.graphs import GraphRule, build_graphs
from smartbkg.io.parquet import ParquetReader
from smartbkg.storage.atomic import atomic_path

LAYOUTS: Final = ("smartbkg", "upstream")
#: Fields of a particle, in upstream's order.
FIELDS: Final = (
    "arrayIndex", "PDG", "mass", "charge", "energy", "prodTime", "x", "y", "z", "px", "py", "pz", "motherIndex",
)  # fmt: skip
#: MCParticle::isVirtual: how far off its mass shell, in units of E squared, a particle may be.
_OFF_SHELL: Final = 10e-7


def check_layout(name: str) -> str:
    """The name of a layout.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    if name not in LAYOUTS:
        raise UsageError(f"unknown layout '{name}': {nearest(name, LAYOUTS)}")
    return name


def root_index(batch: EventBatch) -> NDArray[np.int64]:
    """(n_particles,) position in the batch of the first ancestor of each particle, its own where it has no mother."""
    starts = np.repeat(batch.offsets[:-1], np.diff(batch.offsets))
    mother = batch.particle["motherIndex"].astype(np.int64)
    position = np.arange(batch.n_particles, dtype=np.int64)
    root = np.where(mother >= 0, starts + mother, position)
    while True:  # each step doubles the generations that are behind
        above = root[root]
        if np.array_equal(above, root):
            return root
        root = above


def is_virtual(batch: EventBatch) -> NDArray[np.bool_]:
    """(n_particles,) True where basf2 calls a particle virtual: by its status, or off its mass shell."""
    value = {name: batch.particle[name].astype(np.float64) for name in ("energy", "mass", "px", "py", "pz")}
    squared = value["energy"] ** 2
    on_shell = value["px"] ** 2 + value["py"] ** 2 + value["pz"] ** 2 + value["mass"] ** 2
    has_bit = batch.particle["status"] & ParticleStatus.VIRTUAL != 0
    return np.asarray(has_bit | (np.abs(squared - on_shell) > _OFF_SHELL * squared))


def particle_columns(batch: EventBatch) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Offsets of the events and the fields of their particles, as upstream's preprocessing makes them."""
    graphs = build_graphs(batch, GraphRule())
    chosen = graphs.particle
    columns = {name: batch.particle[name][chosen] for name in FIELDS if name in batch.particle}
    times = batch.particle["prodTime"]
    columns["prodTime"] = (times - times[root_index(batch)])[chosen]
    columns["PDG"] = graphs.token
    starts = np.repeat(batch.offsets[:-1], np.diff(batch.offsets))
    mother = batch.particle["motherIndex"].astype(np.int64)
    has_mother = mother >= 0
    joins_itself = ~has_mother | is_virtual(batch)[np.where(has_mother, starts + mother, 0)]
    own = np.arange(len(chosen)) - np.repeat(graphs.offsets[:-1], np.diff(graphs.offsets))
    columns["motherIndex"] = np.where(joins_itself[chosen], own, graphs.mother).astype(np.int32)
    return graphs.offsets, columns


def write_upstream_layout(dataset: Path, output: Path) -> None:
    """Write a data set of one skim as upstream does; event-level variables lose the prefix of their columns.

    Raises
    ------
    DatasetError
        It has no events.
    """
    with ParquetReader(dataset) as reader, atomic_path(output) as partial:
        writer: Any = None
        try:
            for batch in reader.batches():
                table = _table(batch)
                writer = writer or pq.ParquetWriter(partial, table.schema)
                writer.write_table(table)
            if writer is None:
                raise DatasetError(f"{dataset}: has no events, of which upstream's layout could be made")
        finally:
            if writer is not None:
                writer.close()


def _table(batch: EventBatch) -> pa.Table:
    offsets, columns = particle_columns(batch)
    arrays = [pa.array(columns[name]) for name in FIELDS]
    fields = [pa.field(name, array.type, nullable=False) for name, array in zip(FIELDS, arrays, strict=True)]
    records = pa.StructArray.from_arrays(arrays, fields=fields)
    particles = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), records)
    event: dict[str, Any] = {"label": pa.array(batch.event["label"])}
    event |= {name: pa.array(batch.event[name].astype(np.int32)) for name in reversed(EVENT_ID)}
    event |= {
        name.removeprefix(VARIABLE_PREFIX): pa.array(values)
        for name, values in batch.event.items()
        if name.startswith(VARIABLE_PREFIX)
    }
    inner = pa.list_(pa.field("item", records.type, nullable=False))
    schema = pa.schema(
        [pa.field("particles", inner, nullable=False)]
        + [pa.field(name, values.type, nullable=False) for name, values in event.items()]
    )
    return pa.Table.from_arrays([particles.cast(inner), *event.values()], schema=schema)


__all__ = ["FIELDS", "LAYOUTS", "check_layout", "is_virtual", "particle_columns", "root_index", "write_upstream_layout"]
