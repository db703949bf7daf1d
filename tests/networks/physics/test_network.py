"""What the physics networks begin with: daughters are counted, processes have a vector each."""

from __future__ import annotations

import numpy as np
import torch

from smartbkg.networks.config import PhysicsConfig
from smartbkg.networks.physics.network import PhysicsNetwork

CONFIG = PhysicsConfig(architecture="gat2", width=8, heads=2, num_pdg=20, processes=("a", "b"))


def network() -> PhysicsNetwork:
    torch.manual_seed(0)
    return PhysicsNetwork(CONFIG)


def test_a_daughter_more_changes_its_mother_alone() -> None:
    torch.manual_seed(1)
    feature, token, first = torch.rand(4, 8), torch.tensor([1, 2, 3, 4]), torch.zeros(4, dtype=torch.int64)
    model = network()
    with torch.inference_mode():
        two = model.nodes(feature, token, torch.tensor([-1, 0, 0, -1]), first)
        three = model.nodes(feature, token, torch.tensor([-1, 0, 0, 0]), first)
    changed = (two != three).any(dim=1)
    np.testing.assert_array_equal(changed.numpy(), [True, False, False, False])


def test_each_process_and_the_unknown_have_a_vector_of_their_own() -> None:
    with torch.inference_mode():
        state = network().process_state(torch.tensor([0, 1, -1, -7]))
    assert torch.equal(state[2], state[3])
    assert len({tuple(row.tolist()) for row in state}) == 3
