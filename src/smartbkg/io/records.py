"""From what a format stores to a checked `EventBatch`: the columns that follow from others, and what must hold.

Every reader ends here, so that a broken event is found and named in the same way whatever the format.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.compilation import kernel, part
from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES, PARTICLE_DTYPES
from smartbkg.io.reader import EventReader

_FLAWS: Final = {
    1: "arrayIndex of particle {particle} is negative or repeats: mothers are ambiguous",
    2: "the mother of particle {particle} is not in the event",
    3: "the decay tree is cyclic: particle {particle} is its own ancestor",
}


#: Charges of EvtGen's own codes, whose digits say nothing or something else: basf2's ``evt.pdl``.
_EVTGEN_CHARGES: Final = {
    44: 1.0, 84: 2 / 3, 85: -1 / 3, 86: 2 / 3, 87: -1 / 3, 30353: 1.0, 9052513: 1.0, 9152513: 1.0, 99513: 0.0,
    99523: 1.0,
}  # fmt: skip


@functools.cache
def _charge(code: int) -> float:
    known = _EVTGEN_CHARGES.get(abs(code))
    if known is not None:
        return known if code > 0 else -known
    from particle import PDGID  # a tenth of a second, for readers of formats without charges alone

    charge = PDGID(code).charge
    return 0.0 if charge is None else float(charge)


def charges(codes: ArrayLike) -> NDArray[np.float32]:
    """Electric charge of PDG codes, in e; 0 for codes that mean nothing.

    Parameters
    ----------
    codes : (n,) int PDG codes.

    Returns
    -------
    (n,) float32, from the digits of the code (Particle Data Group, Monte Carlo numbering scheme, by `particle`), and
    from EvtGen's table for codes of its own.
    """
    distinct, position = np.unique(np.asarray(codes), return_inverse=True)
    values = np.array([_charge(int(code)) for code in distinct], dtype=np.float32)
    return np.asarray(values[position], dtype=np.float32)


@part
def _index_particles(array_index, position_of):  # type: ignore[no-untyped-def]  # compiled
    """How the particles of an event are found by their ``arrayIndex``.

    Parameters
    ----------
    array_index : (n,) int32 of one event.
    position_of : (length,) int64, all -1; filled where every index is below its length.

    Returns
    -------
    Whether the indices are 0, 1, 2, ...; whether ``position_of`` holds them; their order where neither is so, else no
    element; a particle whose index is negative or repeats, -1 for none.
    """
    n = len(array_index)
    none = np.empty(0, np.int64)
    is_position, is_compact = True, True
    for i in range(n):
        if array_index[i] != i:
            is_position = False
            break
    if is_position:
        return True, True, none, -1
    flawed = -1
    for i in range(n):
        if array_index[i] < 0:
            flawed = i
        elif array_index[i] >= len(position_of):
            is_compact = False
    if flawed >= 0:
        return False, is_compact, none, flawed
    if is_compact:
        for i in range(n):
            if position_of[array_index[i]] != -1:
                flawed = i
            position_of[array_index[i]] = i
        return False, True, none, flawed
    order = np.argsort(array_index)
    for k in range(1, n):
        if array_index[order[k]] == array_index[order[k - 1]]:
            flawed = order[k]
    return False, False, order, flawed


@part
def _find_mothers(  # type: ignore[no-untyped-def]  # compiled
    array_index, mother_index, is_position, is_compact, order, position_of, mother
):
    """Fill ``mother`` (at least n,) with positions in the event, -1 for none; the first particle whose is missing."""
    n, lost = len(array_index), -1
    ordered = array_index[order]
    for i in range(n):
        wanted = mother_index[i]
        mother[i] = -1
        if wanted < 0 or wanted == array_index[i]:
            continue
        if is_position:
            if wanted < n:
                mother[i] = wanted
        elif is_compact:
            if wanted < len(position_of):
                mother[i] = position_of[wanted]
        else:
            place = np.searchsorted(ordered, wanted)
            if place < n and ordered[place] == wanted:
                mother[i] = order[place]
        if mother[i] < 0 and lost < 0:
            lost = i
    return lost


@part
def _on_a_cycle(mother, n, seen):  # type: ignore[no-untyped-def]  # compiled
    """The first particle found to be its own ancestor, -1 for none; ``seen`` is working memory of length n."""
    seen[:n] = 0
    for i in range(n):
        walk = i
        while walk >= 0 and seen[walk] == 0:
            seen[walk] = i + 1
            walk = mother[walk]
        if walk >= 0 and seen[walk] == i + 1:
            return walk
    return -1


@kernel
def _link(  # type: ignore[no-untyped-def]  # compiled
    offsets, array_index, mother_index, pdg, daughters, mother_pdg, flaw, flawed_particle, mother_must_exist
):
    """Fill daughters and mother_pdg, and each event's flaw (a key of `_FLAWS`, 0 = none) with its particle.

    Parameters
    ----------
    offsets : (n_events + 1,) int64.
    array_index, mother_index, pdg : (n_particles,) int32.
    daughters, mother_pdg : (n_particles,) int32, zeros; filled of events without flaw.
    flaw, flawed_particle : (n_events,) int64, zeros.
    mother_must_exist : bool, whether a mother that is not in the event is a flaw.
    """
    longest = 0
    for event in range(len(offsets) - 1):
        longest = max(longest, offsets[event + 1] - offsets[event])
    mother, seen = np.empty(longest, np.int64), np.empty(longest, np.int64)
    position_of = np.full(4 * longest + 64, -1, np.int64)
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        own, codes = array_index[start:stop], pdg[start:stop]
        is_position, is_compact, order, flawed = _index_particles(own, position_of)
        if flawed >= 0:
            flaw[event], flawed_particle[event] = 1, flawed
        else:
            lost = _find_mothers(own, mother_index[start:stop], is_position, is_compact, order, position_of, mother)
            if lost >= 0 and mother_must_exist:
                flaw[event], flawed_particle[event] = 2, lost
        if not is_position and is_compact:
            for index in own:
                if index >= 0:
                    position_of[index] = -1
        if flaw[event] == 0:
            cyclic = _on_a_cycle(mother, stop - start, seen)
            if cyclic >= 0:
                flaw[event], flawed_particle[event] = 3, cyclic
        if flaw[event] != 0:
            continue
        for i in range(stop - start):
            if mother[i] >= 0:
                daughters[start + mother[i]] += 1
                mother_pdg[start + i] = codes[mother[i]]


def assemble(
    reader: EventReader,
    counts: ArrayLike,
    event: Mapping[str, ArrayLike],
    particle: Mapping[str, NDArray[Any]],
    *,
    originals: Sequence[object] | None = None,
    mother_must_exist: bool = True,
    flaws: Mapping[int, str] | None = None,
) -> EventBatch:
    """A checked batch from the columns a format has; ``nDaughters``, ``motherPDG`` and ``charge`` may be missing.

    Parameters
    ----------
    reader : whose file it is; events with a flaw raise, or are noted in ``reader.skipped`` if the options say so.
    counts : (n_events,) particles per event.
    event, particle : columns as `EventBatch.from_columns` takes them.
    flaws : event position → what the reader itself found wrong with it.
    mother_must_exist : whether a ``motherIndex`` that names no particle is a flaw, or an event cut down on purpose.

    Raises
    ------
    EventError
        The first event with a cyclic tree, ambiguous or missing mothers, or a number that is not finite.
    """
    offsets = np.zeros(len(np.asarray(counts)) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    n_events, n_particles = len(offsets) - 1, int(offsets[-1])
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is told of by its event
        columns: dict[str, NDArray[Any]] = {
            name: np.ascontiguousarray(values, dtype=PARTICLE_DTYPES.get(name)) for name, values in particle.items()
        }
    daughters, mother_pdg = np.zeros(n_particles, dtype=np.int32), np.zeros(n_particles, dtype=np.int32)
    flaw, flawed_particle = np.zeros(n_events, dtype=np.int64), np.zeros(n_events, dtype=np.int64)
    _link(
        offsets, columns["arrayIndex"], columns["motherIndex"], columns["PDG"], daughters, mother_pdg, flaw,
        flawed_particle, mother_must_exist,
    )  # fmt: skip
    derived = {"nDaughters": daughters, "motherPDG": mother_pdg}
    columns = {**derived, **columns}
    if "charge" not in columns:
        columns["charge"] = charges(columns["PDG"])
    batch = EventBatch.from_columns(counts, event, columns, source=reader.source, originals=originals)
    check_units(batch, reader)
    messages = {
        int(index): _FLAWS[int(flaw[index])].format(particle=int(flawed_particle[index]))
        for index in np.flatnonzero(flaw)
    }
    messages = _not_finite(batch) | messages | dict(flaws or {})
    if not messages:
        return batch
    for index in sorted(messages):
        reader.skip(EventError(messages[index], source=reader.source, event=batch.event_id(index)))
    is_good = np.ones(n_events, dtype=np.bool_)
    is_good[list(messages)] = False
    return batch.select(is_good)


def no_events() -> EventBatch:
    """A batch with all columns and no event."""
    event = {name: np.empty(0, dtype=dtype) for name, dtype in EVENT_DTYPES.items()}
    particle = {name: np.empty(0, dtype=dtype) for name, dtype in PARTICLE_DTYPES.items()}
    return EventBatch.from_columns([], event, particle)


#: Particles whose mass tells the unit of energies: PDG code → mass in GeV (Particle Data Group, 2024).
_MASSES: Final = {211: 0.13957, 321: 0.49368, 2212: 0.93827, 13: 0.10566}
_FEWEST_FOR_UNITS: Final = 4


def check_units(batch: EventBatch, reader: EventReader) -> None:
    """Refuse energies that are MeV instead of GeV, or the reverse, by the masses of pions, kaons, protons and muons.

    Raises
    ------
    FileFormatError
        Their median mass is wrong by about a factor 1000.
    """
    code = np.abs(batch.particle["PDG"])
    with np.errstate(invalid="ignore"):  # what is not finite is told of by itself
        energy = batch.particle["energy"].astype(np.float64)
    ratios = []
    for known, mass in _MASSES.items():
        chosen = np.flatnonzero(code == known)
        squared = energy[chosen] ** 2
        for axis in ("px", "py", "pz"):
            squared -= batch.particle[axis][chosen].astype(np.float64) ** 2
        is_measurable = squared > 1e-5 * energy[chosen] ** 2  # else single precision leaves nothing of the mass
        ratios.append(np.sqrt(squared[is_measurable]) / mass)
    together = np.concatenate(ratios)
    if len(together) < _FEWEST_FOR_UNITS:
        return
    ratio = float(np.median(together))
    if 300 < ratio < 3000 or 300 < 1 / max(ratio, 1e-300) < 3000:
        larger = "too large" if ratio > 1 else "too small"
        raise FileFormatError(
            f"{reader.source}: masses of pions, kaons, protons and muons come out {max(ratio, 1 / ratio):.0f} times "
            f"{larger}: energies are not in the unit that the format or the file says"
        )


def _not_finite(batch: EventBatch) -> dict[int, str]:
    """Event position → what is not finite in it."""
    messages: dict[int, str] = {}
    for name, column in batch.particle.items():
        if column.dtype.kind != "f" or np.isfinite(column).all():
            continue
        for place in np.flatnonzero(~np.isfinite(column)):
            index = int(np.searchsorted(batch.offsets, place, side="right")) - 1
            position = int(place - batch.offsets[index])
            messages.setdefault(index, f"{name} of particle {position} is {column[place]}, expected a finite number")
    is_bad = ~np.isfinite(batch.event["weight"])
    for place in np.flatnonzero(is_bad):
        messages.setdefault(int(place), f"weight is {batch.event['weight'][place]}, expected a finite number")
    return messages


__all__ = ["assemble", "charges", "check_units", "no_events"]
