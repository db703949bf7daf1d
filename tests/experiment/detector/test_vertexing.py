"""Vertices of two tracks: found where the particles were made, with the mass of what decayed."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.experiment.detector import propagation, vertexing
from smartbkg.experiment.detector.objects import PID_MASSES, PION
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.detector.propagation import Ray
from smartbkg.experiment.detector.vertexing import V0_CODE, V0_COLUMNS, V0_MASS, Helix

FIELD = BELLE2.geometry.field


@numba.njit
def meet(first, second, field):  # type: ignore[no-untyped-def]
    """Vertex of a positive and a negative particle from the point where both begin, through their helices."""
    a, b = propagation.perigee(first, 1, field), propagation.perigee(second, -1, field)
    pt_a, pt_b = np.hypot(first.px, first.py), np.hypot(second.px, second.py)
    one = Helix(pt_a * np.cos(a.phi0), pt_a * np.sin(a.phi0), first.pz, 1.0, a.d0, a.z0)
    two = Helix(pt_b * np.cos(b.phi0), pt_b * np.sin(b.phi0), second.pz, -1.0, b.d0, b.z0)
    vertex = vertexing.pair_vertex(one, two, field)
    rows = np.zeros((8, V0_COLUMNS))
    count = vertexing.add_hypotheses(rows, 0, 3, 5, vertex, first.pz, second.pz)
    return vertex, rows[:count]


def daughters(seed: int, mass: float = 0.497611, radius: float = 8.0) -> tuple[Ray, Ray]:
    """Two pions of a decay at a distance from the axis."""
    random = np.random.default_rng(seed)
    pion = PID_MASSES[PION]
    momentum = np.sqrt(mass**2 / 4 - pion**2)
    direction = random.normal(size=3)
    own = momentum * direction / np.linalg.norm(direction)
    flight = np.array([1.0, 0.3, 0.4])
    beta = 0.8 * flight / np.linalg.norm(flight)
    gamma = 1 / np.sqrt(1 - beta @ beta)
    rays = []
    for p in (own, -own):
        energy = np.sqrt(p @ p + pion**2)
        moved = p + (gamma - 1) * (p @ beta) * beta / (beta @ beta) + gamma * energy * beta
        rays.append(Ray(*(radius * flight / np.linalg.norm(flight[:2])), *moved))
    return rays[0], rays[1]


@pytest.mark.parametrize("seed", range(8))
def test_the_vertex_is_where_both_begin_and_the_mass_that_of_the_mother(seed: int) -> None:
    first, second = daughters(seed)
    vertex, rows = meet(first, second, FIELD)
    assert vertex.is_found
    assert vertex.gap < 1e-6
    np.testing.assert_allclose((vertex.x, vertex.y, vertex.z), (first.x, first.y, first.z), atol=1e-6)
    np.testing.assert_allclose((vertex.px_1, vertex.py_1), (first.px, first.py), atol=1e-9)
    mass = dict(zip(rows[:, V0_CODE].astype(int).tolist(), rows[:, V0_MASS], strict=True))
    assert mass[310] == pytest.approx(0.497611, abs=1e-6)
    assert (rows[:, :2] == [3, 5]).all()


def test_tracks_that_pass_far_from_one_another_have_no_vertex() -> None:
    first, second = daughters(1)
    vertex, _ = meet(first, second._replace(z=second.z + 60.0), FIELD)
    assert not vertex.is_found
    far, _ = meet(Ray(0.0, 0.0, 0.0, 0.05, 0.0, 0.0), Ray(60.0, 60.0, 0.0, 0.05, 0.0, 0.0), FIELD)
    assert not far.is_found
