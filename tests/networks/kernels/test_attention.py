"""Attention among the tokens of one event, against torch, for numbers of tokens around a tile and a panel."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pytest
import torch

from smartbkg.networks.kernels.attention import QUERY_ROWS, attend, whole_tiles
from smartbkg.networks.kernels.matrix import PANEL, TILE_ROWS
from smartbkg.networks.kernels.vector import LANES

HEADS, HEAD_WIDTH = 2, PANEL
WIDTH = HEADS * HEAD_WIDTH


class Work(NamedTuple):
    packed_key: np.ndarray
    score: np.ndarray
    inverse: np.ndarray
    lanes: np.ndarray


@numba.njit
def run_attend(query, n_queries, key_value, key_row, length, bias, work, mixed):  # type: ignore[no-untyped-def]
    attend(query, 0, n_queries, key_value, key_row, length, HEAD_WIDTH, bias, 0, work, mixed)


@numba.njit
def run_whole_tiles(n):  # type: ignore[no-untyped-def]
    return whole_tiles(n)


def test_rows_are_filled_up_to_whole_tiles() -> None:
    assert [run_whole_tiles(n) for n in (0, 1, TILE_ROWS, TILE_ROWS + 1)] == [0, TILE_ROWS, TILE_ROWS, 2 * TILE_ROWS]


@pytest.mark.parametrize("length", [1, TILE_ROWS, PANEL, PANEL + 1, QUERY_ROWS + 3])
@pytest.mark.parametrize("n_queries", [1, None])
def test_attention_is_that_of_torch(length: int, n_queries: int | None) -> None:
    random = np.random.default_rng(length)
    n, key_row, wide = n_queries or length, 2, -(-length // PANEL) * PANEL
    query = np.zeros((n + 2 * TILE_ROWS, WIDTH), dtype=np.float32)
    query[:n] = random.normal(size=(n, WIDTH))
    key_value = random.normal(size=(key_row + length, 2 * WIDTH)).astype(np.float32)
    bias = np.full((HEADS, length, wide), -1e30, dtype=np.float32)
    bias[:, :, :length] = random.normal(size=(HEADS, length, length))
    work = Work(
        *(np.empty(size, dtype=np.float32) for size in (wide * HEAD_WIDTH, QUERY_ROWS * wide, QUERY_ROWS, LANES))
    )
    mixed = np.zeros_like(query)
    run_attend(query, n, key_value, key_row, length, bias.ravel(), work, mixed)

    def heads(rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(rows.astype(np.float64)).view(len(rows), HEADS, HEAD_WIDTH).transpose(0, 1)

    key, value = heads(key_value[key_row:, :WIDTH]), heads(key_value[key_row:, WIDTH:])
    logits = heads(query[:n]) @ key.transpose(1, 2) + torch.from_numpy(bias[:, :n, :length].astype(np.float64))
    expected = (torch.softmax(logits, dim=-1) @ value).transpose(0, 1).reshape(n, WIDTH).numpy()
    np.testing.assert_allclose(mixed[:n], expected, rtol=2e-5, atol=2e-5)
