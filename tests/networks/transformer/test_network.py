"""What must not change a score does not, and what the network should see it sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic import random_events

from smartbkg.errors import ModelError
from smartbkg.events import EventBatch
from smartbkg.graphs import GraphRule, build_graphs
from smartbkg.graphs.collate import collate
from smartbkg.networks.architectures import build_model
from smartbkg.networks.layers import attend_to_family
from smartbkg.networks.transformer.relations import MANY_STEPS, SHARED_KINDS, ancestors_or_self, relations

ARCHITECTURES = ["transformer", "deepset", "gcn", "gatgap", "gat2"]


def network(architecture: str = "transformer", **config: object) -> torch.nn.Module:
    torch.manual_seed(5)
    return build_model({"architecture": architecture, "n_skims": 3, **config}).eval()


def logits(model: torch.nn.Module, batch: EventBatch, process: int = 0) -> np.ndarray:
    graphs = build_graphs(batch, GraphRule())
    with torch.inference_mode():
        return model(collate(graphs, np.full(len(batch), process))).numpy()


def with_columns(batch: EventBatch, **columns: np.ndarray) -> EventBatch:
    return EventBatch.from_columns(batch.counts, batch.event, {**batch.particle, **columns})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_events_do_not_know_their_neighbours(architecture):
    batch = random_events(40, seed=1)
    model = network(architecture)
    together = logits(model, batch)
    order = np.random.default_rng(0).permutation(40)
    assert np.allclose(logits(model, batch.select(order)), together[order], atol=1e-5)
    alone = np.concatenate([logits(model, batch.slice(i, i + 1)) for i in range(40)])
    assert np.allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_order_of_particles_does_not_matter_as_long_as_the_first_stays(architecture):
    batch = random_events(20, seed=2)
    random = np.random.default_rng(1)
    shuffled = np.concatenate(
        [np.r_[start, start + 1 + random.permutation(stop - start - 1)] for start, stop in
         zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]
    )  # fmt: skip
    permuted = with_columns(batch, **{name: column[shuffled] for name, column in batch.particle.items()})
    model = network(architecture)
    assert np.allclose(logits(model, permuted), logits(model, batch), atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_events_without_particles_have_a_finite_score(architecture):
    batch = random_events(3)
    nothing = with_columns(batch, status=np.zeros(batch.n_particles))
    result = logits(network(architecture), nothing)
    assert result.shape == (3, 3)
    assert np.isfinite(result).all()
    assert np.ptp(result, axis=0).max() < 1e-6


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_thousand_particles(architecture):
    counts = np.array([2000])
    source = random_events(120, seed=3)
    columns = {name: column[:2000] for name, column in source.particle.items()}
    columns["arrayIndex"], columns["motherIndex"] = np.arange(2000), np.maximum(np.arange(2000) // 3 - 1, -1)
    event = {"experiment": [0], "run": [0], "evtNum": [1]}
    assert np.isfinite(logits(network(architecture), EventBatch.from_columns(counts, event, columns))).all()


@pytest.mark.parametrize("architecture", ["transformer", "gat2"])
def test_rotation_about_the_beam_changes_nothing_where_that_is_promised(architecture):
    batch = random_events(20, seed=4)
    angle = 1.234
    turned = {}
    for first, second in (("px", "py"), ("x", "y")):
        a, b = batch.particle[first].astype(float), batch.particle[second].astype(float)
        turned[first], turned[second] = a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)
    rotated = with_columns(batch, **turned)
    model = network(architecture)
    assert np.allclose(logits(model, rotated), logits(model, batch), atol=2e-5)
    plain = network(architecture, is_azimuth_invariant=False)
    assert np.abs(logits(plain, rotated) - logits(plain, batch)).max() > 1e-3


@pytest.mark.parametrize("architecture", ["transformer", "gat2"])
def test_mothers_and_processes_are_seen(architecture):
    batch = random_events(20, seed=6)
    model = network(architecture)
    orphans = with_columns(batch, motherIndex=np.full(batch.n_particles, -1))
    assert np.abs(logits(model, orphans) - logits(model, batch)).max() > 1e-3
    assert np.abs(logits(model, batch, process=1) - logits(model, batch)).max() > 1e-3


def test_edge_types_decide_whom_attention_hears():
    graphs = build_graphs(random_events(3, seed=7), GraphRule())
    batch = collate(graphs, np.zeros(3, dtype=np.int64))
    node = torch.randn(batch.n_nodes, 8, generator=torch.Generator().manual_seed(1))
    vectors = torch.zeros(2, 2, 4)
    only_itself = attend_to_family(node, *vectors, batch, torch.tensor([[50.0] * 2, [0.0] * 2, [0.0] * 2]))
    assert torch.allclose(only_itself, node, atol=1e-6)
    child = torch.nonzero(batch.mother >= 0)[:, 0]
    only_mother = attend_to_family(node, *vectors, batch, torch.tensor([[0.0] * 2, [50.0] * 2, [0.0] * 2]))
    assert torch.allclose(only_mother[child], node[batch.mother[child]], atol=1e-6)


def test_relations_of_a_small_decay():
    #  0 → 1, 2;  1 → 3;  3 → 4;  2 → 5;  6 stands alone
    mother = torch.tensor([-1, 0, 0, 1, 3, 2, -1])

    def relation(up: int, down: int, shared: int) -> int:
        return (up * (MANY_STEPS + 1) + down) * SHARED_KINDS + shared

    table = relations(mother)
    assert table[3, 1] == relation(1, 0, 2)  # mother
    assert table[1, 3] == relation(0, 1, 2)  # daughter
    assert table[1, 2] == relation(1, 1, 1)  # sibling, other B
    assert table[4, 5] == relation(3, 2, 1)
    assert table[4, 4] == relation(0, 0, 2)
    assert table[6, 4] == relation(1, 3, 0)  # nothing in common; four steps count as three


def test_mothers_in_a_circle_end():
    lineage = ancestors_or_self(torch.tensor([1, 2, 0, -1]))
    assert lineage[:3, :3].eq(1).all()
    assert lineage[3].tolist() == [0, 0, 0, 1]


def test_graph_convolution_has_the_published_number_of_parameters():
    model = build_model({"architecture": "gcn"})
    assert sum(parameter.numel() for parameter in model.parameters()) == 138_729


def test_configuration_mistakes_are_named():
    with pytest.raises(ModelError, match="multiple of heads"):
        network(width=30)
    with pytest.raises(ModelError, match="needs the features prodTime"):
        network(features=("energy", "x", "y", "z", "px", "py", "pz"), num_features=7)
    with pytest.raises(ModelError, match="did you mean 'heads'"):
        network(head=3)
