"""Calibrations: closed forms, limits, and the way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.scores.calibration import (
    Affine,
    Calibration,
    Identity,
    Isotonic,
    PerProcess,
    calibration_from_dict,
    expit,
    logit,
)

LOGITS = np.array([[-2.0, 0.0], [0.5, 3.0], [1e4, -1e4]])

EXAMPLES = [
    Identity(),
    Affine((1.5, 0.5), (0.1, -2.0)),
    Isotonic(((-1.0, 0.0, 2.0), (0.0, 1.0)), ((0.0, 0.3, 1.0), (0.2, 0.2))),
    PerProcess({"mixed": Affine((2.0, 2.0), (0.0, 0.0))}, Affine((1.0, 1.0), (1.0, 1.0))),
]


@pytest.mark.parametrize("calibration", EXAMPLES, ids=lambda calibration: type(calibration).__name__)
def test_scores_lie_strictly_between_0_and_1_and_survive_json(calibration: Calibration) -> None:
    process = np.array(["mixed", "", "ccbar"])
    scores = calibration.apply(LOGITS, process)
    assert scores.shape == LOGITS.shape
    assert np.all((scores > 0) & (scores < 1))
    again = calibration_from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert again == calibration
    np.testing.assert_array_equal(again.apply(LOGITS, process), scores)


def test_the_prior_of_a_balanced_sample_is_undone() -> None:
    # Of events that look alike, 30 % pass; a sample where passing events weigh 9 times more shows 0.27 / (0.27 + 0.07).
    true, pass_fraction = 0.3, 0.1
    weight_passing, weight_failing = 0.5 / pass_fraction, 0.5 / (1 - pass_fraction)
    seen = true * weight_passing / (true * weight_passing + (1 - true) * weight_failing)
    calibrated = Affine.for_prior([pass_fraction], [0.5]).apply(logit([[seen]]))
    assert calibrated[0, 0] == pytest.approx(true, rel=1e-9)


def test_knots_are_joined_by_lines_and_held_beyond_their_ends() -> None:
    calibration = Isotonic(((0.0, 2.0),), ((0.2, 0.6),))
    np.testing.assert_allclose(calibration.apply([[-5.0], [1.0], [7.0]])[:, 0], [0.2, 0.4, 0.6])


def test_each_process_has_its_own_and_others_the_rest() -> None:
    calibration = PerProcess({"mixed": Affine((2.0,), (0.0,))}, Affine((1.0,), (1.0,)))
    scores = calibration.apply([[1.0], [1.0]], np.array(["mixed", "taupair"]))
    np.testing.assert_allclose(scores[:, 0], expit(np.array([2.0, 2.0])))
    np.testing.assert_allclose(calibration.apply([[0.0]]), [[expit(np.array(1.0))]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Affine((1.0,), (1.0, 2.0)),
        lambda: Affine((-1.0,), (0.0,)),
        lambda: Affine((np.nan,), (0.0,)),
        lambda: Isotonic(((0.0, 0.0),), ((0.1, 0.2),)),
        lambda: Isotonic(((0.0, 1.0),), ((0.2, 0.1),)),
        lambda: Affine((1.0,), (0.0,)).apply([[1.0, 2.0]]),
        lambda: calibration_from_dict({"kind": "afine"}),
        lambda: calibration_from_dict({"kind": "affine"}),
    ],
)
def test_impossible_calibrations_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError, match="calibration"):
        make()
