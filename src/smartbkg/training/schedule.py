"""Learning-rate schedule and early stopping; their whole state is a few numbers kept in the checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from smartbkg.training.config import OptimiserSection

#: One cycle: part of the steps in which the step size rises, and the fractions at which it begins and ends.
WARM_UP: Final = 0.1
FIRST_FRACTION: Final = 0.1
LAST_FRACTION: Final = 0.01
#: An improvement smaller than this fraction of the best loss is none.
LEAST_IMPROVEMENT: Final = 1e-4


@dataclass(frozen=True)
class Progress:
    """What the schedule remembers.

    Attributes
    ----------
    best : least validation loss so far.
    best_epoch : the epoch it came from, -1 before any.
    n_since_best : epochs since then.
    n_since_reduction : epochs since then or since the last reduction of the step.
    factor : product of all reductions.
    """

    best: float = math.inf
    best_epoch: int = -1
    n_since_best: int = 0
    n_since_reduction: int = 0
    factor: float = 1.0

    def after(self, epoch: int, loss: float, settings: OptimiserSection) -> Self:
        """The progress after an epoch with this validation loss."""
        if loss < self.best - LEAST_IMPROVEMENT * abs(self.best) if math.isfinite(self.best) else True:
            return replace(self, best=loss, best_epoch=epoch, n_since_best=0, n_since_reduction=0)
        later = replace(self, n_since_best=self.n_since_best + 1, n_since_reduction=self.n_since_reduction + 1)
        if settings.schedule == "plateau" and later.n_since_reduction > settings.plateau_patience:
            return replace(later, factor=self.factor / 2, n_since_reduction=0)
        return later

    def is_over(self, settings: OptimiserSection) -> bool:
        """Whether the validation loss has stood still for too long."""
        return self.n_since_best >= settings.stop_patience

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.__dict__, "best": self.best if math.isfinite(self.best) else None}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """What `to_dict` wrote."""
        return cls(**{**content, "best": math.inf if content["best"] is None else content["best"]})


def step_size(schedule: str, largest: float, step: int, n_steps: int) -> float:
    """The size of a step.

    Parameters
    ----------
    schedule : ``one_cycle`` (arXiv:1708.07120) rises and falls with the steps, any other stays at the largest.
    largest : of the configuration, times what plateaus and divergences have taken off.
    step, n_steps : number of the step, and how many there are in all epochs.
    """
    if schedule != "one_cycle":
        return largest
    place = step / max(1, n_steps)
    if place < WARM_UP:
        return largest * (FIRST_FRACTION + (1 - FIRST_FRACTION) * place / WARM_UP)
    cosine = 0.5 * (1 + math.cos(math.pi * (place - WARM_UP) / (1 - WARM_UP)))
    return largest * (LAST_FRACTION + (1 - LAST_FRACTION) * cosine)
