"""Radiated photons: conservation decay by decay, and rates against the soft-photon formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smartbkg.events.columns import ParticleStatus
from smartbkg.experiment.generator.radiation import add_radiation
from smartbkg.seeds import event_keys

ALPHA_OVER_PI = 0.0072973525693 / np.pi
N_DECAYS = 200_000


def two_body_decays(
    mother: tuple[float, float], first: tuple[float, float], second: tuple[float, float]
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Decays at rest along z of particles given by (mass, charge)."""
    masses, charges = np.array([mother, first, second]).T
    m, a, b = masses
    momentum = np.sqrt((m**2 - (a + b) ** 2) * (m**2 - (a - b) ** 2)) / (2 * m)
    energies = np.array([m, np.hypot(a, momentum), np.hypot(b, momentum)])
    zero = np.zeros(3)
    one: dict[str, Any] = {
        "PDG": np.array([310, 211, -211]), "motherIndex": np.array([-1, 0, 0]), "mass": masses, "charge": charges,
        "status": np.array([1, 3, 3]), "energy": energies, "px": zero, "py": zero,
        "pz": np.array([0, momentum, -momentum]), "prodTime": np.array([0, 0.1, 0.1]), "x": zero, "y": zero, "z": zero,
    }  # fmt: skip
    return np.full(N_DECAYS, 3), {name: np.tile(column, N_DECAYS) for name, column in one.items()}


def radiate(counts: NDArray[np.int64], columns: dict[str, Any], seed: int = 1) -> tuple[Any, dict[str, NDArray[Any]]]:
    return add_radiation(event_keys(seed, 0, 0, np.arange(len(counts))), counts, columns)


def soft_photons(columns: dict[str, NDArray[Any]], low: float, high: float) -> float:
    """Mean number of photons a decay with energies in a range."""
    energy = columns["energy"][columns["PDG"] == 22]
    return float(((energy > low) & (energy < high)).sum() / N_DECAYS)


def test_neutral_particle_to_two_charged_ones_radiates_as_a_dipole() -> None:
    m, pion = 0.497611, 0.13957
    _, columns = radiate(*two_body_decays((m, 0), (pion, 1), (pion, -1)))
    beta = np.sqrt(1 - 4 * pion**2 / m**2)
    current = 2 * ALPHA_OVER_PI * ((1 + beta**2) / (2 * beta) * np.log((1 + beta) / (1 - beta)) - 1)
    expected = current * np.log(1e-4 / 1e-7)
    assert soft_photons(columns, 1e-7, 1e-4) == pytest.approx(expected, abs=4 * np.sqrt(expected / N_DECAYS))


def test_charged_particle_to_a_light_charged_one_radiates_as_it_does() -> None:
    m, electron = 5.279, 0.000511
    _, columns = radiate(*two_body_decays((m, -1), (electron, -1), (0.0, 0)))
    gamma = m / 2 / electron
    current = ALPHA_OVER_PI * (2 * np.log(2 * gamma) - 2)
    expected = current * np.log(1e-2 / 1e-6)
    # photons that others of the same decay have boosted out of the range, or into it, are few per cent
    assert soft_photons(columns, 1e-6, 1e-2) == pytest.approx(expected, rel=0.03)


def test_neutral_decays_do_not_radiate() -> None:
    counts, columns = two_body_decays((0.9578, 0), (0.1350, 0), (0.5479, 0))
    _, with_photons = radiate(counts, columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(with_photons[name], column)


def test_each_decay_conserves_energy_and_momentum_and_keeps_masses() -> None:
    counts, columns = radiate(*two_body_decays((5.279, -1), (0.000511, -1), (2.01, 0)))
    offsets = np.cumsum(counts) - counts
    event = np.repeat(np.arange(len(counts)), counts)
    is_product = columns["motherIndex"] == 0
    for name in ("energy", "px", "py", "pz"):
        total = np.bincount(event[is_product], columns[name][is_product])
        np.testing.assert_allclose(total, columns[name][offsets], atol=1e-8)
    square = columns["energy"] ** 2 - columns["px"] ** 2 - columns["py"] ** 2 - columns["pz"] ** 2
    np.testing.assert_allclose(square, columns["mass"] ** 2, atol=1e-8)
    assert (counts > 4).any()  # several photons in one decay


def test_photons_are_marked_and_come_last() -> None:
    counts, columns = radiate(*two_body_decays((0.497611, 0), (0.13957, 1), (0.13957, -1)))
    position = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    is_photon = position >= 3
    assert (columns["PDG"][is_photon] == 22).all()
    assert (columns["status"][is_photon] & ParticleStatus.PHOTOS_PHOTON != 0).all()
    assert (columns["status"][~is_photon] & ParticleStatus.PHOTOS_PHOTON == 0).all()
    assert columns["prodTime"][is_photon] == pytest.approx(0.1)
    assert (columns["energy"][is_photon] < 0.5 * 0.497611).all()


def test_hard_photons_from_electrons_are_collinear() -> None:
    _, columns = radiate(*two_body_decays((5.279, -1), (0.000511, -1), (0.0, 0)))
    is_hard = (columns["PDG"] == 22) & (columns["energy"] > 0.1)
    cosine = columns["pz"][is_hard] / columns["energy"][is_hard]
    assert np.median(cosine) > 0.99


def test_memory_that_no_photon_fills_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # numpy.empty may hold anything: a signalling NaN there made a division warn now and then
    empty = np.empty

    def spoilt(shape: Any, dtype: Any = np.float64) -> NDArray[Any]:
        made = empty(shape, dtype=dtype)
        if made.dtype == np.float64:
            made.view(np.uint64)[...] = np.array([0x7FF0000000000001], dtype=np.uint64)
        return made

    monkeypatch.setattr(np, "empty", spoilt)
    _, columns = radiate(*two_body_decays((0.497611, 0), (0.13957, 1), (0.13957, -1)))
    assert all(np.isfinite(values).all() for values in columns.values())
