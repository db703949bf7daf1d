"""Widths of residuals: what they measure, and which entries count."""

from __future__ import annotations

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.events import EventBatch
from smartbkg.experiment.comparison.resolutions import compare_resolutions, half_width, residuals


def pions(n: int, pt: float) -> EventBatch:
    nothing = np.zeros(n)
    return EventBatch.from_columns(
        np.ones(n), {"experiment": nothing, "run": nothing, "evtNum": np.arange(n)},
        {"arrayIndex": nothing, "PDG": np.full(n, 211), "motherIndex": nothing - 1, "mass": nothing, "charge": nothing,
         "energy": np.full(n, 1.0), "prodTime": nothing, "x": nothing, "y": nothing, "z": nothing,
         "px": np.full(n, pt), "py": nothing, "pz": np.full(n, 0.1), "nDaughters": nothing, "status": np.ones(n),
         "motherPDG": nothing},
    )  # fmt: skip


def response(n: int, pt: float, spread: float, seed: int = 0):  # type: ignore[no-untyped-def]
    random = np.random.default_rng(seed)
    return make_response(
        [{"tracks": [{"px": pt * (1 + spread * random.normal()), "truth": event, "d0": spread * random.normal()}]}
         for event in range(n)]
    )  # fmt: skip


def test_the_half_width_of_a_gaussian_is_its_sigma_whatever_the_tails() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 50_000)
    assert half_width(values) == pytest.approx(2.0, rel=0.02)
    values[:500] = 1e9
    assert half_width(values) == pytest.approx(2.0, rel=0.06)


def test_residuals_are_relative_to_the_truth_and_in_their_range() -> None:
    found = residuals(pions(400, 0.5), response(400, 0.5, 0.01))
    filled = {label: values for label, values in found.items() if len(values)}
    assert all("0.3 < p_T < 0.7" in label for label in filled)
    (momentum,) = [values for label, values in filled.items() if "p_T / true" in label]
    assert len(momentum) == 400
    assert half_width(momentum) == pytest.approx(0.01, rel=0.15)


def test_secondaries_and_background_have_no_true_value() -> None:
    nobody = response(20, 0.5, 0.01)
    truth = np.full(20, -1)
    origin = np.ones(20, np.uint8)
    for changed in (nobody.tracks._replace(truth=truth), nobody.tracks._replace(origin=origin)):
        found = residuals(pions(20, 0.5), nobody._replace(tracks=changed))
        assert all(len(values) == 0 for values in found.values())


def test_the_ratio_of_widths_has_the_error_of_full_simulation_and_small_samples_are_left_out() -> None:
    batch = pions(300, 0.5)
    compared = compare_resolutions(batch, response(300, 0.5, 0.01), [response(300, 0.5, 0.02, 1)])
    (momentum,) = [one for one in compared if "p_T / true" in one.label]
    assert momentum.ratio == pytest.approx(2.0, rel=0.25)
    assert 0 < momentum.ratio_uncertainty < 0.4
    assert momentum.n_full == 300
    few = pions(5, 0.5)
    assert compare_resolutions(few, response(5, 0.5, 0.01), [response(5, 0.5, 0.01)]) == ()
