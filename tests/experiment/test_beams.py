"""Beams against Belle II's own file, and the boost against its inverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from smartbkg.experiment.beams import SUPERKEKB, FourMomenta, boost, boost_to_rest_frame, draw_collisions


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
