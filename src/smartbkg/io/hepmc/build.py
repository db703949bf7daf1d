"""Events of other formats as parts of Asciiv3, from their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import VARIATION_PREFIX, WEIGHT, ParticleStatus
from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.io.hepmc.text import RunHeader
from smartbkg.io.hepmc.tree import status_bits
from smartbkg.io.hepmc.version2 import EventParts
from smartbkg.io.hepmc.weights import DEFAULT_NAME


def _place_line(identity: int, place: Sequence[float]) -> bytes:
    return b"A %d smartbkg_vertex %.17g %.17g %.17g %.17g\n" % (identity, *place)


def parts_of_columns(batch: EventBatch) -> tuple[RunHeader, list[EventParts]]:
    """Events as parts of Asciiv3, from their columns; units GEV and CM.

    Particles keep their order where mothers come first, else they are put behind them. Daughters of one mother share a
    vertex, as HepMC wants it; a particle made elsewhere (photon conversions, decays in flight) says so in its attribute
    ``smartbkg_vertex``, and status bits that do not follow from the status code are in ``smartbkg_status``.
    """
    names = [name for name in batch.event if name.startswith(VARIATION_PREFIX)]
    weights = np.stack([batch.event[name] for name in (names or [WEIGHT])], axis=1)
    header = RunHeader(3, (), tuple(name.removeprefix(VARIATION_PREFIX) for name in names) or (DEFAULT_NAME,))
    return header, [_parts_of(batch, index, weights[index].tolist()) for index in range(len(batch))]


def _ordered(batch: EventBatch, index: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Columns of one event with mothers before daughters, and each particle's mother as a position or -1."""
    here = slice(int(batch.offsets[index]), int(batch.offsets[index + 1]))
    columns = {name: column[here] for name, column in batch.particle.items()}
    own, wanted = columns["arrayIndex"], columns["motherIndex"]
    order = np.argsort(own, kind="stable")
    place = np.searchsorted(own[order], wanted).clip(max=max(len(own) - 1, 0))
    mother = np.where((wanted >= 0) & (own[order][place] == wanted) & (own != wanted), order[place], -1)
    if (mother < np.arange(len(own))).all():
        return columns, mother
    depth, above = np.zeros(len(own), dtype=np.int64), mother.copy()
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, mother[above], -1)
        if depth.max() > len(own):
            raise EventError("the decay tree is cyclic", source=batch.source, event=batch.event_id(index))
    order = np.argsort(depth, kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    mother = mother[order]
    return {name: column[order] for name, column in columns.items()}, np.where(mother >= 0, position[mother], -1)


def _parts_of(batch: EventBatch, index: int, weights: list[float]) -> EventParts:
    columns, mother = _ordered(batch, index)
    n = len(mother)
    bits = columns["status"].astype(np.int64)
    place = np.stack([columns[name].astype(np.float64) for name in ("x", "y", "z", "prodTime")], axis=1)
    place[:, 3] *= SPEED_OF_LIGHT
    has_daughters = np.bincount(mother[mother >= 0], minlength=n) > 0
    status = np.where(~has_daughters | (bits & ParticleStatus.STABLE_IN_GENERATOR != 0), 1, 2)
    status[bits & ParticleStatus.PRIMARY == 0] = 201
    status[bits & ParticleStatus.VIRTUAL != 0] = 3
    status[bits & ParticleStatus.INITIAL != 0] = 4
    code = columns["PDG"].astype(np.int64)
    mothers, first_daughter, vertex = np.unique(mother, return_index=True, return_inverse=True)
    from_nothing = int(len(mothers) > 0 and mothers[0] < 0)
    is_elsewhere = (place != place[first_daughter][vertex]).any(axis=1)
    origin = place[first_daughter[0]] if from_nothing else np.zeros(4)
    position = b"%.17g %.17g %.17g %.17g" % tuple(origin.tolist()) if origin.any() else None
    attributes = [
        b"A %d smartbkg_status %d\n" % (k + 1, bits[k]) for k in np.flatnonzero(bits != status_bits(code, status))
    ]
    attributes += [_place_line(int(k) + 1, place[k].tolist()) for k in np.flatnonzero(is_elsewhere)]
    numbers = [columns[name].tolist() for name in ("px", "py", "pz", "energy", "mass")]
    lines = zip(
        range(1, n + 1), (from_nothing - vertex - 1).tolist(), code.tolist(), *numbers, status.tolist(), strict=True
    )
    particles = [b"P %d %d %d %.9g %.9g %.9g %.9g %.9g %d\n" % line for line in lines]
    for k in range(from_nothing, len(mothers)):
        identity = from_nothing - k - 1
        line = b"V %d 0 [%d] @ %.17g %.17g %.17g %.17g\n" % (
            identity,
            mothers[k] + 1,
            *place[first_daughter[k]].tolist(),
        )
        particles[first_daughter[k]] = line + particles[first_daughter[k]]
    return EventParts(
        len(mothers) - from_nothing, n, position, b"GEV CM", tuple(repr(weight).encode() for weight in weights),
        b"".join(attributes), b"".join(particles),
    )  # fmt: skip


__all__ = ["parts_of_columns"]
