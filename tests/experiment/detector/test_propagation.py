"""Ways through the field: helices that keep their momentum and return, exits on the surface of the calorimeter."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from smartbkg.experiment.detector import propagation
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.detector.propagation import GEV_PER_TESLA_CM, NOWHERE, Ray

FIELD = BELLE2.geometry.field


@numba.njit
def walk(particle, charge, field, arc):  # type: ignore[no-untyped-def]
    return propagation.along_helix(particle, charge, field, arc), propagation.perigee(particle, charge, field)


@numba.njit
def leave(particle, charge, detector):  # type: ignore[no-untyped-def]
    geometry = detector[0].geometry
    return propagation.exit_of_helix(particle, charge, geometry), propagation.exit_of_line(particle, geometry)


def ray(random: np.random.Generator, pt: float = 0.5) -> Ray:
    angle = random.uniform(-np.pi, np.pi)
    return Ray(*random.normal(0, 2, 3), pt * np.cos(angle), pt * np.sin(angle), random.normal(0, 0.5))


@pytest.mark.parametrize("charge", [-1, 1])
def test_a_helix_keeps_its_momentum_and_closes_after_a_turn(charge: int) -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        start = ray(random)
        turn = 2 * np.pi * np.hypot(start.px, start.py) / (GEV_PER_TESLA_CM * FIELD)
        half, _ = walk(start, charge, FIELD, turn / 2)
        whole, _ = walk(start, charge, FIELD, turn)
        assert np.hypot(half.px, half.py) == pytest.approx(np.hypot(start.px, start.py))
        np.testing.assert_allclose((half.px, half.py), (-start.px, -start.py), atol=1e-9)
        np.testing.assert_allclose(
            (whole.x, whole.y, whole.px, whole.py), (start.x, start.y, start.px, start.py), atol=1e-8
        )
        assert whole.z == pytest.approx(start.z + turn * start.pz / np.hypot(start.px, start.py))


def test_positive_particles_turn_clockwise_seen_from_above() -> None:
    there, _ = walk(Ray(0.0, 0.0, 0.0, 1.0, 0.0, 0.0), 1, FIELD, 1.0)
    assert there.py < 0 < there.px
    assert there.y < 0


@pytest.mark.parametrize("charge", [-1, 1])
def test_the_perigee_does_not_depend_on_the_point_it_is_found_from(charge: int) -> None:
    random = np.random.default_rng(2)
    for _ in range(20):
        start = ray(random)
        there, before = walk(start, charge, FIELD, 3.0)
        _, after = walk(there, charge, FIELD, 1.0)
        assert after.d0 == pytest.approx(before.d0, abs=1e-9)
        assert after.z0 == pytest.approx(before.z0, abs=1e-8)
        assert np.cos(after.phi0 - before.phi0) == pytest.approx(1.0)


def test_the_perigee_lies_across_the_momentum_at_its_signed_distance() -> None:
    start = ray(np.random.default_rng(3))
    _, helix = walk(start, 1, FIELD, 1.0)
    _, again = walk(
        Ray(helix.d0 * np.sin(helix.phi0), -helix.d0 * np.cos(helix.phi0), helix.z0,
            0.5 * np.cos(helix.phi0), 0.5 * np.sin(helix.phi0), start.pz), 1, FIELD, 1.0,
    )  # fmt: skip
    assert again.d0 == pytest.approx(helix.d0)
    assert np.cos(again.phi0 - helix.phi0) == pytest.approx(1.0)


def test_exits_lie_on_the_calorimeter_and_slow_particles_never_reach_it() -> None:
    geometry, record = BELLE2.geometry, BELLE2.to_record()
    random = np.random.default_rng(4)
    for _ in range(40):
        for end in leave(ray(random, 2.0), 1, record):
            on_barrel = np.hypot(end.x, end.y) == pytest.approx(geometry.ecl_radius, rel=1e-6)
            on_end = end.z == pytest.approx(geometry.ecl_forward) or end.z == pytest.approx(geometry.ecl_backward)
            assert on_barrel or on_end
            assert end.arc >= 0
    curling, _ = leave(Ray(0.0, 0.0, 0.0, 0.1, 0.0, 1e-4), 1, record)
    assert curling.place == NOWHERE


@pytest.mark.parametrize(
    ("value", "expected"), [(-5.0, 1.0), (0.0, 1.0), (0.5, 2.0), (1.0, 3.0), (2.0, 1.0), (3.0, -1.0), (9.0, -1.0)]
)
def test_between_nodes_lies_a_straight_line_and_outside_the_last_value(value: float, expected: float) -> None:
    assert propagation.interpolated.py_func(value, (0.0, 1.0, 3.0), (1.0, 3.0, -1.0)) == pytest.approx(expected)


def test_angles_are_wrapped_into_one_turn_with_pi_included() -> None:
    wrapped = propagation.wrapped.py_func
    for angle in np.linspace(-20, 20, 101):
        assert -np.pi < wrapped(angle) <= np.pi
        assert np.cos(wrapped(angle)) == pytest.approx(np.cos(angle))
    assert wrapped(np.pi) == np.pi
    assert wrapped(-np.pi) == np.pi
