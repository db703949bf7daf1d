"""From basf2's list of particles to the records that upstream's networks are trained on, under upstream's names.

`smartbkg.b2modules.upstream_layout` makes the same records of a whole file, without a table of one particle a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from smartbkg.b2modules.data_store.event_reader import EventReader
from smartbkg.b2modules.upstream_layout import FIELDS, is_virtual, root_index
from smartbkg.events.columns import ParticleStatus
from smartbkg.events.selection import parse_selection
from smartbkg.graphs import GraphRule
from smartbkg.optional import needed_for

from .. import LIST_FIELDS, PREPROC_CONFIG, TOKENIZE_DICT

if TYPE_CHECKING:
    from pandas import DataFrame

#: Types that upstream halves for torch.
_NARROW = {np.dtype(np.int64): np.int32, np.dtype(np.float64): np.float32}


class _NoEvent:
    """Stands for EventMetaData: the list of particles does not say which event it is of."""

    def _zero(self) -> int:
        return 0

    getExperiment = getRun = getEvent = getProduction = getGeneratedWeight = _zero


def check_status_bit(status_bit: int) -> bool:
    """Whether a particle is neither virtual nor initial nor a photon radiated from the initial or final state."""
    return not status_bit & GraphRule().excluded_status


def load_particle_list(mcplist: Iterable[Any], **meta_kwargs: Any) -> DataFrame:
    """The particles of one event that can be nodes of its graph, one per row.

    Parameters
    ----------
    mcplist : ``Belle2.PyStoreArray("MCParticles")``.
    meta_kwargs : columns of the event, as ``evtNum`` and ``label``: the same in each row.

    Returns
    -------
    DataFrame
        PDG codes; the array index of the mother, a particle's own where it has none or a virtual one; times from the
        production of the particle's own root.

    Raises
    ------
    MissingDependencyError
        pandas is not installed.
    """
    with needed_for("upstream's table of particles", "basf2"):
        import pandas
    batch = EventReader().read(mcplist, _NoEvent())
    columns = {name: batch.particle[name] for name in FIELDS}
    columns["prodTime"] = columns["prodTime"] - columns["prodTime"][root_index(batch)]
    mother = columns["motherIndex"]
    joins_itself = (mother < 0) | is_virtual(batch)[np.maximum(mother, 0)]
    columns["motherIndex"] = np.where(joins_itself, columns["arrayIndex"], mother)
    status = batch.particle["status"]
    is_node = (status & ParticleStatus.PRIMARY != 0) & (status & GraphRule().excluded_status == 0)
    return pandas.DataFrame({name: values[is_node] for name, values in columns.items()} | meta_kwargs)


def ak_from_df(
    df: DataFrame,
    decorr_df: DataFrame | None = None,
    columns: Sequence[str] | None = None,
    missing_values: bool = False,
    convert_to_32: bool = True,
) -> Any:
    """Records of events from a table of particles: ``particles`` as lists, all other columns once an event.

    Parameters
    ----------
    df : particles; neighbouring rows of one ``evtNum`` are an event.
    decorr_df : variables of events, joined by ``evtNum``; events that are not in both are left out.
    columns : take these alone.
    missing_values : NaN in columns of events become None.
    convert_to_32 : numbers of 64 bits become numbers of 32 bits.
    """
    if decorr_df is not None:
        df = df.join(decorr_df.set_index("evtNum"), on="evtNum", how="inner")
    number = df["evtNum"].to_numpy()
    starts = np.flatnonzero(np.append(True, number[1:] != number[:-1])[: len(number)])
    counts = np.diff(np.append(starts, len(number)))
    particles, event = {}, {}
    for name in df.columns if columns is None else columns:
        values = df[name].to_numpy()
        if convert_to_32:
            values = values.astype(_NARROW.get(values.dtype, values.dtype))
        if name in LIST_FIELDS:
            particles[name] = ak.unflatten(values, counts)
        else:
            event[name] = ak.Array(values[starts])
            if missing_values and values.dtype.kind == "f":
                event[name] = ak.nan_to_none(event[name])
    return ak.zip({"particles": ak.zip(particles), **event}, depth_limit=1)


def mapped_pdg_id(pdg: Any) -> Any:
    """Tokens of jagged PDG codes; a code that is not in the table is a KeyError, as upstream has it."""
    flat = ak.to_numpy(ak.flatten(pdg))
    distinct, position = np.unique(flat, return_inverse=True)
    return ak.unflatten(np.array([TOKENIZE_DICT[code] for code in distinct.tolist()])[position], ak.num(pdg))


def mapped_mother_index(array_indices: Any, mother_indices: Any) -> Any:
    """Positions of mothers among the kept particles, -1 for those that were removed; jagged as the arguments."""
    mapped = []
    for kept, mothers in zip(ak.to_list(array_indices), ak.to_list(mother_indices), strict=True):
        position = {index: place for place, index in enumerate(kept)}
        mapped.append([position.get(mother, -1) for mother in mothers])
    return ak.Array(mapped)


def preprocessed(
    df: DataFrame,
    decorr_df: DataFrame | None = None,
    particle_selection: str | Sequence[str] | Callable[[Any], Any] = tuple(PREPROC_CONFIG["cuts"]),
) -> Any:
    """Records of events, ready for graphs: particles selected, codes as tokens, mothers as positions.

    Parameters
    ----------
    df, decorr_df : as in `ak_from_df`.
    particle_selection : conditions as ``abs(x) < 10``, or a function from records to a jagged mask.
    """
    array = ak_from_df(df, decorr_df)
    if callable(particle_selection):
        array["particles"] = array.particles[particle_selection(array)]
    else:
        for text in [particle_selection] if isinstance(particle_selection, str) else particle_selection:
            cut = parse_selection(text)
            values = array.particles[cut.column]
            passes = cut.passes(ak.to_numpy(ak.flatten(values)))
            array["particles"] = array.particles[ak.unflatten(passes, ak.num(values))]
    array["particles", "PDG"] = mapped_pdg_id(array.particles.PDG)
    array["particles", "motherIndex"] = mapped_mother_index(array.particles.arrayIndex, array.particles.motherIndex)
    return array


__all__ = [
    "ak_from_df",
    "check_status_bit",
    "load_particle_list",
    "mapped_mother_index",
    "mapped_pdg_id",
    "preprocessed",
]
