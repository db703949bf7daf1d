"""Products of a tall matrix of nodes with a small one of weights, inside compiled kernels.

A BLAS call for the nodes of one event spends its time on packing and dispatch, brings its own threads, and its speed
depends on which BLAS numpy was built with. Here the small matrix is packed once, when the model is loaded, and a
register tile of `TILE_ROWS` × `PANEL` sums runs over it (the micro-kernel of doi:10.1145/1356052.1356053).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import part
from smartbkg.networks.kernels import vector

#: Columns of a panel: two vectors.
PANEL: Final = 2 * vector.LANES
#: Rows of a tile in `multiply`, which is unrolled by hand: numba keeps neither a loop over rows nor a tuple of sums in
#: registers. 5 rows × 2 vectors are 10 sums: as many independent multiply-adds as are under way at once (latency 4 to
#: 5 cycles, two started per cycle), and with two vectors of weights and one of the left matrix 13 of AVX2's 16
#: registers. Fewer rows leave the unit idle, more spill to memory.
TILE_ROWS: Final = 5
#: Rows of a tile in `add_transposed_product`: 8 sums, since each step also loads two vectors of the right matrix.
_TRANSPOSED_ROWS: Final = 4


def padded(width: int) -> int:
    """The width that is a whole number of panels."""
    return -(-width // PANEL) * PANEL


def pack(weights: NDArray[Any]) -> NDArray[Any]:
    """A matrix in the order in which `multiply` reads it.

    Parameters
    ----------
    weights : (depth, width), width a whole number of panels.

    Returns
    -------
    (width * depth,) in the type of the weights: panel after panel of `PANEL` columns.
    """
    depth, _ = weights.shape
    return np.ascontiguousarray(weights.reshape(depth, -1, PANEL).transpose(1, 0, 2)).ravel()


@part
def multiply(left, packed, start, out):  # type: ignore[no-untyped-def]
    """``out[:] = left @ weights``, all of one floating type and in C order.

    Parameters
    ----------
    left : (n_rows, depth).
    packed, start : the weights, as `pack` returns them, begin at ``packed[start]``.
    out : (n_rows, width).
    """
    n_rows, depth = left.shape
    width = out.shape[1]
    zero = vector.constant(left, 0.0)
    for column in range(0, width, PANEL):
        panel = start + column * depth
        row = 0
        while row + TILE_ROWS <= n_rows:
            a = row * depth
            s0 = s1 = s2 = s3 = s4 = t0 = t1 = t2 = t3 = t4 = zero
            for k in range(depth):
                low = vector.load(packed, panel + k * PANEL)
                high = vector.load(packed, panel + k * PANEL + vector.LANES)
                value = vector.load_spread(left, a + k)
                s0, t0 = vector.multiply_add(value, low, s0), vector.multiply_add(value, high, t0)
                value = vector.load_spread(left, a + depth + k)
                s1, t1 = vector.multiply_add(value, low, s1), vector.multiply_add(value, high, t1)
                value = vector.load_spread(left, a + 2 * depth + k)
                s2, t2 = vector.multiply_add(value, low, s2), vector.multiply_add(value, high, t2)
                value = vector.load_spread(left, a + 3 * depth + k)
                s3, t3 = vector.multiply_add(value, low, s3), vector.multiply_add(value, high, t3)
                value = vector.load_spread(left, a + 4 * depth + k)
                s4, t4 = vector.multiply_add(value, low, s4), vector.multiply_add(value, high, t4)
            for i, (low, high) in enumerate(((s0, t0), (s1, t1), (s2, t2), (s3, t3), (s4, t4))):
                vector.store(out, (row + i) * width + column, low)
                vector.store(out, (row + i) * width + column + vector.LANES, high)
            row += TILE_ROWS
        while row < n_rows:
            s0 = t0 = zero
            for k in range(depth):
                value = vector.load_spread(left, row * depth + k)
                s0 = vector.multiply_add(value, vector.load(packed, panel + k * PANEL), s0)
                t0 = vector.multiply_add(value, vector.load(packed, panel + k * PANEL + vector.LANES), t0)
            vector.store(out, row * width + column, s0)
            vector.store(out, row * width + column + vector.LANES, t0)
            row += 1


@part
def add_transposed_product(left, right, out):  # type: ignore[no-untyped-def]
    """``out += left.T @ right``, the gradient of a matrix, all of one floating type and in C order.

    Parameters
    ----------
    left : (n_rows, height), height a multiple of `_TRANSPOSED_ROWS`.
    right : (n_rows, width), width a whole number of panels.
    out : (height, width).
    """
    n_rows, height = left.shape
    width = right.shape[1]
    for column in range(0, width, PANEL):
        for row in range(0, height, _TRANSPOSED_ROWS):
            place = row * width + column
            s0, t0 = vector.load(out, place), vector.load(out, place + vector.LANES)
            s1, t1 = vector.load(out, place + width), vector.load(out, place + width + vector.LANES)
            s2, t2 = vector.load(out, place + 2 * width), vector.load(out, place + 2 * width + vector.LANES)
            s3, t3 = vector.load(out, place + 3 * width), vector.load(out, place + 3 * width + vector.LANES)
            for k in range(n_rows):
                low = vector.load(right, k * width + column)
                high = vector.load(right, k * width + column + vector.LANES)
                a = k * height + row
                value = vector.load_spread(left, a)
                s0, t0 = vector.multiply_add(value, low, s0), vector.multiply_add(value, high, t0)
                value = vector.load_spread(left, a + 1)
                s1, t1 = vector.multiply_add(value, low, s1), vector.multiply_add(value, high, t1)
                value = vector.load_spread(left, a + 2)
                s2, t2 = vector.multiply_add(value, low, s2), vector.multiply_add(value, high, t2)
                value = vector.load_spread(left, a + 3)
                s3, t3 = vector.multiply_add(value, low, s3), vector.multiply_add(value, high, t3)
            for i, (low, high) in enumerate(((s0, t0), (s1, t1), (s2, t2), (s3, t3))):
                vector.store(out, place + i * width, low)
                vector.store(out, place + i * width + vector.LANES, high)


def _check_tile(function: Any, rows: int) -> None:
    """Refuse a tile whose sums ``s0, s1, ...`` are not as many as the loop around it takes rows."""
    names = function.py_func.__code__.co_varnames
    n_sums = sum(name[:1] == "s" and name[1:].isdigit() for name in names)
    if n_sums != rows:
        raise ImportError(f"{function.__name__} is unrolled by hand to {n_sums} rows, and its loop takes {rows}")


_check_tile(multiply, TILE_ROWS)
_check_tile(add_transposed_product, _TRANSPOSED_ROWS)

__all__ = ["PANEL", "add_transposed_product", "multiply", "pack", "padded"]
