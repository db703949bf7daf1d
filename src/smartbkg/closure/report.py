"""What a closure check found: a verdict, the tests behind it, and histograms to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: A closure test below this global p-value is a failure: one false alarm in a hundred checks.
SIGNIFICANCE: Final = 0.01
#: The KL divergence that earlier work asked for (arXiv:2307.06434 and its predecessors).
KL_TARGET: Final = 0.0015


@dataclass(frozen=True)
class VariableClosure:
    """One variable of the passing events: all of them against the kept and weighted ones."""

    name: str
    """Name of the variable."""
    edges: NDArray[np.float64]
    """(n_bins + 1,) the first and last bin also hold what lies beyond them."""
    all_sum: NDArray[np.float64]
    """(n_bins,) Σw of all passing events."""
    all_variance: NDArray[np.float64]
    """(n_bins,) Σw²."""
    kept_sum: NDArray[np.float64]
    """(n_bins,) Σw of kept passing events."""
    kept_variance: NDArray[np.float64]
    """(n_bins,) Σw²."""
    pull: NDArray[np.float64]
    """(n_bins,) kept − all over the standard deviation of that difference; NaN where that is 0."""
    chi2: float
    """Σ pull²."""
    chi2_p_value: float
    """Fraction of replicas with a larger χ²."""
    ks: float
    """Largest distance between the two cumulative distributions, each normalised to 1 (256 quantiles)."""
    ks_p_value: float
    """Fraction of replicas with a larger distance."""
    kl: float
    """Kullback–Leibler divergence of the kept from the full histogram."""
    kl_expected: float
    """Its mean over replicas: what the number of kept events alone makes of it."""
    missing_fraction: float
    """Share of the passing events in which the variable is NaN; they are left out."""
    coverage: float | None = None
    """Share of (seed, bin) whose 68.3 % bar √Σw² covers the expectation; None where q of all events is unknown."""

    @property
    def n_bins(self) -> int:
        """Number of bins: the degrees of freedom of the χ² when absolute numbers are compared."""
        return len(self.pull)


class PairClosure(NamedTuple):
    """Two variables together."""

    first: str
    """Name of the one."""
    second: str
    """Name of the other."""
    chi2: float
    """Over the cells of a grid of quantiles."""
    n_bins: int
    """Number of cells."""
    p_value: float
    """Fraction of replicas with a larger χ²."""


@dataclass(frozen=True)
class ClosureReport:
    """The verdict and what it rests on."""

    variables: tuple[VariableClosure, ...]
    """One per variable."""
    pairs: tuple[PairClosure, ...]
    """One a pair of variables."""
    total_pull: float | None
    """(Σ kept − Σ all) / σ; None where only shapes are compared."""
    yield_p_value: float | None
    """Chance of a total as far off as this one if the weights are right; None where only shapes are compared."""
    shape_p_value: float
    """Chance of a worst test as bad as this one, over all tests but the total."""
    global_p_value: float
    """Of both together: half of the significance belongs to the total alone."""
    worst_test: str
    """The test with the largest excess."""
    n_tests: int
    """Number of tests that were made."""
    n_replicas: int
    """Number of replicas behind the p-values; the least p-value is 1 / (n_replicas + 1)."""
    n_all: int
    """Passing events."""
    n_kept: int
    """Passing events that were kept."""
    effective_kept: float
    """Effective number of kept passing events."""
    significance: float
    """Global p-values below this one fail."""
    n_thinned: int | None = None
    """Kept events that were looked at after thinning to one keep probability; None where all were."""

    @property
    def is_compatible(self) -> bool:
        """Whether the samples agree."""
        return self.global_p_value >= self.significance

    @property
    def verdict(self) -> str:
        """One line for a reader."""
        word = "no bias seen" if self.is_compatible else "BIASED"
        return (
            f"{word}: global p-value {self.global_p_value:.3g} over {self.n_tests} tests "
            f"(fails below {self.significance:g}); worst: {self.worst_test}"
        )

    @property
    def coverage(self) -> float | None:
        """Mean coverage of the variables' error bars, None where it is unknown."""
        known = [variable.coverage for variable in self.variables if variable.coverage is not None]
        return float(np.mean(known)) if known else None

    def to_dict(self) -> dict[str, Any]:
        """The report as plain numbers and lists, for JSON."""
        content = {
            "verdict": "compatible" if self.is_compatible else "biased",
            "coverage": self.coverage,
            "kl_target": KL_TARGET,
            **asdict(self),
            "pairs": [pair._asdict() for pair in self.pairs],
        }
        return dict(_plain(content))


def _plain(value: Any) -> Any:
    """The value without numpy types; NaN becomes None, which JSON has a word for."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
