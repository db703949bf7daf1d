"""Tracks, clusters and V0s as candidates: who is taken, who is not, and in which frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.experiment.reconstruction.channels import KIND_INDEX
from smartbkg.experiment.reconstruction.final_state import (
    MAXIMUM_D0,
    MAXIMUM_Z0,
    PHOTON_THETA,
    PHOTON_THRESHOLDS,
)
from smartbkg.experiment.reconstruction.reconstruct import boost_matrix, find_candidates
from smartbkg.experiment.reconstruction.scoring import new_recording
from smartbkg.experiment.reconstruction.signal_probability import untrained
from smartbkg.experiment.reconstruction.truth_matching import no_truth


def examples(event: dict[str, Any], first: str, stop: str) -> np.ndarray:
    """All candidates of the kinds from ``first`` to before ``stop`` in one event, before any is dropped."""
    recording = new_recording(KIND_INDEX[first], KIND_INDEX[stop], 500)
    find_candidates(
        make_response([event]), np.ones(1, bool), classifier=untrained(), truth=no_truth(), recording=recording
    )
    return recording.example[: int(recording.state[2])]


def track(**changes: Any) -> dict[str, Any]:
    return {"px": 0.5, "pz": 0.3, "pid": (0.1, 0.1, 0.6, 0.2, 0.0)} | changes


def test_a_track_is_a_candidate_of_each_hypothesis_that_is_not_excluded() -> None:
    found = examples({"tracks": [track()]}, "e+", "gamma")
    assert found["kind"].tolist() == [KIND_INDEX[name] for name in ("e+", "mu+", "pi+", "K+")]


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [({}, True), ({"d0": MAXIMUM_D0 + 0.01}, False), ({"z0": -MAXIMUM_Z0 - 0.01}, False), ({"d0": -MAXIMUM_D0}, True)],
)
def test_tracks_come_from_near_the_interaction_point(changes: dict[str, float], is_taken: bool) -> None:
    assert bool(len(examples({"tracks": [track(**changes)]}, "e+", "gamma"))) is is_taken


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({}, True),
        ({"track": 0}, False),
        ({"is_photon": False}, False),
        ({"theta": PHOTON_THETA[0] - 0.01, "energy": 1.0}, False),
        ({"theta": PHOTON_THETA[1] + 0.01, "energy": 1.0}, False),
        ({"theta": 0.4, "energy": PHOTON_THRESHOLDS[0] - 0.001}, False),
        ({"theta": 0.4, "energy": PHOTON_THRESHOLDS[0] + 0.001}, True),
        ({"theta": 1.5, "energy": PHOTON_THRESHOLDS[1] + 0.001}, True),
        ({"theta": 2.4, "energy": PHOTON_THRESHOLDS[2] - 0.001}, False),
    ],
)
def test_photons_are_neutral_accepted_and_above_their_regions_threshold(
    changes: dict[str, Any], is_taken: bool
) -> None:
    cluster = {"energy": 0.2, "theta": 1.2} | changes
    event = {"tracks": [track()], "clusters": [cluster]}
    assert bool(len(examples(event, "gamma", "K_S0"))) is is_taken


def test_of_too_many_photons_the_most_energetic_are_taken() -> None:
    clusters = [{"energy": 0.1 + 0.01 * k, "theta": 1.2, "phi": 0.1 * k} for k in range(50)]
    found = examples({"clusters": clusters}, "gamma", "K_S0")
    assert len(found) == 40
    assert found["feature"][:, 0].min() == pytest.approx(np.log(0.2), abs=1e-6)


@pytest.mark.parametrize(
    ("code", "mass", "kind"),
    [(310, 0.49, "K_S0"), (310, 0.60, None), (3122, 1.115, "Lambda0"), (-3122, 1.2, None), (22, 0.02, "gamma")],
)
def test_v0s_are_taken_by_their_hypothesis_and_mass(code: int, mass: float, kind: str | None) -> None:
    event = {"tracks": [track(), track(charge=-1)], "v0s": [{"code": code, "mass": mass}]}
    found = examples(event, "gamma", "pi0")
    assert found["kind"].tolist() == ([] if kind is None else [KIND_INDEX[kind]])


def test_momenta_are_those_of_the_centre_of_mass_frame() -> None:
    (found,) = examples({"clusters": [{"energy": 1.0, "theta": 1.2, "phi": 0.7}]}, "gamma", "K_S0")
    four = np.array([np.sin(1.2) * np.cos(0.7), np.sin(1.2) * np.sin(0.7), np.cos(1.2), 1.0])
    assert found["feature"][7] == pytest.approx((boost_matrix() @ four)[3], rel=1e-6)
