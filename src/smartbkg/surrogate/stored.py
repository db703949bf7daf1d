"""What a model file says of its surrogate: which it is, how to ask it, and how its answer enters the score."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import ModelError
from smartbkg.surrogate.combination import Combination, combination_from_dict
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.registry import restore_surrogate, surrogate_digest
from smartbkg.surrogate.replicas import Counts
from smartbkg.surrogate.stopping import StoppingRule, rule_from_dict


@dataclass(frozen=True)
class SurrogateRecord:
    """A surrogate as part of a model.

    Attributes
    ----------
    name, kind, version, digest, settings : of the surrogate; the digest is of kind, version and settings.
    seed : of its random stream, which has the purpose ``surrogate`` besides.
    combinations : (replicas, combined score) of each stage for which one was fitted.
    n_replicas : K, the replicas of an event at most: the end of one of the stages.
    rule : when replicas end earlier; None = never.
    policy : solved for the combined scores; the model's own policy is that of its network alone.
    seconds_per_replica : CPU seconds of one replica of one event, as it was measured.
    trade : for each number of replicas what it costs and what speed-up it is expected to have.
    training : provenance record of the fit.
    """

    name: str
    kind: str
    version: str
    digest: str
    settings: Mapping[str, Any]
    combinations: tuple[tuple[int, Combination], ...]
    n_replicas: int
    seed: int = 0
    rule: StoppingRule | None = None
    policy: Mapping[str, Any] | None = None
    seconds_per_replica: float = 0.0
    trade: tuple[Mapping[str, Any], ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stages = self.stages
        if not stages or stages[0] < 1 or any(b <= a for a, b in itertools.pairwise(stages)):
            raise ModelError(f"stages of {stages} replicas, expected rising numbers")
        if self.n_replicas not in stages:
            raise ModelError(f"{self.n_replicas} replicas, expected one of {', '.join(map(str, stages))}")

    @classmethod
    def of(
        cls, surrogate: Surrogate, combinations: tuple[tuple[int, Combination], ...], **about: Any
    ) -> SurrogateRecord:
        """The record of a surrogate."""
        return cls(
            surrogate.name, surrogate.kind, surrogate.version, surrogate_digest(surrogate), dict(surrogate.settings),
            combinations, about.pop("n_replicas", combinations[-1][0]), **about,
        )  # fmt: skip

    @property
    def stages(self) -> tuple[int, ...]:
        """Replicas after each stage."""
        return tuple(stage for stage, _ in self.combinations)

    @property
    def used(self) -> tuple[tuple[int, Combination], ...]:
        """The stages up to K."""
        return tuple(entry for entry in self.combinations if entry[0] <= self.n_replicas)

    @property
    def n_skims(self) -> int:
        """Skims of the combined score."""
        return len(self.combinations[-1][1].priors)

    def open(self, source: str) -> Surrogate:
        """The surrogate, as installed here; see `restore_surrogate`."""
        return restore_surrogate(self.kind, self.settings, self.digest, source)

    def logits(self, network_logit: NDArray[np.float64], counts: Counts) -> NDArray[np.float64]:
        """(n_events, n_skims) logit of P(pass | event), each by the combined score of the stage where it ended."""
        result = np.full(network_logit.shape, np.nan)
        for stage, combination in self.combinations:
            ended = counts.n_replicas == stage
            if ended.any():
                result[ended] = combination.logits(network_logit[ended], counts.passed[ended], counts.n_replicas[ended])
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, read back by `record_from_dict`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "version": self.version,
            "digest": self.digest,
            "settings": dict(self.settings),
            "combinations": [[stage, combination.to_dict()] for stage, combination in self.combinations],
            "n_replicas": self.n_replicas,
            "seed": self.seed,
            "purpose": "surrogate",
            "rule": None if self.rule is None else self.rule.to_dict(),
            "policy": None if self.policy is None else dict(self.policy),
            "seconds_per_replica": self.seconds_per_replica,
            "trade": [dict(row) for row in self.trade],
            "training": dict(self.training),
        }


def record_from_dict(content: Mapping[str, Any]) -> SurrogateRecord:
    """The record that `SurrogateRecord.to_dict` wrote.

    Raises
    ------
    ModelError
        Something is missing or damaged.
    """
    try:
        combinations = tuple((int(stage), combination_from_dict(part)) for stage, part in content["combinations"])
        return SurrogateRecord(
            str(content["name"]),
            str(content["kind"]),
            str(content["version"]),
            str(content["digest"]),
            dict(content["settings"]),
            combinations,
            int(content["n_replicas"]),
            seed=int(content["seed"]),
            rule=None if content["rule"] is None else rule_from_dict(content["rule"]),
            policy=content["policy"],
            seconds_per_replica=float(content["seconds_per_replica"]),
            trade=tuple(content["trade"]),
            training=content["training"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the model's surrogate is damaged: {error!r}") from error
