"""How a campaign stands, in words: what is set aside is named, and what it means for the normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smartbkg.campaign.failures import FailedChunk
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.status import ChunkMetrics, Status
from smartbkg.campaign.watch.text import failure_lines, skim_lines


def status(n_failed: int, damaged: int = 0) -> Status:
    failed = [FailedChunk(chunk, 3, "disk full", Path(f"{chunk}.json")) for chunk in range(n_failed)]
    return Status(
        40, np.zeros(40, dtype=np.bool_), Ledger(), ChunkMetrics.of(40), failed,
        [f"record {k}" for k in range(damaged)], attempts=3,
    )  # fmt: skip


def test_nothing_wrong_says_nothing() -> None:
    assert failure_lines(status(0)) == []
    assert skim_lines(Ledger()) == []


def test_a_chunk_that_may_be_tried_again_is_not_set_aside() -> None:
    one = status(1)
    one.attempts = 4
    assert failure_lines(one) == []
    assert one.pending[0] == 0


def test_chunks_set_aside_are_named_up_to_ten_and_the_sums_explained() -> None:
    lines = failure_lines(status(12, damaged=2))
    assert sum(line.startswith("set aside: chunk") for line in lines) == 10
    assert "... and 2 more" in lines
    assert any("smartbkg campaign retry" in line for line in lines)
    assert lines[-2:] == ["damaged: record 0", "damaged: record 1"]
    assert "(log: 3.json)" in lines[3]
