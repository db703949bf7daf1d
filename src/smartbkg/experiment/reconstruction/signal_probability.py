"""Signal probability of a candidate: one small network a kind of particle, trained on the embedded experiment.

A hidden layer of rectified units whose bias belongs to the decay channel, so that channels share what they have in
common: logit = v · max(0, W x + b_channel) + c_channel. The networks are trained in
hierarchical order, for each kind with those of its daughters frozen (`smartbkg.tools.train_signal_probability`),
and stored in a versioned file of the package. They are calibrated: of candidates of probability 0.1 one in ten is
right.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import borrowing_part
from smartbkg.errors import ModelError
from smartbkg.experiment.reconstruction.channels import KIND_INDEX, KINDS, digest
from smartbkg.storage.json_content import from_json
from smartbkg.storage.kinds import SCHEMA_VERSIONS, SIGNAL_PROBABILITY

#: Length of the feature vector; kinds with fewer features leave the rest 0.
N_FEATURES: Final = 14
#: Hidden units.
N_HIDDEN: Final = 16
#: The file in the package: a new training gets a new name.
CLASSIFIER_FILE: Final = "signal-probability-2.json"


class Classifier(NamedTuple):
    """The networks of all kinds."""

    first_row: NDArray[np.int64]
    """(n_kinds + 1,): channel c of kind k has the row ``first_row[k] + c``"""
    weight: NDArray[np.float64]
    """(n_kinds, N_FEATURES, N_HIDDEN) W"""
    bias: NDArray[np.float64]
    """(n_rows, N_HIDDEN) b"""
    output: NDArray[np.float64]
    """(n_kinds, N_HIDDEN) v"""
    offset: NDArray[np.float64]
    """(n_rows,) c"""


@borrowing_part
def log_odds(classifier, kind, channel, feature, hidden):  # type: ignore[no-untyped-def]  # compiled: takes NamedTuples
    """Logarithm of the odds that a candidate is right.

    Parameters
    ----------
    feature : (N_FEATURES,); hidden : (N_HIDDEN,) workspace.
    """
    row = classifier.first_row[kind] + channel
    for unit in range(N_HIDDEN):
        hidden[unit] = classifier.bias[row, unit]
    for k in range(N_FEATURES):
        for unit in range(N_HIDDEN):
            hidden[unit] += classifier.weight[kind, k, unit] * feature[k]
    result = classifier.offset[row]
    for unit in range(N_HIDDEN):
        if hidden[unit] > 0.0:
            result += classifier.output[kind, unit] * hidden[unit]
    return result


def n_rows_of_kind(name: str) -> int:
    """Channels a kind's network tells apart: its decay channels; 2 for photons (cluster, conversion); else 1."""
    return 2 if name == "gamma" else max(1, len(KINDS[KIND_INDEX[name]].channels))


def untrained() -> Classifier:
    """A classifier that gives every candidate the probability 1/2: the start of a training."""
    first_row = np.cumsum([0, *(n_rows_of_kind(kind.name) for kind in KINDS)])
    n_kinds, n_rows = len(KINDS), int(first_row[-1])
    return Classifier(
        first_row,
        np.zeros((n_kinds, N_FEATURES, N_HIDDEN)),
        np.zeros((n_rows, N_HIDDEN)),
        np.zeros((n_kinds, N_HIDDEN)),
        np.zeros(n_rows),
    )


def classifier_to_json(classifier: Classifier, training: dict[str, Any]) -> str:
    """The content of a classifier file: numbers to five digits, and what they were trained on."""
    numbers = {
        name: np.vectorize(lambda x: float(f"{x:.5g}"))(values).tolist()
        for name, values in classifier._asdict().items()
        if name != "first_row"
    }
    return json.dumps(
        {"kind": SIGNAL_PROBABILITY, "schema_version": SCHEMA_VERSIONS[SIGNAL_PROBABILITY], "channels_digest": digest(),
         "training": training, **numbers}, separators=(",", ":"),
    )  # fmt: skip


def classifier_from_json(text: str, source: str) -> Classifier:
    """The classifier in a file's content.

    Raises
    ------
    ModelError
        Not a classifier, of a newer schema, or trained with other channels.
    """
    try:
        content = from_json(text)
        version, trained_for = int(content["schema_version"]), str(content["channels_digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{source}: not a signal-probability file: {error}") from error
    newest = SCHEMA_VERSIONS[SIGNAL_PROBABILITY]
    if version > newest:
        raise ModelError(f"{source}: schema {version} is newer than {newest}, the newest known: upgrade smartbkg")
    if trained_for != digest():
        raise ModelError(
            f"{source}: trained for other decay channels or bounds: train again (python -m "
            f"smartbkg.tools.train_signal_probability)"
        )
    blank = untrained()
    fields = {name: np.array(content[name], dtype=np.float64) for name in Classifier._fields if name != "first_row"}
    for name, values in fields.items():
        if values.shape != getattr(blank, name).shape:
            raise ModelError(f"{source}: '{name}' has shape {values.shape}, expected {getattr(blank, name).shape}")
    return Classifier(blank.first_row, **fields)


@functools.cache
def default_classifier() -> Classifier:
    """The classifier in the package."""
    file = resources.files("smartbkg.experiment") / "data" / CLASSIFIER_FILE
    return classifier_from_json(file.read_text(), CLASSIFIER_FILE)
