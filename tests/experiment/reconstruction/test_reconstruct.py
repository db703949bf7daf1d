"""Reconstruction as a whole: the frame, columns of candidates, and independence of events."""

from __future__ import annotations

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.experiment.beams import SUPERKEKB
from smartbkg.experiment.reconstruction.channels import (
    KIND_INDEX,
)
from smartbkg.experiment.reconstruction.reconstruct import Candidates, beam_energy, boost_matrix, reconstruct


def test_boost_takes_the_collision_to_rest() -> None:
    collision = SUPERKEKB.mean_collision
    laboratory = np.array([collision.px[0], collision.py[0], collision.pz[0], collision.energy[0]])
    at_rest = boost_matrix() @ laboratory
    assert np.abs(at_rest[:3]).max() < 1e-9
    assert at_rest[3] == pytest.approx(2 * beam_energy())


def candidates(*rows: tuple[int, str, float]) -> Candidates:
    """(event, kind, probability) of each, in the order of events, of three events."""
    events = np.array([event for event, _, _ in rows])
    n = len(rows)
    return Candidates(
        np.searchsorted(events, np.arange(4)), np.array([KIND_INDEX[name] for _, name, _ in rows]), np.zeros(n, bool),
        np.zeros(n, np.int64), np.tile([0.3, 0.0, 0.0, beam_energy() + 0.1], (n, 1)),
        np.array([probability for *_, probability in rows]), np.zeros(n), np.full(n, -1),
    )  # fmt: skip


SOME = candidates((0, "B0", 0.2), (0, "D0", 0.9), (0, "B0", 0.7), (2, "B0", 0.1), (2, "B0", 0.1))


def test_a_choice_of_candidates_keeps_each_with_its_event() -> None:
    tags = SOME.of_kind("B0")
    np.testing.assert_array_equal(tags.offsets, [0, 2, 2, 4])
    np.testing.assert_array_equal(tags.event_index, [0, 0, 2, 2])
    np.testing.assert_array_equal(tags.probability, [0.2, 0.7, 0.1, 0.1])
    assert len(SOME.of_kind("K_S0").kind) == 0


def test_the_most_probable_of_each_event_is_the_first_of_equals() -> None:
    np.testing.assert_array_equal(SOME.of_kind("B0").most_probable(), [1, -1, 2])


def test_beam_constrained_mass_and_energy_difference() -> None:
    np.testing.assert_allclose(SOME.delta_e, 0.1)
    np.testing.assert_allclose(SOME.mbc, np.sqrt(beam_energy() ** 2 - 0.09))
    np.testing.assert_allclose(SOME.mass, np.sqrt((beam_energy() + 0.1) ** 2 - 0.09))
    fast = SOME._replace(p4=np.tile([9.0, 0.0, 0.0, 1.0], (5, 1)))
    assert (fast.mbc == 0).all()
    assert (fast.mass == 0).all()


def test_events_without_anything_have_no_candidates_and_defined_columns() -> None:
    found = reconstruct(make_response([{}, {}]))
    assert len(found) == 2
    np.testing.assert_array_equal(found.candidates.offsets, [0, 0, 0])
    assert all(len(values) == 2 for values in found.variables.values())
