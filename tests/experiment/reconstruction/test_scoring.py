"""The signal probability of a candidate, and the record of it that training reads."""

from __future__ import annotations

import numpy as np
from experiment.responses import make_response

from smartbkg.experiment.reconstruction.channels import KIND_INDEX, KINDS
from smartbkg.experiment.reconstruction.reconstruct import find_candidates
from smartbkg.experiment.reconstruction.scoring import new_recording
from smartbkg.experiment.reconstruction.signal_probability import Classifier, untrained
from smartbkg.experiment.reconstruction.truth_matching import TRUTH

EVENT = {"tracks": [{"px": 0.5, "pz": 0.3, "pid": (0.2, 0.2, 0.2, 0.2, 0.2), "truth": 0}] * 3}


def recorded(capacity: int, truth: np.ndarray | None, classifier: Classifier | None = None) -> tuple[int, np.ndarray]:
    recording = new_recording(KIND_INDEX["pi+"], KIND_INDEX["K+"], capacity)
    find_candidates(
        make_response([EVENT, EVENT]), np.ones(2, bool), classifier=classifier or untrained(), truth=truth,
        recording=recording,
    )  # fmt: skip
    return int(recording.state[2]), recording.example


def test_candidates_of_the_wanted_kinds_are_written_down_with_their_event() -> None:
    n, example = recorded(20, truth_of_a_pion())
    assert n == 6
    assert set(example["kind"][:6].tolist()) == {KIND_INDEX["pi+"]}
    assert example["event"][:6].tolist() == [0, 0, 0, 1, 1, 1]
    assert example["is_right"][:6].all()


def truth_of_a_pion() -> np.ndarray:
    truth = np.zeros(1, dtype=TRUTH)
    truth["code"], truth["mother"] = 211, -1
    return truth


def test_a_full_record_goes_on_counting() -> None:
    n, example = recorded(4, truth_of_a_pion())
    assert n == 6
    assert (example["kind"] == KIND_INDEX["pi+"]).all()


def test_nothing_is_written_down_where_truth_was_not_asked_for() -> None:
    assert recorded(20, None)[0] == 0


def test_candidates_of_small_probability_are_recorded_before_they_are_dropped() -> None:
    blank = untrained()
    offset = blank.offset.copy()
    offset[blank.first_row[KIND_INDEX["pi+"]]] = -50.0
    n, _ = recorded(20, truth_of_a_pion(), blank._replace(offset=offset))
    assert n == 6
    assert KINDS[KIND_INDEX["pi+"]].minimum_probability > 0
