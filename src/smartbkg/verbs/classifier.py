"""A network as an estimator of scikit-learn: for cross-validation, grids and pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from smartbkg.events.columns import SCORE
from smartbkg.optional import needed_for
from smartbkg.verbs.learn import train
from smartbkg.verbs.produce import score
from smartbkg.verbs.results import Model

with needed_for("smartbkg.SkimClassifier", "train"):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted

_SKIM = "skim"


class SkimClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Probability that a generated event passes a skim.

    Parameters
    ----------
    network : name of an architecture, ``file.py:Class``, or a class, as in `smartbkg.train`.
    epochs : most epochs.
    settings : further keys of the training configuration.
    random_state : seed of the first weights and of the order of events.

    Attributes
    ----------
    model_ : the trained `smartbkg.verbs.results.Model`, which `smartbkg.filter` takes.
    classes_ : ``[False, True]``: fails, passes.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> classifier = SkimClassifier(epochs=5)
    >>> cross_val_score(classifier, events, passes, scoring="roc_auc")  # doctest: +SKIP
    """

    def __init__(
        self,
        network: str | type = "gatgap",
        epochs: int = 10,
        settings: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.network = network
        self.epochs = epochs
        self.settings = settings
        self.random_state = random_state

    def fit(self, events: Any, passes: Any) -> Self:
        """Train on events.

        Parameters
        ----------
        events : awkward array of events, a list of its records, an `smartbkg.EventBatch`, or a path.
        passes : (n_events,) truth values.
        """
        wanted = {"optimiser.epochs": self.epochs, "run.seed": self.random_state, **(self.settings or {})}
        flags = np.asarray(passes).astype(np.bool_)
        self.model_: Model = train(as_events(events), flags, skim=_SKIM, settings=wanted, network=self.network)
        self.classes_ = np.array([False, True])
        return self

    def predict_proba(self, events: Any) -> NDArray[np.float64]:
        """(n_events, 2) probabilities to fail and to pass, calibrated at the retention of the training events."""
        check_is_fitted(self)
        found = score(as_events(events), self.model_).to_arrow()[SCORE].to_numpy()
        return np.stack([1 - found, found], axis=1)

    def predict(self, events: Any) -> NDArray[np.bool_]:
        """(n_events,) whether an event passes more likely than not; of rare skims that is hardly ever so."""
        return np.asarray(self.predict_proba(events)[:, 1] > 0.5)


def as_events(given: Any) -> Any:
    """Events as the verbs take them; scikit-learn picks records out of an array and hands over a list of them."""
    if isinstance(given, list | tuple) and given and isinstance(given[0], ak.Record):
        whole = given[0].layout.array
        if all(record.layout.array is whole for record in given):  # also of categories, which do not concatenate
            return ak.Array(whole)[[record.layout.at for record in given]]
        return ak.concatenate([record.layout.array[record.layout.at : record.layout.at + 1] for record in given])
    return given


__all__ = ["SkimClassifier"]
