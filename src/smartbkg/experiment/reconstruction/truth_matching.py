"""Which candidates are right: generated particles as matching wants them, and what a combination of candidates is."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import borrowing_part, kernel

#: A candidate is right if the energies of what it is made of miss at most this of its ancestor's, GeV.
TRUTH_TOLERANCE: Final = 0.1

#: A generated particle as truth matching wants it.
TRUTH: Final = np.dtype(
    [
        ("code", np.int64),  # PDG code
        ("mother", np.int64),  # position of the mother in the batch, -1 where there is none
        ("energy", np.float64),  # GeV, centre-of-mass frame
        ("neutrino_energy", np.float64),  # GeV, of all neutrinos among the descendants
    ],
    align=True,
)


def no_truth() -> NDArray[np.void]:
    """The truth of nobody: candidates are not matched."""
    return np.zeros(0, dtype=TRUTH)


@borrowing_part
def ancestor(truth, start, code):  # type: ignore[no-untyped-def]
    """The nearest ancestor of a particle, itself included, with that PDG code; -1 where there is none."""
    particle = start
    for _ in range(64):
        if particle < 0 or truth[particle].code == code:
            return particle
        particle = truth[particle].mother
    return -1


@borrowing_part
def match(truth, store, rows, n, code, has_neutrino):  # type: ignore[no-untyped-def]
    """The particle a combination is, and the generated energy of all it is made of.

    Right means: each daughter is right, all descend from one particle of the mother's code, and their generated
    energies add up to its energy within `TRUTH_TOLERANCE` (photons of final-state radiation may miss), without the
    neutrinos' share for a semileptonic decay.
    """
    total = 0.0
    common = -1
    for k in range(n):
        if store.candidate[rows[k]].truth < 0:
            return -1, 0.0
        total += store.candidate[rows[k]].truth_energy
        found = ancestor(truth, store.candidate[rows[k]].truth, code)
        if found < 0 or (k > 0 and found != common):
            return -1, 0.0
        common = found
    expected = truth[common].energy
    if has_neutrino:
        expected -= truth[common].neutrino_energy
    if abs(expected - total) > TRUTH_TOLERANCE or (has_neutrino and truth[common].neutrino_energy == 0.0):
        return -1, 0.0
    return common, total


@kernel
def _accumulate_neutrinos(code, mother, energy, neutrino_energy):  # type: ignore[no-untyped-def]
    for particle in range(len(code)):
        if abs(code[particle]) in (12, 14, 16):
            above = mother[particle]
            for _ in range(64):
                if above < 0:
                    break
                neutrino_energy[above] += energy[particle]
                above = mother[above]


@kernel
def _mother_positions(offsets, array_index, mother_index, mother):  # type: ignore[no-untyped-def]
    for event in range(len(offsets) - 1):
        for particle in range(offsets[event], offsets[event + 1]):
            if mother_index[particle] < 0:
                continue
            guess = offsets[event] + mother_index[particle] - array_index[offsets[event]]
            if offsets[event] <= guess < offsets[event + 1] and array_index[guess] == mother_index[particle]:
                mother[particle] = guess
                continue
            for other in range(offsets[event], offsets[event + 1]):
                if array_index[other] == mother_index[particle]:
                    mother[particle] = other
                    break


def truth_of(batch: Any, boost: NDArray[np.float64]) -> NDArray[np.void]:
    """The generated particles of a batch as truth matching wants them.

    Parameters
    ----------
    batch : `smartbkg.events.EventBatch`.
    boost : (4, 4) Lorentz transformation from the laboratory to the centre-of-mass frame, order px, py, pz, E.
    """
    columns = batch.particle
    mother = np.full(batch.n_particles, -1, dtype=np.int64)
    _mother_positions(batch.offsets, columns["arrayIndex"], columns["motherIndex"], mother)
    energy = sum(boost[3, k] * columns[name].astype(np.float64) for k, name in enumerate(("px", "py", "pz", "energy")))
    energy = np.asarray(energy)
    neutrino_energy = np.zeros(batch.n_particles)
    code = columns["PDG"].astype(np.int64)
    _accumulate_neutrinos(code, mother, energy, neutrino_energy)
    truth = no_truth() if not len(code) else np.zeros(len(code), dtype=TRUTH)
    for name, values in zip(TRUTH.names or (), (code, mother, energy, neutrino_energy), strict=True):
        truth[name] = values
    return truth
