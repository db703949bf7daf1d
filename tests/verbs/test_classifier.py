"""The estimator does what scikit-learn asks of one, on events."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from training.toys import toy_events, toy_flags

import smartbkg as sb
from smartbkg.events.columns import PASSES_PREFIX
from smartbkg.verbs.classifier import as_events

pytest.importorskip("sklearn", reason="the extra 'train' is not installed")

SETTINGS = {"run.threads": 1, "network.units": 8, "network.n_layers": 1, "network.attention_heads": 1}


@pytest.fixture(scope="module")
def sample():
    events = toy_events(1400)
    return events.to_awkward(), np.asarray(toy_flags(events)[PASSES_PREFIX + "kaons"])


def test_a_copy_is_unfitted_and_has_the_parameters():
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    copy = clone(sb.SkimClassifier(epochs=3, settings=SETTINGS))
    assert copy.get_params() == {"network": "gatgap", "epochs": 3, "settings": SETTINGS, "random_state": 0}
    with pytest.raises(NotFittedError):
        copy.predict_proba([])


def test_records_picked_out_of_an_array_are_events_again():
    names = ak.str.to_categorical(ak.Array(["mixed", "charged", "mixed"]))
    array = ak.zip({"evtNum": np.arange(3), "process": names}, depth_limit=1)
    assert as_events([array[2], array[1]]).to_list() == array[[2, 1]].to_list()


@pytest.mark.slow
def test_it_is_cross_validated_as_other_estimators_are(sample):
    from sklearn.model_selection import cross_validate

    classifier = sb.SkimClassifier(epochs=2, settings=SETTINGS)
    found = cross_validate(classifier, *sample, cv=2, scoring="roc_auc", return_estimator=True)
    assert (found["test_score"] > 0.6).all()
    events, passes = sample
    probability = found["estimator"][0].predict_proba(events)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert probability[passes, 1].mean() > probability[~passes, 1].mean()
    assert (found["estimator"][0].predict(events) == (probability[:, 1] > 0.5)).all()
    assert sb.filter(events, found["estimator"][0].model_).counted["kept"] > 0
