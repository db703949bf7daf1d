"""Kinds of files and the version of each one's layout. A reader refuses a version newer than the one it finds here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EVENTS: Final = "events"
"""Generated events (`smartbkg generate`, `convert`)."""
FLAGS: Final = "flags"
"""Which event passed which skim (`smartbkg simulate`, `flag`, `oracle`)."""
DATASET: Final = "dataset"
"""Events with labels, to train on (`smartbkg dataset`)."""
KEPT: Final = "kept"
"""Events that a filter kept, with weights (`smartbkg filter`, `merge`)."""
SCORES: Final = "scores"
"""Scores of events (`smartbkg score`, `filter --scores`)."""
WEIGHTS: Final = "weights"
"""Weights of a reweighted threshold sample (`smartbkg reweight`)."""
MODEL: Final = "model"
"""A network with all that is needed to serve it."""
TRAINING: Final = "training"
"""Inside a model: how it was trained."""
SURROGATE: Final = "surrogate"
"""Inside a model: how its fast simulation was calibrated."""
CHECKPOINT: Final = "checkpoint"
"""State of a training that can go on."""
REWEIGHTER: Final = "reweighter"
"""Trees that reweight a threshold sample."""
TOTALS: Final = "totals"
"""Inside outputs: what the generator made and the filter did, in sums."""
SIGNAL_PROBABILITY: Final = "signal-probability"
"""Likelihoods of the embedded reconstruction's candidates."""
DECAY_TABLE: Final = "decay-table"
"""Decays of hadrons for the embedded experiment."""

#: Version of the layout of each kind: raised where an older reader would misread the new layout.
SCHEMA_VERSIONS: Final[Mapping[str, int]] = {
    EVENTS: 1,
    FLAGS: 1,
    DATASET: 1,
    KEPT: 1,
    SCORES: 1,
    WEIGHTS: 1,
    MODEL: 2,
    TRAINING: 1,
    SURROGATE: 1,
    CHECKPOINT: 2,
    REWEIGHTER: 2,
    TOTALS: 1,
    SIGNAL_PROBABILITY: 1,
    DECAY_TABLE: 1,
}
