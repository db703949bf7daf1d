"""Upstream's older import path of `NNFilterModule`."""

from smartbkg.b2modules.NN_filter_module import MODEL_CONFIG, PREPROC_CONFIG, NNFilterModule

__all__ = ["MODEL_CONFIG", "PREPROC_CONFIG", "NNFilterModule"]
