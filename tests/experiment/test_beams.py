"""Beams against Belle II's own file, and the boost against its inverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from smartbkg.experiment.beams import (
    SUPERKEKB,
    FourMomenta,
    boost,
    boost_to_rest_frame,
    draw_collisions,
    from_beam_frame,
)


def test_collisions_agree_with_full_simulation_within_its_statistics(reference_data: Path) -> None:
    branch = "MCParticles/MCParticles.m_"
    with uproot.open(reference_data / "belle2" / "mdst.root") as file:
        tree = file["tree"]
        names = ("energy", "momentum_x", "momentum_z")
        expected = {name: tree[branch + name].array()[:, 0].to_numpy() for name in names}
    drawn = draw_collisions(100_000, np.random.default_rng(1)).momentum
    for name, got in {"energy": drawn.energy, "momentum_x": drawn.px, "momentum_z": drawn.pz}.items():
        n = len(expected[name])
        assert got.mean() == pytest.approx(expected[name].mean(), abs=3.5 * got.std() / np.sqrt(n))
        assert got.std() == pytest.approx(expected[name].std(), rel=3.5 / np.sqrt(2 * n))


def test_vertices_spread_as_the_interaction_region() -> None:
    vertex = draw_collisions(50_000, np.random.default_rng(2)).vertex
    assert vertex.std(axis=0) == pytest.approx(np.array(SUPERKEKB.vertex_spread), rel=0.02)


def test_boost_to_rest_frame_undoes_the_boost() -> None:
    random = np.random.default_rng(3)
    momenta = random.normal(size=(3, 50))
    energy = np.sqrt((momenta**2).sum(axis=0) + 0.14**2)
    given = FourMomenta(energy, *momenta)
    frame = SUPERKEKB.mean_collision
    back = boost_to_rest_frame(boost(given, frame))
    for got, expected in zip(back, given, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    np.testing.assert_allclose(boost(given, frame).mass, given.mass, atol=1e-6)


def test_electrons_of_the_beam_frame_fly_at_half_the_crossing_angle_in_the_laboratory() -> None:
    half = 0.5 * SUPERKEKB.centre_of_mass_energy
    along = np.array([half, -half])
    beams = FourMomenta(np.array([half, half]), np.zeros(2), np.zeros(2), along)
    electron, positron = np.transpose(from_beam_frame(beams, SUPERKEKB.mean_collision))
    assert electron == pytest.approx([7.004, 7.004 * np.sin(0.0415), 0, 7.004 * np.cos(0.0415)], abs=1e-6)
    assert positron == pytest.approx([4.002, 4.002 * np.sin(0.0415), 0, -4.002 * np.cos(0.0415)], abs=1e-6)
