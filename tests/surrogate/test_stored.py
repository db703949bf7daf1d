"""The record of a surrogate in a model: stages that rise, plain values, scores by the stage where replicas ended."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from toy_surrogate import ToySurrogate

from smartbkg.errors import ModelError
from smartbkg.surrogate.combination import N_OWN, Combination
from smartbkg.surrogate.prior import BetaPrior
from smartbkg.surrogate.replicas import Counts
from smartbkg.surrogate.stopping import StoppingRule
from smartbkg.surrogate.stored import SurrogateRecord, record_from_dict

PRIOR = BetaPrior((0.0, 4.0, 0.0), (0.0, 0.0))


def stage(offset: float) -> Combination:
    return Combination((PRIOR,), ((offset, *(0.0,) * (N_OWN - 1)),))


RECORD = SurrogateRecord.of(
    ToySurrogate(), ((4, stage(0.0)), (8, stage(1.0)), (16, stage(2.0))), n_replicas=8, seed=5,
    rule=StoppingRule(2.0, 50.0, (1.0,), 0.01), policy={"kind": "score"}, trade=({"replicas": 4, "seconds": 0.1},),
)  # fmt: skip


def test_a_record_survives_json() -> None:
    assert record_from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


def test_stages_up_to_the_number_of_replicas_are_used() -> None:
    assert RECORD.stages == (4, 8, 16)
    assert [number for number, _ in RECORD.used] == [4, 8]
    assert RECORD.n_skims == 1


def test_each_event_is_scored_by_the_stage_where_its_replicas_ended() -> None:
    network, passed = np.full((3, 1), -1.0), np.full((3, 1), 2, np.int32)
    counts = Counts(passed=passed, n_replicas=np.array([4, 8, 4], np.int32))
    found = RECORD.logits(network, counts)
    np.testing.assert_allclose(found[[0, 2]], stage(0.0).logits(network[[0, 2]], passed[[0, 2]], np.array([4, 4])))
    np.testing.assert_allclose(found[[1]], stage(1.0).logits(network[[1]], passed[[1]], np.array([8])))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_replicas": 5}, "5 replicas, expected one of 4, 8, 16"),
        ({"combinations": ((8, stage(0.0)), (4, stage(0.0)))}, "expected rising numbers"),
        ({"combinations": ()}, "expected rising numbers"),
    ],
)
def test_stages_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        replace(RECORD, **changes)  # type: ignore[arg-type]


def test_a_damaged_record_is_a_model_error() -> None:
    content = RECORD.to_dict()
    for wrong in ({"seed": "x"}, {"combinations": 3}):
        with pytest.raises(ModelError, match="surrogate is damaged"):
            record_from_dict(content | wrong)
    content.pop("rule")
    with pytest.raises(ModelError, match="surrogate is damaged"):
        record_from_dict(content)
