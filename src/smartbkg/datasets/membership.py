"""Whether a file holds events of another, by a short record of the latter: a model is evaluated on unseen events.

The record is a bottom-k sketch (Cohen and Kaplan, doi:10.1145/1281100.1281133): the smallest of the hashes of all
events, by id and content. A hash below the largest of them is in the record or was not in the file, so that the share
of the events of any other file that were there is estimated from some, whatever happened to the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.events.content import content_digests
from smartbkg.io import open_events
from smartbkg.seeds import event_keys
from smartbkg.storage.provenance import sha256_of_file

#: Hashes that are remembered.
SKETCH_SIZE: Final = 2048


def membership_keys(batch: EventBatch) -> NDArray[np.uint64]:
    """(n_events,) uint64 hash of each event's id and content."""
    experiment, run, event = (batch.event[name] for name in EVENT_ID)
    return event_keys(0, experiment, run, event, content=content_digests(batch))


class Membership(NamedTuple):
    """The smallest hashes of the events of some files."""

    keys: NDArray[np.uint64]
    """(n,) in ascending order, `SKETCH_SIZE` at most"""
    is_complete: bool
    """Whether these are all events"""

    @classmethod
    def none(cls) -> Membership:
        """Of no events."""
        return cls(np.empty(0, dtype=np.uint64), True)

    def add(self, keys: NDArray[np.uint64]) -> Membership:
        """With further events."""
        together = np.unique(np.concatenate([self.keys, keys]))
        return Membership(together[:SKETCH_SIZE], self.is_complete and len(together) <= SKETCH_SIZE)

    def share_of(self, keys: NDArray[np.uint64]) -> float | None:
        """Share of some events that are among those remembered; None where none of them can tell."""
        if not len(self.keys):
            return 0.0
        telling = keys if self.is_complete else keys[keys <= self.keys[-1]]
        return float(np.isin(telling, self.keys).mean()) if len(telling) else None

    def to_list(self) -> list[str]:
        """For JSON: hexadecimal; a complete record ends with an empty text."""
        return [f"{key:x}" for key in self.keys.tolist()] + ([""] if self.is_complete else [])

    @classmethod
    def from_list(cls, content: Sequence[str]) -> Membership:
        """What `to_list` made."""
        keys = np.array([int(text, 16) for text in content if text], dtype=np.uint64)
        return cls(keys, "" in content)


def share_taught(path: Path, keys: NDArray[np.uint64], training: Mapping[str, Any] | None) -> float | None:
    """Share of the events of a file that were in the files of a training; None where it is some that cannot be counted.

    Parameters
    ----------
    keys : `membership_keys` of the events of the file.
    training : the training record of a model; None = it was never trained.
    """
    if training is None:
        return 0.0
    if "membership" in training:
        share = Membership.from_list(training["membership"]).share_of(keys)
        return 0.0 if share is None else share  # so few events that none of them tells
    # models of earlier versions remember files alone: this one, or those that it was made of
    inputs = {entry["sha256"] for entry in training.get("inputs", [])}
    with open_events(path) as reader:
        made_of = {entry.get("sha256") for entry in reader.metadata.get("inputs", [])}
    return None if inputs & (made_of | {sha256_of_file(path)}) else 0.0


__all__ = ["SKETCH_SIZE", "Membership", "membership_keys", "share_taught"]
