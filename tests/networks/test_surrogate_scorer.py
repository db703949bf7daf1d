"""Network and surrogate together: asked once per event, counted, and the network alone where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_surrogate import ToySurrogate, toy_events

from smartbkg.errors import ModelError
from smartbkg.graphs import GraphRule
from smartbkg.networks.scorer import Scorer
from smartbkg.networks.surrogate_scorer import SurrogateScorer
from smartbkg.scores.calibration import Affine
from smartbkg.scores.logistic import expit
from smartbkg.surrogate.combination import N_OWN, Combination
from smartbkg.surrogate.prior import BetaPrior
from smartbkg.surrogate.stored import SurrogateRecord

FOLLOWS_NETWORK = BetaPrior((0.0, 4.0, 0.0), (0.0, 0.0))  # mean = the network's score, one event's worth
COMBINATION = Combination((FOLLOWS_NETWORK,), ((0.0,) * N_OWN,))


def network() -> Scorer:
    def backend(graphs, process):  # type: ignore[no-untyped-def]
        return (np.arange(graphs.n_events, dtype=np.float32)[:, None] % 5) - 4

    return Scorer(backend, skims=("tag",), graph_rule=GraphRule(), calibration=Affine((1.0,), (-0.5,)), source="m")


def record(**changes: object) -> SurrogateRecord:
    made = SurrogateRecord.of(ToySurrogate(), ((4, COMBINATION), (16, COMBINATION)), seed=3, seconds_per_replica=0.01)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_scores_move_from_the_networks_towards_what_the_surrogate_saw() -> None:
    events = toy_events(200)
    scorer = SurrogateScorer(network(), record(), ToySurrogate())
    alone, both = network().scores(events)[:, 0], expit(scorer.logits(events).astype(float))[:, 0]
    share = (both * 17 - alone) / 16  # posterior mean (k + m) / (16 + 1)
    np.testing.assert_allclose(share * 16, np.round(share * 16), atol=1e-3)
    assert ((share > -1e-5) & (share < 1 + 1e-5)).all()
    np.testing.assert_array_equal(scorer.logits(events), scorer.logits(events))


def test_replicas_are_counted_and_cost_what_was_measured() -> None:
    scorer = SurrogateScorer(network(), record(n_replicas=4), ToySurrogate())
    assert scorer.seconds_per_event == pytest.approx(4 * 0.01), "before anything was asked"
    scorer.logits(toy_events(50))
    assert (scorer.n_asked, scorer.n_replicas) == (50, 200)
    assert scorer.seconds_per_event == pytest.approx(0.04)
    measured = record(trade=({"replicas": 16, "seconds": 0.3},))
    assert SurrogateScorer(network(), measured, ToySurrogate()).seconds_per_event == pytest.approx(0.3)


def test_what_is_recorded_of_it_and_what_it_must_read() -> None:
    scorer = SurrogateScorer(network(), record(), ToySurrogate())
    assert scorer.surrogate_settings["surrogate"]["name"] == "toy"
    assert scorer.surrogate_settings["surrogate"]["seed"] == 3
    assert scorer.reading_rule is None, "a simulation looks at particles that the graph leaves out"
    assert network().reading_rule is not None
    assert scorer.skims == ("tag",)


def test_a_score_of_another_number_of_skims_is_refused() -> None:
    two = Combination((FOLLOWS_NETWORK,) * 2, ((0.0,) * (N_OWN + 1),) * 2)
    with pytest.raises(ModelError, match="combined score of 2 skims, network of 1"):
        SurrogateScorer(network(), record(combinations=((16, two),)), ToySurrogate())


def test_counts_of_each_stage_rise() -> None:
    counts = SurrogateScorer(network(), record(), ToySurrogate()).count_stages(toy_events(80))
    assert counts.shape == (80, 2, 1)
    assert (np.diff(counts, axis=1) >= 0).all()
    assert counts.max() <= 16
