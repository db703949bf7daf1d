from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conditions.payload_files import revision_in, write_revision
from synthetic import random_events

from smartbkg.conditions import ConditionsStore
from smartbkg.conditions.location import packaged_folder
from smartbkg.conditions.packaged import DEFAULT_PAYLOAD, DEFAULT_TAG, build_packaged_store, update_packaged_store
from smartbkg.conditions.resolve import resolve_payload
from smartbkg.conditions.store import DATABASE_NAME
from smartbkg.errors import ConditionsError
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling import policy_from_dict

#: Payload → skims of the models in the package; those with a surrogate are opened with it.
PAYLOADS = (
    ("GATGAPgen.safetensors", 1), ("SmartBackground", 10), ("GATGAPSurrogate", 1), ("SmartBackgroundSurrogate", 10),
)  # fmt: skip


def test_store_holds_one_published_tag(tmp_path: Path) -> None:
    build_packaged_store({DEFAULT_PAYLOAD: write_revision(tmp_path / "file", 1)}, tmp_path / "data")
    store = ConditionsStore(tmp_path / "data", is_immutable=True)
    assert [(tag.name, tag.status) for tag in store.tags()] == [(DEFAULT_TAG, "PUBLISHED")]
    assert revision_in(store.fetch(store.find(DEFAULT_TAG, DEFAULT_PAYLOAD, 1003, 0))) == 1


def test_new_store_replaces_the_old_one_and_a_failed_one_does_not(tmp_path: Path) -> None:
    for revision in (1, 2):
        build_packaged_store({"m": write_revision(tmp_path / "file", revision)}, tmp_path / "data")
    with pytest.raises(ConditionsError, match="cannot read"):
        build_packaged_store({"m": tmp_path / "absent"}, tmp_path / "data")
    store = ConditionsStore(tmp_path / "data")
    assert revision_in(store.fetch(store.find(DEFAULT_TAG, "m", 0, 0))) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file"]


def test_an_update_keeps_the_other_payloads(tmp_path: Path) -> None:
    folder, names = tmp_path / "data", ("network", "network with a surrogate")
    for name, revision in zip(names, (1, 2), strict=True):
        update_packaged_store({name.replace(" ", "_"): write_revision(tmp_path / "file", revision)}, folder)
    update_packaged_store({"network": write_revision(tmp_path / "file", 3)}, folder)
    store = ConditionsStore(folder, is_immutable=True)
    found = {name: revision_in(store.fetch(payload)) for name, payload in store.valid(DEFAULT_TAG, 0, 0).items()}
    assert found == {"network": 3, "network_with_a_surrogate": 2}


def test_command_explains_its_arguments() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "smartbkg.conditions.packaged", "model.pth"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "expected NAME=FILE" in result.stderr


@pytest.mark.skipif(not (packaged_folder() / DATABASE_NAME).is_file(), reason="no model is packaged yet")
def test_packaged_models_are_whole() -> None:
    store = ConditionsStore(packaged_folder(), is_immutable=True)
    assert store.tag(DEFAULT_TAG).status == "PUBLISHED"
    assert DEFAULT_PAYLOAD in store.valid(DEFAULT_TAG, 1003, 0)
    assert store.verify().damages == []


@pytest.mark.skipif(not (packaged_folder() / DATABASE_NAME).is_file(), reason="no model is packaged yet")
def test_packaged_models_score_and_carry_a_policy() -> None:
    batch = random_events(20, seed=1)
    for payload, n_skims in PAYLOADS:
        scorer = load_scorer(resolve_payload(DEFAULT_TAG, payload, places=[str(packaged_folder())]))
        score = scorer.scores(batch)
        assert score.shape == (20, n_skims)
        assert np.all((score > 0) & (score < 1))
        keep = policy_from_dict(scorer.policy or {}).keep_probability(score)
        assert np.all((keep >= 1 / 25) & (keep <= 1))
