"""The networks of the signal probability: their formula, their file, and what does not fit."""

from __future__ import annotations

import json

import numba
import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.experiment.reconstruction import signal_probability
from smartbkg.experiment.reconstruction.channels import (
    KIND_INDEX,
)


@numba.njit
def log_odds(classifier, kind, channel, feature, workspace):  # type: ignore[no-untyped-def]
    return signal_probability.log_odds(classifier, kind, channel, feature, workspace)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_log_odds_is_the_network_it_says(rng: np.random.Generator) -> None:
    blank = signal_probability.untrained()
    classifier = signal_probability.Classifier(
        blank.first_row, *(rng.normal(size=values.shape) for values in blank[1:])
    )
    feature = rng.normal(size=signal_probability.N_FEATURES)
    kind, channel = KIND_INDEX["D0"], 3
    row = classifier.first_row[kind] + channel
    hidden = np.maximum(0, classifier.bias[row] + feature @ classifier.weight[kind])
    expected = classifier.offset[row] + hidden @ classifier.output[kind]
    workspace = np.zeros(signal_probability.N_HIDDEN)
    assert log_odds(classifier, kind, channel, feature, workspace) == pytest.approx(expected)


def test_a_classifier_survives_its_file() -> None:
    classifier = signal_probability.default_classifier()
    text = signal_probability.classifier_to_json(classifier, {})
    again = signal_probability.classifier_from_json(text, "again")
    for before, after in zip(classifier, again, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels_digest": "0"}, "other decay channels"),
        ({"schema_version": 99}, "upgrade"),
        ({"offset": [1.0]}, "shape"),
    ],
)
def test_a_classifier_that_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    content = json.loads(signal_probability.classifier_to_json(signal_probability.untrained(), {}))
    with pytest.raises(ModelError, match=message):
        signal_probability.classifier_from_json(json.dumps(content | change), "some.json")


def test_text_that_is_no_classifier_is_refused() -> None:
    with pytest.raises(ModelError, match="not a signal-probability file"):
        signal_probability.classifier_from_json("[]", "some.json")
