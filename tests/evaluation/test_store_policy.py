"""A solved policy back into a model file: for all skims, or beside those of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks.test_bundle import small_bundle

from smartbkg.errors import ModelError, UsageError
from smartbkg.evaluation.store_policy import store_policy
from smartbkg.networks import load_bundle, save_bundle
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.plan import Plan, make_plan
from smartbkg.scores.calibration import Affine


def plan(*skims: str) -> Plan:
    random = np.random.default_rng(2)
    score = random.beta(0.5, 6, (1500, len(skims)))
    label = (random.random(score.shape) < score).astype(float)
    return make_plan(LabelledEvents.from_arrays(score, label, skims=skims), Costs(0.1, 0.5, 100.0), n_replicas=5)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    save_bundle(path, small_bundle())
    return path


def test_a_policy_for_all_skims_becomes_the_models_and_the_weights_stay(model: Path, tmp_path: Path) -> None:
    skims = small_bundle().skims
    made = plan(*skims)
    store_policy(model, made, tmp_path / "n.safetensors")
    bundle = load_bundle(tmp_path / "n.safetensors")
    assert bundle.policy is not None
    assert bundle.policy["lambda"] == made.recommended.lambda_
    assert bundle.policy["skims"] == list(skims)
    assert bundle.metrics["plan"]["speed_up"] == made.outlooks[0].speed_up.value
    for name, values in load_bundle(model).state.items():
        np.testing.assert_array_equal(bundle.state[name], values)


def test_a_policy_for_one_skim_stands_beside_the_others(model: Path) -> None:
    first, second = small_bundle().skims
    before = load_bundle(model).policy
    for skim in (first, second):
        store_policy(model, plan(skim), model)
    policies = load_bundle(model).policy["policies"]  # type: ignore[index]
    assert {first, second} <= set(policies)
    if before is not None and before.get("kind") != "by_skim":
        assert policies[f"{first}+{second}"]["kind"] == before["kind"]


def test_a_new_calibration_replaces_the_models(model: Path) -> None:
    calibration = Affine((0.5, 0.6), (0.1, 0.2))
    store_policy(model, plan(*small_bundle().skims), model, calibration)
    assert load_bundle(model).calibration == calibration


def test_other_formats_and_unknown_skims_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"in \.safetensors only: `smartbkg model convert`"):
        store_policy(tmp_path / "m.pth", plan("a"), tmp_path / "n.safetensors")
    with pytest.raises(ModelError, match="has no skim 'a'"):
        store_policy(model, plan("a"), tmp_path / "n.safetensors")
    assert not (tmp_path / "n.safetensors").exists()
