"""From PYTHIA's record to particles with mothers: one compiled pass.

Left out are quarks, gluons, diquarks and strings, and the copies that PYTHIA makes of an entry whenever it takes
recoil; what came out of them hangs on the nearest entry that is kept: the hadrons of a B → c ū d decay on the B, those
of a continuum event on the virtual photon.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.events.columns import ParticleStatus
from smartbkg.experiment.generator.pythia import PythiaRecord

#: PYTHIA and KKMC give the virtual photon of e+e- → γ*/Z → f f̄ this code.
VIRTUAL_PHOTON: Final = 23

_PHOTON: Final = 22
_ELECTRON: Final = 11
_TAU: Final = 15
_PYTHIA_BEAM: Final = 12  # |status| of the beams
_FIRST_HADRON_STATUS: Final = 80  # |status| of particles from hadronisation and decays, below: from the hard process
# compiled code takes plain numbers
_PRIMARY: Final = ParticleStatus.PRIMARY
_STABLE: Final = ParticleStatus.STABLE_IN_GENERATOR
_VIRTUAL: Final = ParticleStatus.VIRTUAL
_INITIAL: Final = ParticleStatus.INITIAL
_ISR_PHOTON: Final = ParticleStatus.ISR_PHOTON
_FSR_PHOTON: Final = ParticleStatus.FSR_PHOTON
_SOFTEST_RADIATION: Final = 1e-6  # GeV; photons of the beam remnants below it are bookkeeping


class Entries(NamedTuple):
    """Entries of PYTHIA's record that are particles, grouped by event."""

    counts: NDArray[np.int64]
    """(n_events,) particles per event."""
    entry: NDArray[np.int64]
    """(n_particles,) position in the flat columns of the record."""
    mother: NDArray[np.int32]
    """(n_particles,) position of the mother within the event's particles, -1 where there is none."""
    status: NDArray[np.int32]
    """(n_particles,) bits of `ParticleStatus`."""


@part
def _is_parton(code: int) -> bool:
    """Quark, gluon, diquark, string or the event itself."""
    size = abs(code)
    return size <= 8 or size == 21 or 81 <= size <= 99 or (1000 < size < 10000 and (size // 10) % 10 == 0)


@part
def _is_copied(i, offset, code, first_daughter, last_daughter):  # type: ignore[no-untyped-def]  # compiled
    """Whether a daughter is the same particle: entry ``i`` is then an earlier copy of it."""
    low, high = first_daughter[i], last_daughter[i]
    if low <= 0:
        return False
    if high <= 0:
        high = low
    if high < low:  # two daughters that do not follow one another
        return code[offset + low] == code[i] or code[offset + high] == code[i]
    return (code[offset + low : offset + high + 1] == code[i]).any()


@kernel
def _select(offsets, code, status, mother, first_daughter, last_daughter, energy, n_decaying):  # type: ignore[no-untyped-def]
    """Mark kept entries. Returns (event, nearest kept ancestor or -1, bits or 0 where not kept), an entry each.

    With ``n_decaying`` > 0 there is one record whose entries 1 ... n_decaying are the decaying particles, two an event.
    """
    n = len(code)
    event = np.full(n, -1, np.int64)
    ancestor = np.full(n, -1, np.int64)
    bits = np.zeros(n, np.int32)
    for record in range(len(offsets) - 1):
        offset = offsets[record]
        for i in range(offset + 1, offsets[record + 1]):
            parent = offset + mother[i]
            if n_decaying > 0 and i - offset <= n_decaying:
                event[i] = (i - offset - 1) // 2
            else:
                event[i] = event[parent] if n_decaying > 0 else record
            stage = abs(status[i])
            is_early = n_decaying == 0 and stage < _FIRST_HADRON_STATUS
            is_beam = is_early and stage == _PYTHIA_BEAM
            is_radiation = is_early and code[i] == _PHOTON and not is_beam
            # the shower's bookkeeping makes early mothers come after their daughters: those are beams' copies
            if mother[i] > 0 and not is_beam and parent < i:
                ancestor[i] = parent if bits[parent] != 0 else ancestor[parent]
            if _is_parton(code[i]) and not (is_early and code[i] == VIRTUAL_PHOTON):
                continue
            if is_early and abs(code[i]) == _ELECTRON and not is_beam:
                ancestor[i] = -1
                continue
            if not is_beam and _is_copied(i, offset, code, first_daughter, last_daughter):
                continue
            if is_radiation and energy[i] < _SOFTEST_RADIATION:
                continue
            found = _PRIMARY
            if status[i] > 0:
                found |= _STABLE
            if is_beam:
                found |= _INITIAL
            elif is_early and code[i] == VIRTUAL_PHOTON:
                found |= _VIRTUAL
                ancestor[i] = -1
            elif is_radiation:
                if _is_parton(code[parent]) or abs(code[parent]) == _TAU:
                    found |= _FSR_PHOTON
                else:
                    found |= _ISR_PHOTON
                    ancestor[i] = -1
            bits[i] = found
    return event, ancestor, bits


@kernel
def _group(event, ancestor, bits, counts):  # type: ignore[no-untyped-def]  # compiled
    """Kept entries in the order of events, within an event in the order of the record; mothers as positions."""
    n_kept = 0
    for i in range(len(bits)):
        if bits[i] != 0:
            counts[event[i]] += 1
            n_kept += 1
    starts = np.zeros(len(counts) + 1, np.int64)
    starts[1:] = np.cumsum(counts)
    filled = np.zeros(len(counts), np.int64)
    position = np.full(len(bits), -1, np.int32)
    entry = np.empty(n_kept, np.int64)
    for i in range(len(bits)):
        if bits[i] != 0:
            position[i] = filled[event[i]]
            entry[starts[event[i]] + position[i]] = i
            filled[event[i]] += 1
    mother = np.empty(n_kept, np.int32)
    for k in range(n_kept):
        above = ancestor[entry[k]]
        mother[k] = position[above] if above >= 0 else -1
    return entry, mother


def particles_of(record: PythiaRecord, n_events: int, n_decaying: int = 0) -> Entries:
    """The particles of a record, grouped by event, with mothers and status bits.

    Parameters
    ----------
    record : PYTHIA's record.
    n_events : number of events in it.
    n_decaying : for a record of decays, the number of decaying particles (two per event); 0 for one record per event.
    """
    event, ancestor, bits = _select(
        record.offsets, record.code, record.status, record.mother, record.first_daughter, record.last_daughter,
        record.momentum.energy, n_decaying,
    )  # fmt: skip
    counts = np.zeros(n_events, dtype=np.int64)
    entry, mother = _group(event, ancestor, bits, counts)
    return Entries(counts, entry, mother, bits[entry])


@kernel
def _family(offsets, pdg, mother, n_daughters, mother_pdg):  # type: ignore[no-untyped-def]  # compiled
    for event in range(len(offsets) - 1):
        start = offsets[event]
        for i in range(start, offsets[event + 1]):
            if mother[i] >= 0:
                n_daughters[start + mother[i]] += 1
                mother_pdg[i] = pdg[start + mother[i]]


def family_columns(
    offsets: NDArray[np.int64], pdg: NDArray[np.int32], mother: NDArray[np.int32]
) -> dict[str, NDArray[Any]]:
    """Columns ``nDaughters`` and ``motherPDG`` of particles whose mothers are positions within their event."""
    n_daughters = np.zeros(len(pdg), dtype=np.int32)
    mother_pdg = np.zeros(len(pdg), dtype=np.int32)
    _family(offsets, pdg, mother, n_daughters, mother_pdg)
    return {"nDaughters": n_daughters, "motherPDG": mother_pdg}
