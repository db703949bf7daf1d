"""The embedded experiment as a surrogate: its detector and reconstruction run inside the filter."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import SmartBKGError, UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.detector.files import detector_from_dict, read_detector
from smartbkg.experiment.detector.parameters import BELLE2, DetectorParameters, detector_names
from smartbkg.experiment.reconstruction.reconstruct import TOP_KINDS, reconstruct
from smartbkg.experiment.reconstruction.signal_probability import CLASSIFIER_FILE
from smartbkg.experiment.skims.registry import apply_skim, find_skim
from smartbkg.surrogate.protocol import SurrogateKind

#: Changes with the results of detector, reconstruction or skims for the same detector numbers.
EXPERIMENT_VERSION: Final = 1
#: Events and replicas simulated by one call.
_EVENTS_TOGETHER: Final = 512


@functools.cache
def _classifier_digest() -> str:
    """SHA-256 of the signal probabilities that the reconstruction uses."""
    return hashlib.sha256((resources.files("smartbkg.experiment") / "data" / CLASSIFIER_FILE).read_bytes()).hexdigest()


@dataclass(frozen=True)
class EmbeddedSurrogate:
    """The embedded experiment with one set of detector numbers.

    Attributes
    ----------
    detector : its numbers; they are stored with a model in full, so that a file of changes is not needed again.
    """

    detector: DetectorParameters = BELLE2

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.detector.name

    @property
    def kind(self) -> str:
        """``embedded``"""
        return "embedded"

    @property
    def version(self) -> str:
        """Of experiment and signal probabilities."""
        return f"{EXPERIMENT_VERSION}+{_classifier_digest()[:12]}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The detector's numbers."""
        return {"detector": self.detector.to_dict()}

    @property
    def events_at_once(self) -> int:
        """As many as the oracle simulates together."""
        return 256

    def check(self, skims: Sequence[str]) -> None:
        """Raise `UsageError` for a skim that is not registered."""
        for skim in skims:
            find_skim(skim)

    def count(
        self, batch: EventBatch, skims: Sequence[str], seed: int, first: int, n_replicas: int
    ) -> NDArray[np.int32]:
        """As `smartbkg.surrogate.protocol.Surrogate.count`; reconstructs only what these skims look at."""
        chosen = [find_skim(skim) for skim in skims]
        kinds = frozenset[str]().union(*(TOP_KINDS if skim.kinds is None else skim.kinds for skim in chosen))
        n_events = len(batch)
        passed = np.zeros((n_events, len(skims)), dtype=np.int32)
        # replicas of few events are simulated together: a call of the compiled kernels costs as much as some events
        together = max(1, min(n_replicas, _EVENTS_TOGETHER // max(1, n_events)))
        for start in range(first, first + n_replicas, together):
            numbers = np.arange(start, min(start + together, first + n_replicas))
            copies = batch if len(numbers) == 1 else batch.select(np.tile(np.arange(n_events), len(numbers)))
            response = simulate_detector(copies, seed, np.repeat(numbers, n_events), self.detector)
            events = reconstruct(response, kinds=kinds)
            for column, skim in enumerate(chosen):
                passed[:, column] += (
                    apply_skim(skim, events).reshape(len(numbers), n_events).sum(axis=0, dtype=np.int32)
                )
        return passed


def _recognise(text: str) -> EmbeddedSurrogate | None:
    """The embedded experiment, where the text is a detector's name or a file of changes."""
    if text in detector_names() or (text.lower().endswith(".json") and "{" not in text):
        return EmbeddedSurrogate(read_detector(text))
    if not set(text) & set("{:/ ") and nearest(text, detector_names()).startswith("did you mean"):
        raise UsageError(f"unknown surrogate '{text}': {nearest(text, detector_names())}")
    return None


def _restore(settings: Mapping[str, Any]) -> EmbeddedSurrogate:
    detector = settings.get("detector")
    if not isinstance(detector, Mapping):
        raise SmartBKGError("the stored surrogate holds no detector: the model file is damaged")
    return EmbeddedSurrogate(detector_from_dict(detector, "the stored surrogate"))


#: Offered under the entry point ``embedded``.
EMBEDDED: Final = SurrogateKind(_recognise, _restore, f"a detector ({', '.join(detector_names())} or FILE.json)")
