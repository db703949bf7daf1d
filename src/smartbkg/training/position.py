"""Where a training is: the plain numbers of its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from smartbkg.training.progress.reporting import EpochMetrics
from smartbkg.training.schedule import Progress


@dataclass
class Position:
    """Where a training is."""

    epoch: int = 0
    """Epochs that are complete."""
    step: int = 0
    """Steps of the current epoch that are done."""
    loss_sum: float = 0.0
    """Sum of their losses."""
    damping: float = 1.0
    """What divergences have taken off the step."""
    n_recoveries: int = 0
    """Times the training went back to its last good state."""
    progress: Progress = field(default_factory=Progress)
    """What the schedule remembers."""
    history: list[EpochMetrics] = field(default_factory=list)
    """A line for each complete epoch."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        content = dict(self.__dict__)
        return content | {"progress": self.progress.to_dict(), "history": [list(row) for row in self.history]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """What `to_dict` wrote."""
        history = [EpochMetrics(*row) for row in content["history"]]
        return cls(**{**content, "progress": Progress.from_dict(content["progress"]), "history": history})
