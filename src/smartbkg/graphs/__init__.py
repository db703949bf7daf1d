"""Decay graphs: the rule that makes them, and its result."""

from smartbkg.graphs.decay_tree import DecayGraphs, GraphRule, build_graphs

__all__ = ["DecayGraphs", "GraphRule", "build_graphs"]
