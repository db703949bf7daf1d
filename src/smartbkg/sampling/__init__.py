"""Which events to keep and what they weigh: costs, policies, draws, weights, and what they gain. numpy only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
    from smartbkg.sampling.draw import SystematicSampler
    from smartbkg.sampling.policies import (
        ExponentialPolicy,
        OptimalPolicy,
        Policy,
        ScorePolicy,
        ThresholdPolicy,
        UnsolvedOptimal,
        parse_policy,
        policy_from_dict,
        solve_optimal,
    )
    from smartbkg.sampling.statistics import effective_sample_size, free_bound, speed_up
    from smartbkg.sampling.weights import event_weights

#: Name → where it is defined; imported when it is used, so that the options of a verb cost nothing.
_HOME: Final = {
    "BELLE_II_COSTS": "smartbkg.sampling.cost",
    "Costs": "smartbkg.sampling.cost",
    "ExponentialPolicy": "smartbkg.sampling.policies",
    "OptimalPolicy": "smartbkg.sampling.policies",
    "Policy": "smartbkg.sampling.policies",
    "ScorePolicy": "smartbkg.sampling.policies",
    "SystematicSampler": "smartbkg.sampling.draw",
    "ThresholdPolicy": "smartbkg.sampling.policies",
    "UnsolvedOptimal": "smartbkg.sampling.policies",
    "effective_sample_size": "smartbkg.sampling.statistics",
    "event_weights": "smartbkg.sampling.weights",
    "free_bound": "smartbkg.sampling.statistics",
    "parse_policy": "smartbkg.sampling.policies",
    "policy_from_dict": "smartbkg.sampling.policies",
    "solve_optimal": "smartbkg.sampling.policies",
    "speed_up": "smartbkg.sampling.statistics",
}

__all__ = [
    "BELLE_II_COSTS",
    "Costs",
    "ExponentialPolicy",
    "OptimalPolicy",
    "Policy",
    "ScorePolicy",
    "SystematicSampler",
    "ThresholdPolicy",
    "UnsolvedOptimal",
    "effective_sample_size",
    "event_weights",
    "free_bound",
    "parse_policy",
    "policy_from_dict",
    "solve_optimal",
    "speed_up",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'smartbkg.sampling' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)
