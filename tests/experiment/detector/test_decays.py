"""Decays that the detector makes: charge and energy are conserved, fractions and lifetimes are those of the table."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.experiment.detector import decays
from smartbkg.experiment.detector.decays import DAUGHTERS, DECAYING_CODE, DECAYING_MASS, MASS_BY_CODE

CHARGE = {22: 0, 11: -1, 12: 0, 13: -1, 14: 0, 16: 0, 111: 0, 211: 1, 130: 0, 310: 0, 321: 1, 221: 0, 2212: 1,
          2112: 0, 3122: 0, 3222: 1, 3112: -1, 3212: 0, 3322: 0, 3312: -1, 3334: -1}  # fmt: skip


@numba.njit
def many(row, px, py, pz, n):  # type: ignore[no-untyped-def]
    state, momenta = np.full(1, 11, dtype=np.uint64), np.zeros((3, 3))
    channel, found = np.empty(n, np.int64), np.zeros((n, 3, 3))
    for i in range(n):
        momenta[:] = 0.0
        channel[i] = decays.decay(row, px, py, pz, state, momenta)
        found[i] = momenta
    return channel, found


def test_every_channel_conserves_charge_and_has_energy_enough() -> None:
    for row, code in enumerate(DECAYING_CODE.tolist()):
        channels = np.unique(many(row, 0.0, 0.0, 0.5, 400)[0])
        for channel in channels:
            products = [int(c) for c in DAUGHTERS[channel] if c != 0]
            assert sum(np.sign(c) * CHARGE[abs(c)] for c in products) == CHARGE[code], (code, products)
            assert sum(MASS_BY_CODE[abs(c)] for c in products) < DECAYING_MASS[row], (code, products)


@pytest.mark.parametrize("code", [310, 321, 111, 3334])
def test_energy_and_momentum_are_conserved_in_flight(code: int) -> None:
    row = DECAYING_CODE.tolist().index(code)
    parent = np.array([0.3, -0.4, 1.2])
    channel, momenta = many(row, *parent, 300)
    mass = np.array([[MASS_BY_CODE[abs(int(c))] if c != 0 else 0.0 for c in DAUGHTERS[k]] for k in channel])
    is_there = np.array([[c != 0 for c in DAUGHTERS[k]] for k in channel])
    momenta[~is_there] = 0.0
    np.testing.assert_allclose(momenta.sum(axis=1), np.tile(parent, (300, 1)), atol=1e-9)
    energy = (np.sqrt((momenta**2).sum(axis=2) + mass**2) * is_there).sum(axis=1)
    np.testing.assert_allclose(energy, np.sqrt(parent @ parent + DECAYING_MASS[row] ** 2), rtol=1e-9)


def test_channels_come_as_often_as_their_fraction() -> None:
    row = DECAYING_CODE.tolist().index(310)
    channel, _ = many(row, 0.0, 0.0, 1.0, 8000)
    neutral = np.mean([tuple(DAUGHTERS[k]) == (111, 111, 0) for k in channel])
    assert neutral == pytest.approx(0.3069, abs=5 * np.sqrt(0.21 / 8000))


@pytest.mark.parametrize(
    ("code", "sign", "expected"), [(211, 1, 211), (211, -1, -211), (22, -1, 22), (310, -1, 310), (3122, -1, -3122)]
)
def test_particles_that_are_their_own_antiparticle_stay(code: int, sign: int, expected: int) -> None:
    assert decays.conjugated.py_func(code, sign) == expected


def test_below_threshold_nothing_flies_apart() -> None:
    momentum = decays.breakup_momentum.py_func
    assert momentum(1.0, 0.6, 0.5) == 0.0
    assert momentum(1.0, 0.0, 0.0) == 0.5
    assert momentum(0.497611, 0.139570, 0.139570) == pytest.approx(0.2060, abs=1e-4)


def test_the_row_of_a_code_does_not_depend_on_its_sign_and_unknown_ones_have_none() -> None:
    row = decays.decay_row.py_func
    assert row(-3122) == row(3122) >= 0
    assert row(11) == -1
