"""Scores of a network and a surrogate together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError
from smartbkg.events import EventBatch
from smartbkg.graphs import GraphRule
from smartbkg.networks.scorer import Scorer
from smartbkg.scores.calibration import Identity
from smartbkg.scores.logistic import logit
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.replicas import Counts, ask, count_stages, surrogate_seed
from smartbkg.surrogate.stored import SurrogateRecord


class SurrogateScorer(Scorer):
    """A model whose score asks a surrogate besides the network.

    Its logits are those of the combined score, calibrated; its policy is the one for them.

    Parameters
    ----------
    network : the network alone, with its own calibration and policy.
    record : of the model file.
    surrogate : opened from the record.
    threads : that ask the surrogate.

    Attributes
    ----------
    network, record, surrogate : as given.
    n_asked, n_replicas : events so far, and replicas that they took together.
    """

    def __init__(self, network: Scorer, record: SurrogateRecord, surrogate: Surrogate, threads: int = 1) -> None:
        super().__init__(
            network.backend,
            skims=network.skims,
            graph_rule=network.graph_rule,
            processes=network.processes,
            calibration=Identity(),
            policy=record.policy,
            source=network.source,
        )
        if record.n_skims != len(network.skims):
            raise ModelError(
                f"{network.source}: combined score of {record.n_skims} skims, network of {len(network.skims)}"
            )
        surrogate.check(network.skims)
        self.network = network
        self.record = record
        self.surrogate = surrogate
        self.n_asked = self.n_replicas = 0
        self._seed = surrogate_seed(record.seed)
        self._threads = threads

    @property
    def reading_rule(self) -> GraphRule | None:
        """A simulation looks at all particles."""
        return None

    @property
    def surrogate_settings(self) -> Mapping[str, Any]:
        """Name, digest, replicas and seed."""
        about = self.record
        return {
            "surrogate": {
                "name": about.name, "digest": about.digest, "n_replicas": about.n_replicas, "seed": about.seed,
            }
        }  # fmt: skip

    def network_logits(self, batch: EventBatch) -> NDArray[np.float64]:
        """(n_events, n_skims) logit of the network's own calibrated score."""
        scores = self.network.scores(batch)
        self.n_unknown_codes = self.network.n_unknown_codes
        return logit(scores)

    def logits(self, batch: EventBatch) -> NDArray[np.float32]:
        own = self.network_logits(batch)
        counts = ask(
            self.surrogate,
            batch,
            self.skims,
            self._seed,
            own,
            self.record.used,
            self.record.rule,
            self._threads,
        )
        self.n_asked += len(batch)
        self.n_replicas += int(counts.n_replicas.sum())
        return self.combine(own, counts)

    def combine(self, network_logit: NDArray[np.float64], counts: Counts) -> NDArray[np.float32]:
        """(n_events, n_skims) logits of the combined score."""
        return self.record.logits(network_logit, counts).astype(np.float32)

    @property
    def seconds_per_event(self) -> float:
        """CPU seconds per event of asking: as often as so far, at the measured cost of a replica."""
        if self.n_asked:
            return self.n_replicas / self.n_asked * self.record.seconds_per_replica
        expected = [row["seconds"] for row in self.record.trade if row["replicas"] == self.record.n_replicas]
        return float(expected[0]) if expected else self.record.n_replicas * self.record.seconds_per_replica

    def count_stages(self, batch: EventBatch) -> NDArray[np.int32]:
        """(n_events, n_stages, n_skims) passes after each stage, without early ends."""
        return count_stages(self.surrogate, batch, self.skims, self._seed, self.record.stages, self._threads)


def with_surrogate(network: Scorer, record: SurrogateRecord, threads: int | None, **settings: Any) -> SurrogateScorer:
    """The scorer of a model that has a surrogate.

    Raises
    ------
    ModelError
        The surrogate is not installed, or is another than the model was calibrated with.
    """
    return SurrogateScorer(network, record, record.open(network.source), threads or 1, **settings)
