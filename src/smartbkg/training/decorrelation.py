"""Distance correlation: a penalty on scores that know a variable they should not."""

from __future__ import annotations

import torch


def distance_correlation(first: torch.Tensor, second: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Squared distance correlation of two variables over weighted events.

    0 if and only if they are independent, 1 if one is a linear function of the other (Székely, Rizzo, Bakirov,
    doi:10.1214/009053607000000505, definition 3; weighted as in arXiv:2001.05310, equation 2).

    Parameters
    ----------
    first, second : (n_events,), any units.
    weight : (n_events,) not negative; events of weight 0 do not count.

    Returns
    -------
    Scalar in [0, 1], differentiable in ``first`` and ``second``; 0 where one of them is constant.
    """
    probability = weight / weight.sum()
    centred = [_centred(values, probability) for values in (first, second)]
    pair = probability[:, None] * probability[None, :]
    covariance = (centred[0] * centred[1] * pair).sum()
    variance = (centred[0].square() * pair).sum() * (centred[1].square() * pair).sum()
    # the small number keeps the gradient finite where a variable is constant
    return covariance / torch.sqrt(variance + 1e-20)


def _centred(values: torch.Tensor, probability: torch.Tensor) -> torch.Tensor:
    """(n, n) distances, with their weighted means over rows and columns taken off."""
    distance = (values[:, None] - values[None, :]).abs()
    row = distance @ probability
    return distance - row[:, None] - row[None, :] + (row * probability).sum()
