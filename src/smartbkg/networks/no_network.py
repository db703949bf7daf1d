"""No network at all: a model whose score comes from its surrogate alone, for a skim that nobody trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.graphs import DecayGraphs
from smartbkg.networks.config import NoNetworkConfig


class NoNetworkBackend:
    """Says 0 of every event, without torch."""

    def __init__(self, config: NoNetworkConfig, state: Mapping[str, NDArray[Any]], threads: int) -> None:  # noqa: ARG002
        self._n_skims = config.n_skims

    def __call__(self, graphs: DecayGraphs, process: NDArray[np.int64]) -> NDArray[np.float32]:  # noqa: ARG002
        """(n_events, n_skims) zeros."""
        return np.zeros((graphs.n_events, self._n_skims), dtype=np.float32)
