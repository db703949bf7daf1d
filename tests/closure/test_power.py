"""What the closure check sees, and how often it cries wolf: a few of the benchmark's samples, lest it decay."""

from __future__ import annotations

import pytest
from benchmarks.bench_closure import OPTIMAL, power_of_plain_pull, rate

N_SEEDS = 10


@pytest.mark.parametrize(
    ("fault", "size", "least"),
    [
        ("too large", 0.05, 0.6),
        ("lost", 0.10, 0.9),
        ("doubled", 0.05, 0.6),
        ("clipped", 0.10, 0.9),
        ("tilted", 0.10, 0.9),
    ],
)
def test_a_fault_at_3000_passing_events_is_seen(fault: str, size: float, least: float) -> None:
    assert rate(3000, N_SEEDS, "scores", fault=fault, size=size, logit_of_q=OPTIMAL)[0] >= least


def test_the_yield_is_seen_nearly_as_often_as_by_a_plain_pull() -> None:
    """A verdict that shares its significance with many tests may lose little: one degree of freedom among hundreds."""
    plain = power_of_plain_pull(3000, 200, "too large", 0.05)
    assert plain > 0.8
    assert rate(3000, N_SEEDS, "scores", fault="too large", size=0.05, logit_of_q=OPTIMAL)[0] > plain - 0.3


@pytest.mark.parametrize("mode", ["scores", "flags", "reference"])
@pytest.mark.parametrize("weights", ["lognormal", "20 % negative"])
def test_right_samples_of_30_passing_events_raise_no_alarm(mode: str, weights: str) -> None:
    """At 1 % two alarms among 20 have a probability of 1.7 %: here there are none or one."""
    share, n_testd = rate(30, 20, mode, weights)
    assert share * n_testd <= 1
