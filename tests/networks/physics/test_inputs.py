"""Torch's node inputs are those of the compiled kernel, and differentiable where a particle stands still."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smartbkg.networks.physics.inputs import PhysicsInputs
from smartbkg.networks.physics.kernel import NEEDED, physics_inputs


@pytest.mark.parametrize("is_invariant", [True, False])
def test_torch_and_kernel_give_the_same_numbers(is_invariant: bool) -> None:
    random = np.random.default_rng(3)
    feature = random.normal(0, 1, (30, 8)).astype(np.float32)
    feature[:, 1] = np.sqrt((feature[:, 5:] ** 2).sum(axis=1) + 0.14**2)
    daughters = random.integers(0, 5, 30).astype(np.float32)
    module = PhysicsInputs(NEEDED, 0.2725, is_azimuth_invariant=is_invariant)
    origin = torch.from_numpy(np.repeat(feature[:1], 30, axis=0))
    found = module(torch.from_numpy(feature), origin, torch.from_numpy(daughters)).numpy()
    expected = np.empty((30, module.n_inputs), dtype=np.float32)
    gamma = np.float32(module.gamma)
    physics_inputs.py_func(feature, np.arange(8), np.float32(0.2725), gamma, daughters, is_invariant, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_gradients_are_finite_for_a_particle_at_rest_at_the_origin() -> None:
    feature = torch.zeros(1, 8, requires_grad=True)
    inputs = PhysicsInputs(NEEDED, 0.2725, is_azimuth_invariant=False)(feature, feature, torch.zeros(1))
    inputs.sum().backward()  # type: ignore[no-untyped-call]
    assert feature.grad is not None
    assert torch.isfinite(feature.grad).all()
