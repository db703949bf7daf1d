"""Detector responses written by hand: events as dictionaries of tracks, clusters and V0s, with sensible defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smartbkg.experiment.detector.objects import Clusters, DetectorResponse, KLMClusters, Tracks, V0s

TRACK = {
    "px": 0.0, "py": 0.0, "pz": 0.0, "charge": 1, "d0": 0.0, "z0": 0.0, "d0_error": 0.01, "z0_error": 0.01,
    "n_cdc_hits": 50, "pid": (0.0, 0.0, 1.0, 0.0, 0.0), "truth": -1, "origin": 0,
}  # fmt: skip
CLUSTER = {
    "energy": 0.2, "theta": 1.2, "phi": 0.0, "track": -1, "e9_over_e21": 0.98, "n_hits": 8.0, "time": 0.0,
    "time_error": 10.0, "track_distance": 250.0, "is_photon": True, "is_hadron": True, "truth": -1, "origin": 0,
}  # fmt: skip
V0 = {
    "positive": 0, "negative": 1, "code": 310, "x": 1.0, "y": 0.0, "z": 0.0, "px": 1.0, "py": 0.0, "pz": 0.0,
    "mass": 0.4976,
}  # fmt: skip
KLM = {"theta": 1.2, "phi": 0.0, "n_layers": 5, "track": -1, "truth": -1}

_DTYPES: Mapping[str, Any] = {
    "charge": np.int8, "n_cdc_hits": np.int16, "pid": np.float32, "truth": np.int64, "origin": np.uint8,
    "track": np.int32, "e9_over_e21": np.float32, "n_hits": np.float32, "time": np.float32, "time_error": np.float32,
    "track_distance": np.float32, "is_photon": np.bool_, "is_hadron": np.bool_, "positive": np.int32,
    "negative": np.int32, "code": np.int32, "n_layers": np.int16,
}  # fmt: skip


def _columns(kind: Any, rows: Sequence[Sequence[Mapping[str, Any]]], default: Mapping[str, Any]) -> Any:
    flat = [{**default, **row} for event in rows for row in event]
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in rows])]).astype(np.int64)
    columns = {}
    for name in kind._fields[1:]:
        values = np.array([row[name] for row in flat], dtype=_DTYPES.get(name, np.float64))
        columns[name] = values.reshape(-1, 5) if name == "pid" else values
    return kind(offsets, **columns)


def make_response(events: Sequence[Mapping[str, Sequence[Mapping[str, Any]]]]) -> DetectorResponse:
    """The response of events given as ``{"tracks": [{"px": 0.5}], "clusters": [], "v0s": [], "klm": []}``."""
    return DetectorResponse(
        _columns(Tracks, [event.get("tracks", ()) for event in events], TRACK),
        _columns(Clusters, [event.get("clusters", ()) for event in events], CLUSTER),
        _columns(V0s, [event.get("v0s", ()) for event in events], V0),
        _columns(KLMClusters, [event.get("klm", ()) for event in events], KLM),
        np.zeros(len(events), dtype=np.int32),
    )
