"""Parts of the transformer's kernel: chunks of tokens, and the bias of every pair."""

from __future__ import annotations

import numba
import numpy as np

from smartbkg.networks.kernels.matrix import PANEL
from smartbkg.networks.transformer.kernels import CHUNK_TOKENS, bias_size, chunk_end, fill_bias
from smartbkg.networks.transformer.relation_kernel import N_RELATIONS


@numba.njit
def run_chunks(offsets):  # type: ignore[no-untyped-def]
    ends, begin = [0], 0
    while begin < len(offsets) - 1:
        begin = chunk_end(offsets, begin, len(offsets) - 1)
        ends.append(begin)
    return ends


@numba.njit
def run_bias(relation, n, table):  # type: ignore[no-untyped-def]
    bias = np.full(bias_size(n + 1, table.shape[1]), np.float32(np.nan))
    fill_bias(relation, n, table, 0, bias)
    return bias


def test_the_token_of_an_event_counts_too() -> None:
    counts = [CHUNK_TOKENS // 2 - 1, CHUNK_TOKENS // 2 - 1, 0, 5 * CHUNK_TOKENS, 1]
    assert list(run_chunks(np.concatenate([[0], np.cumsum(counts)]))) == [0, 2, 3, 4, 5]


def test_each_pair_has_the_bias_of_its_relation_and_padding_has_no_part() -> None:
    n, heads = 3, 2
    table = np.arange((N_RELATIONS + 2) * heads, dtype=np.float32).reshape(-1, heads)
    relation = np.arange(9, dtype=np.uint8).reshape(3, 3)
    bias = run_bias(relation, n, table).reshape(heads, n + 1, PANEL)
    for head in range(heads):
        np.testing.assert_array_equal(bias[head, 1:, 1 : n + 1], table[relation, head])
        np.testing.assert_array_equal(bias[head, 1:, 0], table[N_RELATIONS, head])
        np.testing.assert_array_equal(bias[head, 0, : n + 1], table[N_RELATIONS + 1, head])
    assert (bias[:, :, n + 1 :] < -1e29).all()
