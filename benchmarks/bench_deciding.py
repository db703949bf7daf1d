"""Time of the decision itself, without the network: policy, draw and weight of a million events, in microseconds each.

Run: python benchmarks/bench_deciding.py [events]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from smartbkg.sampling import (
    Costs,
    ExponentialPolicy,
    OptimalPolicy,
    Policy,
    ScorePolicy,
    SystematicSampler,
    ThresholdPolicy,
    event_weights,
    solve_optimal,
)
from smartbkg.sampling.draw import draw

LIMIT_MICROSECONDS = 1.0


def best_of(function: Callable[[], object], n_times: int = 5) -> float:
    """Least wall time of several calls, in seconds."""
    times = []
    for _ in range(n_times):
        before = time.perf_counter()
        function()
        times.append(time.perf_counter() - before)
    return min(times)


def main(n_events: int = 1_000_000) -> int:
    generator = np.random.default_rng(1)
    score = 1 / (1 + np.exp(-generator.normal(-4, 2, n_events)))
    several = np.stack([score, score**1.2, 0.5 * score, score**0.9, 0.3 * score], axis=1)
    event = np.arange(n_events)
    optimal = solve_optimal(score, Costs())
    joint = solve_optimal(several, Costs())

    def decide(policy: Policy, scores: np.ndarray, *, is_systematic: bool = False) -> None:
        q = policy.keep_probability(scores)
        kept = SystematicSampler(1).draw(q) if is_systematic else draw(q, 1, 7, 3, event)
        if policy.is_unbiased:
            event_weights(q[kept])

    rows = {
        "score": lambda: decide(ScorePolicy(), score),
        "threshold": lambda: decide(ThresholdPolicy(0.3), score),
        "exp(0.46, -0.25)": lambda: decide(ExponentialPolicy(0.46, -0.25), score),
        "optimal": lambda: decide(optimal, score),
        "optimal, systematic": lambda: decide(optimal, score, is_systematic=True),
        "optimal, 5 skims": lambda: decide(joint, several),
    }
    slowest = 0.0
    for name, function in rows.items():
        microseconds = 1e6 * best_of(function) / n_events
        slowest = max(slowest, microseconds)
        print(f"{name:22s} {microseconds:6.3f} µs per event")
    assert isinstance(optimal, OptimalPolicy)
    print(f"{'solving λ':22s} {1e6 * best_of(lambda: solve_optimal(score, Costs()), 3) / n_events:6.3f} µs per event")
    print(
        f"slowest {slowest:.3f}, limit {LIMIT_MICROSECONDS} µs: {'ok' if slowest <= LIMIT_MICROSECONDS else 'TOO SLOW'}"
    )
    return 0 if slowest <= LIMIT_MICROSECONDS else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
