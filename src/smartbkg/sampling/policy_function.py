"""A policy that is a function of a user's: score in, keep probability out.

Whatever it returns, kept events weigh 1/q and sums are unbiased, as long as q depends on the event alone and is never 0
where an event can pass: both are looked after here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import PolicyError
from smartbkg.plug_ins import load_plug_in
from smartbkg.sampling.policy import check_max_weight
from smartbkg.sampling.score_function import ScoreFunction
from smartbkg.storage.provenance import digest_of

#: Floor of the keep probability under a function, 1/100 as upstream's.
FUNCTION_MAX_WEIGHT: Final = 100.0

KeepFunction = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class FunctionPolicy(ScoreFunction):
    """q = clip(f(score), 1/max_weight, 1)."""

    kind: ClassVar[str] = "function"
    name: str
    """How the user named it: ``file.py:function``."""
    digest: str
    """Of its source, where that is known: files record which function decided."""
    max_weight: float = FUNCTION_MAX_WEIGHT
    function: KeepFunction | None = field(default=None, compare=False, repr=False)
    """None where a file names it and nobody has loaded it: the policy can be described, not applied."""

    def __post_init__(self) -> None:
        check_max_weight(self.max_weight)
        if self.function is not None:
            grid = np.linspace(0.0, 1.0, 64)
            whole, half = self.of_score(grid), self.of_score(grid[::2])
            if not np.array_equal(whole[::2], half):
                raise PolicyError(
                    f"policy '{self.name}': the keep probability of an event depends on the other events, expected a "
                    "function of its score alone"
                )

    @classmethod
    def of(cls, function: KeepFunction, name: str = "", max_weight: float | None = None) -> Self:
        """The policy of a function.

        Parameters
        ----------
        function : (n,) scores in [0, 1] → (n,) keep probabilities in [0, 1].
        name : ``file.py:function``; that of the function where not given.

        Raises
        ------
        PolicyError
            It is no function, or returns something else.
        """
        if not callable(function):
            raise PolicyError(f"policy '{name}' is a {type(function).__name__}, expected a function of scores")
        own = name or getattr(function, "__qualname__", repr(function))
        try:
            source = inspect.getsource(function)
        except (OSError, TypeError):  # typed in, or not written in Python
            source = ""
        largest = FUNCTION_MAX_WEIGHT if max_weight is None else max_weight
        return cls(own, digest_of({"source": source}), largest, function)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The description that a file holds; the function itself is not loaded."""
        return cls(str(content["name"]), str(content["digest"]), float(content["max_weight"]))

    def of_score(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.function is None:
            raise PolicyError(f"policy '{self.name}' is a function that is not stored in files: name it by --policy")
        keep = np.asarray(self.function(score.copy()), dtype=np.float64)
        if keep.shape != score.shape:
            raise PolicyError(f"policy '{self.name}' returned shape {keep.shape}, expected {score.shape}")
        is_wrong = ~((keep >= 0) & (keep <= 1))
        if is_wrong.any():
            first = int(np.flatnonzero(is_wrong.ravel())[0])
            raise PolicyError(
                f"policy '{self.name}' returned {keep.ravel()[first]} for the score {score.ravel()[first]:.4g}, "
                "expected a probability from 0 to 1"
            )
        return np.clip(keep, 1 / self.max_weight, 1.0)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "digest": self.digest, "max_weight": self.max_weight}

    @property
    def label(self) -> str:
        return self.name.rpartition(":")[2]


def load_function(name: str, max_weight: float | None = None) -> FunctionPolicy:
    """The policy ``file.py:function``."""
    return FunctionPolicy.of(load_plug_in(name, "policy"), name, max_weight)


__all__ = ["FUNCTION_MAX_WEIGHT", "FunctionPolicy", "load_function"]
