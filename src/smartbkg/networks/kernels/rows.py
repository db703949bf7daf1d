"""What a transformer does to each row of a matrix by itself, inside compiled kernels; rows are whole vectors."""

from __future__ import annotations

from typing import Final

import numpy as np

from smartbkg.compilation import part
from smartbkg.networks.kernels import vector
from smartbkg.networks.kernels.vector import LANES

#: Added to the variance in a norm (torch's default).
NORM_EPSILON: Final = np.float32(1e-5)


@part
def normalise(rows, out):  # type: ignore[no-untyped-def]
    """Each row less its mean, over the root of its variance; ``rows``, ``out`` (n, width)."""
    n, width = rows.shape
    share = np.float32(1.0) / np.float32(width)
    for i in range(n):
        total = vector.constant(rows, 0.0)
        for k in range(i * width, (i + 1) * width, LANES):
            total = vector.add(total, vector.load(rows, k))
        mean = vector.spread(vector.sum_of(total) * share)
        total = vector.constant(rows, 0.0)
        for k in range(i * width, (i + 1) * width, LANES):
            centred = vector.subtract(vector.load(rows, k), mean)
            vector.store(out, k, centred)
            total = vector.multiply_add(centred, centred, total)
        scale = vector.spread(np.float32(1.0) / np.sqrt(vector.sum_of(total) * share + NORM_EPSILON))
        for k in range(i * width, (i + 1) * width, LANES):
            vector.store(out, k, vector.multiply(vector.load(out, k), scale))


@part
def add_bias(rows, bias):  # type: ignore[no-untyped-def]
    """``rows += bias``; (n, width), (width,)."""
    n, width = rows.shape
    for i in range(n):
        for k in range(0, width, LANES):
            place = i * width + k
            vector.store(rows, place, vector.add(vector.load(rows, place), vector.load(bias, k)))


@part
def add_rows_and_bias(rows, added, bias):  # type: ignore[no-untyped-def]
    """``rows += added + bias``; (n, width), (n, width), (width,)."""
    n, width = rows.shape
    for i in range(n):
        for k in range(0, width, LANES):
            place = i * width + k
            both = vector.add(vector.load(added, place), vector.load(bias, k))
            vector.store(rows, place, vector.add(vector.load(rows, place), both))


@part
def add_bias_and_cut(rows, bias):  # type: ignore[no-untyped-def]
    """``rows = max(rows + bias, 0)``; (n, width), (width,)."""
    n, width = rows.shape
    zero = vector.constant(rows, 0.0)
    for i in range(n):
        for k in range(0, width, LANES):
            place = i * width + k
            value = vector.add(vector.load(rows, place), vector.load(bias, k))
            vector.store(rows, place, vector.larger(value, zero))


__all__ = ["NORM_EPSILON", "add_bias", "add_bias_and_cut", "add_rows_and_bias", "normalise"]
