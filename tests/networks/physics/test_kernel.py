"""Node inputs of the compiled kernel, read as plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.networks.physics.kernel import N_INVARIANT, NEEDED, feature_columns, physics_inputs

BOOST = np.float32(0.2725)
GAMMA = np.float32((1 - 0.2725**2) ** -0.5)


def inputs(feature: np.ndarray, is_invariant: bool = True) -> np.ndarray:
    out = np.full((len(feature), N_INVARIANT + 3), np.nan, dtype=np.float32)
    daughters = np.zeros(len(feature), dtype=np.float32)
    physics_inputs.py_func(feature, np.arange(8), BOOST, GAMMA, daughters, is_invariant, out)
    return out


def particle(**values: float) -> np.ndarray:
    return np.array([[values.get(name, 0.0) for name in NEEDED]], dtype=np.float32)


def test_features_are_found_by_name_in_any_order() -> None:
    order = ("px", "mass", "py", "pz", "energy", "z", "y", "x", "prodTime")
    assert [order[column] for column in feature_columns(order)] == list(NEEDED)
    with pytest.raises(ModelError, match="needs the features energy, pz; the graph rule has"):
        feature_columns([name for name in NEEDED if name not in ("energy", "pz")])


def test_the_boost_brings_the_beams_to_rest() -> None:
    collision = particle(energy=11.0, pz=11.0 * 0.2725)
    row = inputs(collision)[0]
    assert row[4] == pytest.approx(0, abs=1e-5)
    assert row[0] == pytest.approx(11.0 / float(GAMMA), rel=1e-6)


def test_a_photons_mass_is_zero_whatever_rounding_leaves() -> None:
    for energy in (0.05, 1.0, 5.0):
        row = inputs(particle(energy=energy, px=energy * 0.6, py=energy * 0.8))[0]
        assert row[6] < 1e-6
    kaon = inputs(particle(energy=float(np.hypot(0.4937, 1.0)), pz=1.0))[0]
    assert 2 * kaon[6] == pytest.approx(0.4937, rel=1e-3)


def test_vertices_and_times_count_from_the_first_particle() -> None:
    two = np.concatenate([particle(x=1, y=2, z=3, prodTime=5), particle(x=4, y=6, z=2, prodTime=4)])
    found = inputs(two)
    assert found[0, 8] < 1e-4
    assert found[1, 10] == pytest.approx(np.log1p(5.0), rel=1e-6)
    assert found[1, 9] == pytest.approx(np.log1p(1 / 0.01) / 3, rel=1e-6)
    assert found[1, 11] == 0, "a particle cannot be older than the event"


def test_a_turn_about_the_beam_changes_the_plain_momenta_alone() -> None:
    angle = 0.7
    before = np.concatenate([particle(energy=2, px=0.3, py=0.4, pz=0.5), particle(energy=1, px=0.1, x=1, y=0.5)])
    after = before.copy()
    for a, b in ((2, 3), (5, 6)):
        after[:, a] = np.cos(angle) * before[:, a] - np.sin(angle) * before[:, b]
        after[:, b] = np.sin(angle) * before[:, a] + np.cos(angle) * before[:, b]
    plain_before, plain_after = inputs(before, False), inputs(after, False)
    np.testing.assert_allclose(plain_after[:, :N_INVARIANT], plain_before[:, :N_INVARIANT], atol=2e-6)
    assert (
        abs(plain_after[:, N_INVARIANT : N_INVARIANT + 2] - plain_before[:, N_INVARIANT : N_INVARIANT + 2]).max() > 0.01
    )
    assert np.isnan(inputs(before)[:, N_INVARIANT:]).all(), "columns behind the invariant ones were written"
