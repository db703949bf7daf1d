"""From logits to probabilities. Fitted in training, stored with the model, applied by everything that scores."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import ModelError, nearest
from smartbkg.scores.logistic import SMALLEST_SCORE, expit, logit


class Calibration(abc.ABC):
    """How logits become scores; monotonic for each skim within a process."""

    @abc.abstractmethod
    def apply(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:
        """Calibrated scores.

        Parameters
        ----------
        logits : (n_events, n_skims) finite.
        process : (n_events,) names of the generated processes; only `PerProcess` looks at them.

        Returns
        -------
        (n_events, n_skims) float64 in (0, 1): the probability that the event passes the skim.
        """

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, read back by `calibration_from_dict`."""


@dataclass(frozen=True)
class Identity(Calibration):
    """The network's own probability: expit(logit)."""

    def apply(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        return expit(np.asarray(logits, dtype=np.float64))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "identity"}


@dataclass(frozen=True)
class Affine(Calibration):
    """expit(scale · logit + offset): Platt's scaling, and the correction of a training sample's prior.

    Attributes
    ----------
    scale, offset : one value per skim.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.offset) or not self.scale:
            raise ModelError(
                f"calibration: {len(self.scale)} scales and {len(self.offset)} offsets, expected one per skim"
            )
        if not all(np.isfinite((*self.scale, *self.offset))) or min(self.scale) <= 0:
            raise ModelError(f"calibration: scale {self.scale} and offset {self.offset}, expected finite and scale > 0")

    @classmethod
    def for_prior(cls, pass_fraction: ArrayLike, training_fraction: ArrayLike) -> Affine:
        """Undo the balancing of a training sample.

        A network trained where passing events make up ``training_fraction`` has odds too large by the ratio of the
        prior odds; the logit moves by logit(pass_fraction) - logit(training_fraction) (Bayes' theorem; Elkan,
        IJCAI 2001, theorem 2).

        Parameters
        ----------
        pass_fraction : (n_skims,) fraction of generated events that pass.
        training_fraction : (n_skims,) fraction of passing events, by weight, in the loss.
        """
        offset = np.atleast_1d(logit(pass_fraction) - logit(training_fraction))
        return cls(tuple(1.0 for _ in offset), tuple(float(value) for value in offset))

    def apply(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        values = _checked(logits, len(self.scale))
        return expit(values * np.array(self.scale) + np.array(self.offset))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "affine", "scale": list(self.scale), "offset": list(self.offset)}


@dataclass(frozen=True)
class Isotonic(Calibration):
    """A rising piecewise-linear function of the logit, constant beyond its ends.

    Attributes
    ----------
    logits, scores : for each skim the knots, logits strictly rising, scores in [0, 1] not falling.
    """

    logits: tuple[tuple[float, ...], ...]
    scores: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.logits) != len(self.scores) or not self.logits:
            raise ModelError(f"calibration: knots of {len(self.logits)} and {len(self.scores)} skims, expected as many")
        for x, y in zip(self.logits, self.scores, strict=True):
            if len(x) != len(y) or not x:
                raise ModelError(f"calibration: {len(x)} logits and {len(y)} scores as knots, expected as many")
            if np.any(np.diff(x) <= 0) or np.any(np.diff(y) < 0) or min(y) < 0 or max(y) > 1:
                raise ModelError("calibration: knots must rise in the logit and not fall in the score, within [0, 1]")

    def apply(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        values = _checked(logits, len(self.logits))
        columns = [
            np.interp(values[:, skim], x, y) for skim, (x, y) in enumerate(zip(self.logits, self.scores, strict=True))
        ]
        return np.clip(np.stack(columns, axis=1), SMALLEST_SCORE, 1.0 - SMALLEST_SCORE)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "isotonic", "logits": [list(x) for x in self.logits], "scores": [list(y) for y in self.scores]}


@dataclass(frozen=True)
class PerProcess(Calibration):
    """A calibration for each generated process, and one for events of any other.

    Attributes
    ----------
    by_process : process name → its calibration.
    otherwise : for events whose process is not among them, or unknown.
    """

    by_process: Mapping[str, Calibration] = field(default_factory=dict)
    otherwise: Calibration = field(default_factory=Identity)

    def apply(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:
        scores = self.otherwise.apply(logits)
        if process is None:
            return scores
        values, names = np.asarray(logits), np.asarray(process)
        for name, calibration in self.by_process.items():
            chosen = names == name
            if np.any(chosen):
                scores[chosen] = calibration.apply(values[chosen])
        return scores

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "per_process",
            "by_process": {name: calibration.to_dict() for name, calibration in self.by_process.items()},
            "otherwise": self.otherwise.to_dict(),
        }


def _checked(logits: ArrayLike, n_skims: int) -> NDArray[np.float64]:
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != n_skims:
        raise ModelError(f"calibration of {n_skims} skims, got logits of shape {values.shape}")
    return values


def calibration_from_dict(content: Mapping[str, Any]) -> Calibration:
    """The calibration that `Calibration.to_dict` wrote.

    Raises
    ------
    ModelError
        Unknown kind or missing values.
    """
    kind = str(content.get("kind"))
    try:
        if kind == "identity":
            return Identity()
        if kind == "affine":
            return Affine(tuple(map(float, content["scale"])), tuple(map(float, content["offset"])))
        if kind == "isotonic":
            knots = [tuple(tuple(map(float, skim)) for skim in content[key]) for key in ("logits", "scores")]
            return Isotonic(knots[0], knots[1])
        if kind == "per_process":
            by_process = {name: calibration_from_dict(part) for name, part in content["by_process"].items()}
            return PerProcess(by_process, calibration_from_dict(content["otherwise"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"calibration '{kind}' is damaged: {error!r}") from error
    raise ModelError(
        f"unknown calibration '{kind}': {nearest(kind, ['identity', 'affine', 'isotonic', 'per_process'])}"
    )


__all__ = ["Affine", "Calibration", "Identity", "Isotonic", "PerProcess", "calibration_from_dict"]
