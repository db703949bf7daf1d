"""Networks to compare with: what each may know and what not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks.graphs_for_tests import random_graphs

from smartbkg.graphs import DecayGraphs
from smartbkg.graphs.collate import collate
from smartbkg.networks import build_model


def logits(name: str, graphs: DecayGraphs, **config: object) -> np.ndarray:
    torch.manual_seed(1)
    model = build_model({"architecture": name, "units": 16} | config).eval()
    with torch.inference_mode():
        return np.asarray(model(collate(graphs)))


GRAPHS = random_graphs(3, [6, 1, 9])


def test_no_network_says_nothing_of_any_event() -> None:
    torch.manual_seed(1)
    model = build_model({"architecture": "none", "n_skims": 2})
    assert not list(model.parameters())
    np.testing.assert_array_equal(model(collate(GRAPHS)).numpy(), np.zeros((3, 2)))


def test_a_deep_set_does_not_see_who_is_whose_mother_and_graph_convolutions_do() -> None:
    orphans = GRAPHS._replace(mother=np.full_like(GRAPHS.mother, -1))
    np.testing.assert_array_equal(logits("deepset", GRAPHS), logits("deepset", orphans))
    assert (np.abs(logits("gcn", GRAPHS) - logits("gcn", orphans))[[0, 2]] > 1e-6).all()


@pytest.mark.parametrize("name", ["deepset", "gcn"])
def test_the_order_of_particles_changes_nothing(name: str) -> None:
    order = np.array([0, 3, 1, 5, 2, 4])
    place = np.argsort(order)
    one = random_graphs(5, [6])
    turned = one._replace(
        token=one.token[order],
        feature=one.feature[order],
        mother=np.where(one.mother[order] < 0, -1, place[one.mother[order]]).astype(np.int32),
    )
    np.testing.assert_allclose(logits(name, one), logits(name, turned), rtol=1e-5, atol=1e-6)


def test_a_deep_set_sees_how_many_particles_there_are() -> None:
    one = random_graphs(5, [1])
    doubled = one._replace(
        offsets=np.array([0, 2]), token=np.repeat(one.token, 2), feature=np.repeat(one.feature, 2, axis=0),
        mother=np.array([-1, -1], dtype=np.int32), particle=np.arange(2),
    )  # fmt: skip
    assert abs(logits("deepset", one) - logits("deepset", doubled)).max() > 1e-5  # equal means, unequal numbers
