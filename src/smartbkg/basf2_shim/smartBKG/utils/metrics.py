"""Upstream's training loss: the time that a filtered sample takes, relative to one without a filter."""

from __future__ import annotations

import torch


def speedup(
    y_true: torch.Tensor,
    filter_prob: torch.Tensor,
    retention_rate: float,
    balance_weights: torch.Tensor | None = None,
    from_logits: bool = True,
    t_gen: float = 0.08,
    t_NN: float = 0.63,
    t_SR: float = 97.04,
) -> torch.Tensor:
    """Time for as many effective events, with the filter over without it: the inverse of a speed-up.

    Parameters
    ----------
    y_true : labels, 1 = passes.
    filter_prob : logits, or probabilities to keep where ``from_logits`` is False.
    retention_rate : fraction of generated events that pass; the labels are of a balanced sample.
    balance_weights : weights of the events, 1 unless given.
    t_gen, t_NN, t_SR : times per event (ms): generator, network, simulation and reconstruction.
    """
    keep = torch.sigmoid(filter_prob) if from_logits else filter_prob
    weight = torch.ones_like(keep) if balance_weights is None else balance_weights
    passes = y_true == 1
    prior = torch.where(passes, retention_rate, 1 - retention_rate)
    with_filter = (weight * prior * (t_gen + t_NN + keep * t_SR)).sum()
    n_effective = (y_true * weight).sum() ** 2 / (weight / keep)[passes].sum()
    return with_filter / (n_effective * (t_gen + t_SR))


__all__ = ["speedup"]
