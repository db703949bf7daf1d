"""The decay table: complete, conserving, readable by PYTHIA, and aliases that never leave the generator."""

from __future__ import annotations

import numpy as np
import pytest
from particle import PDGID

from smartbkg.experiment.generator.decay_tables import decay_settings, load_decay_table, real_codes

TABLE = load_decay_table()
PARTONS = {1, 2, 3, 4, 5, 21, 82, 2101, 2103, 2203, 3101, 3103, 3201, 3203, 4101, 4103, 4201, 4203, 4301, 4303}


def charge_of(code: int) -> float:
    record = TABLE.particles.get(abs(code))
    if record is not None:
        return float(record["charge"]) * (1 if code > 0 else -1)
    return float(PDGID(code).charge or 0.0)


@pytest.mark.parametrize("code", sorted(TABLE.channels))
def test_branching_fractions_sum_to_one(code: int) -> None:
    assert sum(fraction for fraction, _, _ in TABLE.channels[code]) == pytest.approx(1.0, abs=0.08)


def test_charge_is_conserved_in_every_channel() -> None:
    for mother, channels in TABLE.channels.items():
        for _, _, products in channels:
            if PARTONS.isdisjoint(map(abs, products)):
                assert sum(map(charge_of, products)) == pytest.approx(charge_of(mother)), (mother, products)


def test_lepton_number_is_conserved_where_a_lepton_has_its_neutrino() -> None:
    for mother, channels in TABLE.channels.items():
        for _, _, products in channels:
            charged = [code for code in products if abs(code) in (11, 13, 15)]
            neutral = [code for code in products if abs(code) in (12, 14, 16)]
            if len(charged) == len(neutral) == 1:
                assert charged[0] * neutral[0] < 0, (mother, products)


@pytest.mark.parametrize(("mother", "first"), [(511, (12, 14, 16)), (421, (11, 13)), (15, (12, 14))])
def test_weak_decays_begin_with_the_lepton_that_pairs_with_the_mother(mother: int, first: tuple[int, ...]) -> None:
    weak = [products for _, element, products in TABLE.channels[mother] if element == 22]
    assert len(weak) > 1
    assert all(abs(products[0]) in first for products in weak)


def test_pythia_accepts_every_setting() -> None:
    pythia = pytest.importorskip("pythia8mc").Pythia("", False)
    pythia.readString("Print:quiet = on")
    settings = decay_settings(pythia.particleData)
    assert len(settings) > 4000
    assert all(pythia.readString(setting) for setting in settings)


def test_aliases_become_the_particles_they_stand_for() -> None:
    codes = np.array([9050333, -9050313, 211, 9050323], dtype=np.int32)
    assert real_codes(codes).tolist() == [333, -313, 211, 323]
    assert codes[0] == 9050333


def test_no_gluon_pair_beside_a_photon_is_left_to_borrow_momentum() -> None:
    """PYTHIA turns a light pair into one hadron with recoil from the rest of its record, which holds other events."""
    products = [sorted(products) for channels in TABLE.channels.values() for _, _, products in channels]
    assert [21, 21, 22] not in products
    assert [-82, 22, 82] in products
