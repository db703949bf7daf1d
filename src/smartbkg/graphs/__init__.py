"""Decay graphs: the rule that makes them, and its result."""

from smartbkg.graphs.decay_tree import DecayGraphs, build_graphs
from smartbkg.graphs.rule import SMART_BACKGROUND_RULE, GraphRule

__all__ = ["SMART_BACKGROUND_RULE", "DecayGraphs", "GraphRule", "build_graphs"]
