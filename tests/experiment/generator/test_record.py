"""From PYTHIA's record to particles: copies and partons are left out, what hangs on them moves up."""

from __future__ import annotations

import numpy as np

from smartbkg.events.columns import ParticleStatus
from smartbkg.experiment.beams import FourMomenta
from smartbkg.experiment.generator.pythia import PythiaRecord
from smartbkg.experiment.generator.record import Entries, family_columns, particles_of


def entries(rows: list[tuple[int, int, int, int, int]], *, n_events: int = 1, n_decaying: int = 0) -> Entries:
    """Rows of (code, status, mother, first daughter, last daughter); row 0 is the event itself."""
    table = np.array([(90, -11, 0, 0, 0), *rows])
    n = len(table)
    fields = {name: np.zeros(n) for name in PythiaRecord._fields}
    fields |= {
        "offsets": np.array([0, n]), "code": table[:, 0], "status": table[:, 1], "mother": table[:, 2],
        "first_daughter": table[:, 3], "last_daughter": table[:, 4], "momentum": FourMomenta(*(np.ones(n),) * 4),
    }  # fmt: skip
    return particles_of(PythiaRecord(**fields), n_events, n_decaying)  # type: ignore[arg-type]


def test_hadrons_of_strings_hang_on_the_nearest_particle_above() -> None:
    found = entries([
        (511, -83, 0, 2, 3), (4, -91, 1, 4, 4), (-2, -91, 1, 4, 4), (92, -92, 2, 5, 6), (421, 83, 4, 0, 0),
        (211, 83, 4, 0, 0),
    ])  # fmt: skip
    assert found.entry.tolist() == [1, 5, 6]
    assert found.mother.tolist() == [-1, 0, 0]


def test_an_earlier_copy_of_a_particle_is_left_out() -> None:
    found = entries([(511, -83, 0, 2, 2), (511, -83, 1, 3, 3), (211, 83, 2, 0, 0)])
    assert found.entry.tolist() == [2, 3]
    assert found.mother.tolist() == [-1, 0]


def test_beams_stable_particles_and_photons_are_told_apart() -> None:
    found = entries([
        (11, -12, 0, 0, 0), (-11, -12, 0, 0, 0), (23, -22, 1, 0, 0), (22, 43, 1, 0, 0), (15, -23, 3, 6, 6),
        (22, 51, 5, 0, 0),
    ])  # fmt: skip
    bits = dict(zip(found.entry.tolist(), found.status.tolist(), strict=True))
    assert bits[1] & ParticleStatus.INITIAL
    assert bits[3] & ParticleStatus.VIRTUAL
    assert bits[4] & ParticleStatus.ISR_PHOTON
    assert bits[6] & ParticleStatus.FSR_PHOTON
    assert bits[6] & ParticleStatus.STABLE_IN_GENERATOR
    assert not bits[5] & ParticleStatus.STABLE_IN_GENERATOR
    assert all(bit & ParticleStatus.PRIMARY for bit in bits.values())


def test_a_record_of_decays_holds_two_decaying_particles_per_event() -> None:
    found = entries(
        [(511, -1, 0, 5, 5), (-511, -1, 0, 6, 6), (511, -1, 0, 7, 7), (511, -1, 0, 8, 8), (211, 91, 1, 0, 0),
         (-211, 91, 2, 0, 0), (321, 91, 3, 0, 0), (-321, 91, 4, 0, 0)], n_events=2, n_decaying=4,
    )  # fmt: skip
    assert found.counts.tolist() == [4, 4]
    assert found.mother.tolist() == [-1, -1, 0, 1] * 2


def test_daughters_are_counted_and_mothers_named_within_each_event() -> None:
    columns = family_columns(
        np.array([0, 3, 5]), np.array([511, 211, -211, 421, 321], np.int32), np.array([-1, 0, 0, -1, 0], np.int32)
    )
    assert columns["nDaughters"].tolist() == [2, 0, 0, 1, 0]
    assert columns["motherPDG"].tolist() == [0, 511, 511, 0, 421]
