"""Shape variables against closed forms, an independent maximisation, and their invariances."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from smartbkg.experiment.reconstruction.event_shape import EventShapes, event_shapes


def shapes_of(momenta: NDArray[np.float64]) -> EventShapes:
    return event_shapes([0, len(momenta)], *momenta.T)


def random_momenta(seed: int, n: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, 3))


def test_two_back_to_back_momenta_are_a_perfect_jet_pair() -> None:
    shapes = shapes_of(np.array([[0.3, 0.4, 1.2], [-0.3, -0.4, -1.2]]))
    assert shapes.R2[0] == pytest.approx(1.0)
    assert shapes.thrust[0] == pytest.approx(1.0)
    assert shapes.sphericity[0] == pytest.approx(0.0, abs=1e-12)
    assert shapes.thrust_axis[0] == pytest.approx(np.array([0.3, 0.4, 1.2]) / 1.3)


def test_six_momenta_along_the_axes_are_a_sphere() -> None:
    shapes = shapes_of(np.concatenate([np.eye(3), -np.eye(3)]))
    assert shapes.R2[0] == pytest.approx(0.0, abs=1e-12)
    assert shapes.sphericity[0] == pytest.approx(1.0)
    assert shapes.aplanarity[0] == pytest.approx(0.5)
    assert shapes.thrust[0] == pytest.approx(1 / np.sqrt(3))


def test_three_momenta_in_a_plane_have_the_thrust_of_a_mercedes_star() -> None:
    angle = np.deg2rad([0, 120, 240])
    shapes = shapes_of(np.stack([np.cos(angle), np.sin(angle), np.zeros(3)], axis=1))
    assert shapes.thrust[0] == pytest.approx(2 / 3)
    assert shapes.aplanarity[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 11])
def test_thrust_is_the_largest_sum_over_all_divisions_into_two_sides(n: int) -> None:
    momenta = random_momenta(n, n)
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n)))
    expected = np.linalg.norm(signs @ momenta, axis=1).max() / np.linalg.norm(momenta, axis=1).sum()
    shapes = shapes_of(momenta)
    assert shapes.thrust[0] == pytest.approx(expected)
    along_axis = np.abs(momenta @ shapes.thrust_axis[0]).sum() / np.linalg.norm(momenta, axis=1).sum()
    assert along_axis == pytest.approx(expected)


def test_fox_wolfram_moments_are_sums_of_legendre_polynomials() -> None:
    momenta = random_momenta(3, 9)
    size = np.linalg.norm(momenta, axis=1)
    cosine = (momenta @ momenta.T / np.outer(size, size)).clip(-1, 1)
    ratios = shapes_of(momenta).fox_wolfram[0]
    for order in range(5):
        expected = (np.outer(size, size) * np.polynomial.legendre.Legendre.basis(order)(cosine)).sum() / size.sum() ** 2
        assert ratios[order] == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 20))
def test_shapes_do_not_change_under_rotation_scale_or_order(seed: int, n: int) -> None:
    momenta = random_momenta(seed, n)
    random = np.random.default_rng(seed)
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    other = shapes_of(random.permutation(7.0 * momenta @ rotation))
    for name in ("R2", "thrust", "sphericity", "aplanarity"):
        assert getattr(other, name)[0] == pytest.approx(getattr(shapes_of(momenta), name)[0], abs=1e-9)


def test_events_do_not_mix_and_empty_ones_are_zero() -> None:
    events = [random_momenta(1, 5), np.zeros((0, 3)), random_momenta(2, 8), np.zeros((2, 3))]
    offsets = np.cumsum([0] + [len(event) for event in events])
    together = event_shapes(offsets, *np.concatenate(events).T)
    for index, event in enumerate(events):
        for got, alone in zip(together, shapes_of(event), strict=True):
            np.testing.assert_array_equal(got[index], alone[0])
    for column in together:
        assert not column[1].any()
        assert not column[3].any()
