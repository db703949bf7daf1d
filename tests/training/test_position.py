"""The place of a training survives its checkpoint."""

from __future__ import annotations

import json

from smartbkg.training.position import Position
from smartbkg.training.progress.reporting import EpochMetrics
from smartbkg.training.schedule import Progress


def test_a_position_is_the_same_after_json() -> None:
    row = EpochMetrics(*range(len(EpochMetrics._fields)))
    position = Position(3, 17, 4.5, 0.5, 1, Progress(0.2, 2, 1, 1, 1.0), [row, row])
    assert Position.from_dict(json.loads(json.dumps(position.to_dict()))) == position


def test_two_positions_share_no_history() -> None:
    first, second = Position(), Position()
    first.history.append(EpochMetrics(*range(len(EpochMetrics._fields))))
    assert second.history == []
