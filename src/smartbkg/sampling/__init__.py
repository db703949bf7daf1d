"""Which events to keep and what they weigh: costs, policies, draws, weights, and what they gain. numpy only."""

from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.draw import SystematicSampler, draw
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
    "draw",
    "effective_sample_size",
    "event_weights",
    "free_bound",
    "parse_policy",
    "policy_from_dict",
    "solve_optimal",
    "speed_up",
]
