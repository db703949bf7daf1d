"""Attention among the tokens of one event, inside compiled kernels: no padding to the length of other events.

The keys of a head are turned into the order in which a tile of sums reads a matrix, and the queries go through in
blocks whose logits stay in the processor's cache: logits, softmax, and the mean of the values.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from smartbkg.compilation import part
from smartbkg.networks.kernels import vector
from smartbkg.networks.kernels.matrix import PANEL, TILE_ROWS
from smartbkg.networks.kernels.vector import LANES

#: Queries whose logits are held at a time; whole tiles.
QUERY_ROWS: Final = 8 * TILE_ROWS

_LOWEST: Final = np.float32(-1e30)


@part
def whole_tiles(n_rows):  # type: ignore[no-untyped-def]
    """The number of rows in whole tiles: a rest of rows one by one takes longer than a tile."""
    return -(-n_rows // TILE_ROWS) * TILE_ROWS


@part
def multiply_panel(  # type: ignore[no-untyped-def]
    left, left_start, left_stride, n_rows, depth, right, right_start, right_stride, out, out_start, out_stride
):
    """`PANEL` columns of a product: ``out[i, :] = Σ_k left[i, k] · right[k, :]``.

    ``left``, ``right`` and ``out`` are C-contiguous; row i of each begins at the flat position start + i · stride.
    """
    zero = vector.constant(left, 0.0)
    row = 0
    while row + TILE_ROWS <= n_rows:
        a = left_start + row * left_stride
        s0 = s1 = s2 = s3 = s4 = t0 = t1 = t2 = t3 = t4 = zero
        for k in range(depth):
            place = right_start + k * right_stride
            low, high = vector.load(right, place), vector.load(right, place + LANES)
            value = vector.load_spread(left, a + k)
            s0, t0 = vector.multiply_add(value, low, s0), vector.multiply_add(value, high, t0)
            value = vector.load_spread(left, a + left_stride + k)
            s1, t1 = vector.multiply_add(value, low, s1), vector.multiply_add(value, high, t1)
            value = vector.load_spread(left, a + 2 * left_stride + k)
            s2, t2 = vector.multiply_add(value, low, s2), vector.multiply_add(value, high, t2)
            value = vector.load_spread(left, a + 3 * left_stride + k)
            s3, t3 = vector.multiply_add(value, low, s3), vector.multiply_add(value, high, t3)
            value = vector.load_spread(left, a + 4 * left_stride + k)
            s4, t4 = vector.multiply_add(value, low, s4), vector.multiply_add(value, high, t4)
        for i, (low, high) in enumerate(((s0, t0), (s1, t1), (s2, t2), (s3, t3), (s4, t4))):
            place = out_start + (row + i) * out_stride
            vector.store(out, place, low)
            vector.store(out, place + LANES, high)
        row += TILE_ROWS
    while row < n_rows:
        s0 = t0 = zero
        for k in range(depth):
            value = vector.load_spread(left, left_start + row * left_stride + k)
            s0 = vector.multiply_add(value, vector.load(right, right_start + k * right_stride), s0)
            t0 = vector.multiply_add(value, vector.load(right, right_start + k * right_stride + LANES), t0)
        vector.store(out, out_start + row * out_stride, s0)
        vector.store(out, out_start + row * out_stride + LANES, t0)
        row += 1


@part
def pack_keys(key_value, first_row, length, column, head_width, packed):  # type: ignore[no-untyped-def]
    """Keys of a head in panels of `PANEL` tokens, head width × tokens; zeros where the last panel has none."""
    width = key_value.shape[1]
    panels = -(-length // PANEL)
    packed[(panels - 1) * head_width * PANEL : panels * head_width * PANEL] = 0
    keys, out = key_value.reshape(-1), packed
    for j in range(length):
        source = (first_row + j) * width + column
        target = (j // PANEL) * head_width * PANEL + j % PANEL
        for k in range(head_width):
            out[target + k * PANEL] = keys[source + k]


@part
def soften(score, bias, bias_start, n_rows, wide, inverse, lanes):  # type: ignore[no-untyped-def]
    """Rows of logits → exp(logit + bias - largest), and in ``inverse`` (n_rows,) one over the sum of each row.

    Parameters
    ----------
    score : (n_rows * wide,) logits, overwritten.
    bias, bias_start : that of the first logit is ``bias[bias_start]``.
    lanes : (`LANES`,) workspace.
    """
    for i in range(n_rows):
        start, stop, shift = i * wide, (i + 1) * wide, bias_start
        highest = vector.constant(score, _LOWEST)
        for k in range(start, stop, LANES):
            value = vector.add(vector.load(score, k), vector.load(bias, shift + k))
            vector.store(score, k, value)
            highest = vector.larger(value, highest)
        vector.store(lanes, 0, highest)
        left = max(max(lanes[0], lanes[1]), max(lanes[2], lanes[3]))
        right = max(max(lanes[4], lanes[5]), max(lanes[6], lanes[7]))
        largest = vector.spread(max(left, right))
        total = vector.constant(score, 0.0)
        for k in range(start, stop, LANES):
            value = vector.exponential(vector.subtract(vector.load(score, k), largest))
            vector.store(score, k, value)
            total = vector.add(total, value)
        inverse[i] = np.float32(1.0) / vector.sum_of(total)


@part
def attend(  # type: ignore[no-untyped-def]
    query, query_row, n_queries, key_value, key_row, length, head_width, bias, bias_start, work, mixed
):
    """Attention output of some query tokens over all tokens of their event.

    Parameters
    ----------
    query : (rows, width) the event's queries are the rows from ``query_row``, multiplied with the logits' scale.
    key_value : (rows, 2 · width) keys, then values; the event's tokens are the ``length`` rows from ``key_row``.
    bias, bias_start : (heads, length, wide) flat from ``bias_start``, ``wide`` = length in whole panels; -1e30 where
        there is no token.
    work : `smartbkg.networks.transformer.kernels.Workspace`.
    mixed : (rows, width) out, the rows from ``query_row``; up to `TILE_ROWS` - 1 rows behind them are overwritten.
    """
    width = query.shape[1]
    wide = -(-length // PANEL) * PANEL
    for head in range(width // head_width):
        column = head * head_width
        pack_keys(key_value, key_row, length, column, head_width, work.packed_key)
        for first in range(0, n_queries, QUERY_ROWS):
            n = min(QUERY_ROWS, n_queries - first)
            n_rows = 1 if n == 1 else whole_tiles(n)
            place = (query_row + first) * width + column
            for panel in range(0, wide, PANEL):
                multiply_panel(
                    query, place, width, n_rows, head_width, work.packed_key, panel * head_width, PANEL,
                    work.score, panel, wide,
                )  # fmt: skip
            row_bias = bias_start + (head * length + first) * wide
            soften(work.score, bias, row_bias, n, wide, work.inverse, work.lanes)
            for panel in range(0, head_width, PANEL):
                values = key_row * 2 * width + width + column + panel
                multiply_panel(
                    work.score, 0, wide, n_rows, length, key_value, values, 2 * width, mixed, place + panel, width
                )
            for i in range(n):
                scale = vector.load_spread(work.inverse, i)
                for k in range(place + i * width, place + i * width + head_width, LANES):
                    vector.store(mixed, k, vector.multiply(vector.load(mixed, k), scale))


__all__ = ["QUERY_ROWS", "attend", "multiply_panel", "pack_keys", "soften", "whole_tiles"]
