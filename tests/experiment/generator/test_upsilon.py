"""Pairs of B mesons from the Υ(4S): momentum is conserved, angles, lifetimes and mixing follow their laws."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.experiment.generator import upsilon
from smartbkg.experiment.generator.upsilon import B_PLUS, B_ZERO, MIXING_PARAMETER, draw_meson_pairs

pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")
N = 20_000


@pytest.fixture(scope="module")
def mixed() -> upsilon.MesonPairs:
    return draw_meson_pairs("mixed", N, np.random.default_rng(1))


def test_the_pair_carries_the_momentum_of_the_collision(mixed: upsilon.MesonPairs) -> None:
    for column, whole in zip(mixed.momenta, mixed.collisions.momentum, strict=True):
        np.testing.assert_allclose(column[::2] + column[1::2], whole, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mixed.momenta.mass, 5.2796, atol=2e-3)


def test_the_angle_to_the_beams_is_that_of_a_p_wave() -> None:
    cosine = upsilon._draw_sine_squared(N, np.random.default_rng(2))
    assert (np.abs(cosine) <= 1).all()
    assert cosine.mean() == pytest.approx(0, abs=5 * np.sqrt(0.2 / N))
    assert (cosine**2).mean() == pytest.approx(1 / 5, abs=0.01)  # of 3/4 (1 - c²)


def test_equal_flavours_come_as_often_as_mixing_says(mixed: upsilon.MesonPairs) -> None:
    pairs = mixed.codes.reshape(-1, 2)
    assert (np.abs(pairs) == B_ZERO).all()
    x = MIXING_PARAMETER
    expected = x**2 / (2 * (1 + x**2))  # χ_d
    equal = (pairs[:, 0] == pairs[:, 1]).mean()
    assert equal == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / N))
    assert (pairs[:, 0] > 0).mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / N))


def test_charged_mesons_do_not_mix() -> None:
    pairs = draw_meson_pairs("charged", 2000, np.random.default_rng(3)).codes.reshape(-1, 2)
    assert (np.abs(pairs) == B_PLUS).all()
    assert (pairs.sum(axis=1) == 0).all()


def test_the_same_stream_gives_the_same_pairs() -> None:
    one, other = (draw_meson_pairs("mixed", 50, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(one.proper_time, other.proper_time)
