"""The error bars √Σw² of weighted histograms cover what they say, and the closure check can tell when they do not."""

import numpy as np
import pytest

from smartbkg.closure.check import ClosureSettings, check_closure
from smartbkg.sampling import Costs, solve_optimal
from smartbkg.sampling.draw import draw
from smartbkg.sampling.weights import fill_hist


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["optimal", "score"])
def test_error_bars_cover_68_percent_over_500_seeds(policy: str) -> None:
    """500 campaigns from generation to histogram; each of 10 bins holds at least some 40 effective events."""
    n, n_seeds = 30_000, 500
    covered = []
    for seed in range(n_seeds):
        generator = np.random.default_rng([17, seed])
        logit = generator.normal(-3.5, 1.8, n)
        p = 1 / (1 + np.exp(-logit))
        value = generator.uniform(-2, 2, n)
        q = solve_optimal(p, Costs()).keep_probability(p) if policy == "optimal" else p.clip(0.05, 1)
        use = (generator.random(n) < p) & draw(q, seed, 0, 0, np.arange(n))
        histogram = fill_hist(value[use], 1 / q[use], 10, -2, 2, "value")
        truth = n * 0.082667 / 10  # the mean of the logistic function over N(-3.5, 1.8²), see below
        covered.append(np.abs(histogram.values() - truth) <= np.sqrt(histogram.variances()))
    assert 0.65 <= np.mean(covered) <= 0.71


def test_the_truth_of_the_coverage_test_is_the_mean_pass_probability() -> None:
    x = np.linspace(-14, 14, 200_001)
    density = np.exp(-((x + 3.5) ** 2) / (2 * 1.8**2)) / (1.8 * np.sqrt(2 * np.pi))
    assert np.trapezoid(density / (1 + np.exp(-x)), x) == pytest.approx(0.082667, abs=2e-5)


def test_the_closure_check_counts_coverage() -> None:
    generator = np.random.default_rng(3)
    n = 20_000
    q = generator.beta(2, 3, n).clip(0.05, 1)
    report = check_closure(
        {"x": generator.normal(size=n)},
        q,
        generator.random(n) < q,
        settings=ClosureSettings(n_replicas=200, n_coverage_seeds=500),
    )
    assert report.coverage is not None
    assert 0.65 <= report.coverage <= 0.71
