"""Upstream's older import path of the filter."""

from smartbkg.b2modules.NN_filter_module import NNFilterModule

__all__ = ["NNFilterModule"]
