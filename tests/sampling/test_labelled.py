"""Events whose fate is known: checked columns, selections, means over what each event stands for."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import DatasetError, PolicyError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents

SCORE = np.array([0.1, 0.4, 0.8, 0.2])
LABEL = np.array([0.0, 1.0, 1.0, 0.0])


def test_one_skim_may_come_as_a_flat_column() -> None:
    events = LabelledEvents.from_arrays(SCORE, LABEL)
    assert events.score.shape == events.label.shape == (4, 1)
    assert len(events) == 4
    np.testing.assert_array_equal(events.weight, 1)
    np.testing.assert_array_equal(events.multiplicity, 1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"score": SCORE[:3]}, DatasetError, r"scores \(3,\) and labels \(4,\): expected \(3, 1\)"),
        ({"skims": ("a", "b")}, DatasetError, r"expected \(4, 2\) for \['a', 'b'\]"),
        ({"score": SCORE + 1}, PolicyError, "score"),
        ({"label": LABEL * 2}, PolicyError, "label"),
        ({"label": np.zeros(4)}, DatasetError, "none of 4 events passes 'skim'"),
        ({"weight": np.array([1, np.nan, 1, 1])}, PolicyError, "weight of event 1 is nan"),
        ({"multiplicity": np.array([1, 1, np.inf, 1])}, PolicyError, "weight of event 2 is inf"),
        ({"oracle": np.full(4, 1.5)}, PolicyError, "oracle"),
    ],
)
def test_columns_that_cannot_be_are_refused(changes: dict[str, object], error: type[Exception], message: str) -> None:
    arguments: dict[str, object] = {"score": SCORE, "label": LABEL} | changes
    with pytest.raises(error, match=message):
        LabelledEvents.from_arrays(**arguments)  # type: ignore[arg-type]


def test_a_selection_takes_every_column_along() -> None:
    events = LabelledEvents.from_arrays(
        SCORE, LABEL, weight=np.arange(4.0), multiplicity=np.arange(4.0) + 1, process=["a", "b", "a", "b"],
        simulation_cost=np.arange(4.0) * 10, oracle=SCORE / 2,
    )  # fmt: skip
    chosen = events.select(np.array([False, True, False, True]))
    np.testing.assert_array_equal(chosen.weight, [1, 3])
    np.testing.assert_array_equal(chosen.multiplicity, [2, 4])
    assert chosen.process is not None
    assert chosen.process.tolist() == ["b", "b"]
    assert chosen.simulation_cost is not None
    np.testing.assert_array_equal(chosen.simulation_cost, [10, 30])
    assert chosen.oracle is not None
    np.testing.assert_allclose(chosen.oracle[:, 0], [0.2, 0.1])
    np.testing.assert_array_equal(chosen.score[:, 0], SCORE[[1, 3]])


def test_means_count_each_event_as_often_as_it_stands_for_generated_ones() -> None:
    events = LabelledEvents.from_arrays(SCORE, LABEL, multiplicity=[1, 1, 1, 7])
    assert events.mean(events.label)[0] == pytest.approx(0.2)


def test_weights_of_one_size_are_no_weights_whatever_their_sign() -> None:
    assert not LabelledEvents.from_arrays(SCORE, LABEL, weight=[2, -2, 2, 2 + 1e-8]).is_weighted
    assert LabelledEvents.from_arrays(SCORE, LABEL, weight=[2, -2, 2, 2.1]).is_weighted


def test_generator_weights_and_costs_move_the_policy_only_where_they_differ() -> None:
    costs = Costs(0.1, 0.5, 100.0)
    plain = LabelledEvents.from_arrays(SCORE, LABEL)
    signs = LabelledEvents.from_arrays(SCORE, LABEL, weight=[3, -3, 3, -3])
    policy = plain.solve(costs, 100.0, None)
    np.testing.assert_array_equal(signs.keep_probability(policy), plain.keep_probability(policy))
    heavy = LabelledEvents.from_arrays(SCORE, LABEL, weight=[1, 1, 1, 50])
    q = heavy.keep_probability(heavy.solve(costs, 100.0, None))
    assert q[3] > q[1], "the heavy event is worth more than a likelier light one"
    slow = LabelledEvents.from_arrays(SCORE, LABEL, simulation_cost=[100, 100, 10_000, 100])
    q_slow = slow.keep_probability(slow.solve(costs, 100.0, None))
    assert q_slow[2] < q_slow[1], "so slow an event is worth less than a less likely fast one"
