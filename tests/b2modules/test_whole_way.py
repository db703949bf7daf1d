"""From flags to a filter that runs the user's own model from basf2's conditions database, and to a histogram."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
from b2modules.steering import extra_infos, messages

from smartbkg.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "basf2"


def smartbkg(*arguments: object) -> None:
    """Run a command of the command line."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code in (0, None)


def steering(name: str, *arguments: object) -> None:
    """Run an example steering file."""
    sys.argv = [name, *map(str, arguments)]
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def filter_to_ntuple(basf2: ModuleType, mdst: Path, tag: str) -> list[Any]:
    """Filter with the model of a global tag, weights of kept events into an n-tuple; extra infos of all events."""
    import modularAnalysis

    from smartbkg.b2modules.NN_filter_module import NNFilterModule

    path: Any = basf2.create_path()
    modularAnalysis.inputMdst(filename=str(mdst), path=path)
    module = NNFilterModule(global_tag=tag, payload="model")
    module.if_false(basf2.create_path())
    path.add_module(module)
    names = [f"eventExtraInfo({name})" for name in ("NN_prediction", "NN_prediction_weight")]
    modularAnalysis.variablesToNtuple("", names, treename="events", filename="weighted.root", path=path)
    basf2.process(path)
    return extra_infos(basf2.create_path(), NNFilterModule(global_tag=tag, payload="model"), mdst)


@pytest.mark.slow
def test_flags_to_data_to_training_to_tag_to_filter(
    basf2: ModuleType, mdst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    for job_id in (0, 1):
        steering("skim_flags.py", job_id, "--input", mdst, "--events", 50)
        steering("training_data.py", job_id, "--clean-up")
    smartbkg("dataset", "--merge", "pp0.parquet", "pp1.parquet", "-o", "train.parquet")
    smartbkg(
        "train", "train.parquet", "-o", "model.safetensors", "--epochs", 2, "--seed", 1, "--threads", 1,
        "--set", "data.validation_fraction=0.5", "--set", "optimiser.batch_size=16",
    )  # fmt: skip
    smartbkg("conditions", "put", "MySkim_v1", "model", "model.safetensors", "--new")
    smartbkg("conditions", "publish", "MySkim_v1")
    smartbkg("score", mdst, "--global-tag", "MySkim_v1", "--payload", "model", "-o", "scores.parquet")

    scores = pq.read_table("scores.parquet")

    # from here on basf2 alone knows of the store, by its own variables, and its accessor finds the payload
    monkeypatch.setenv("SMARTBKG_CONDITIONS", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("BELLE2_CONDB_METADATA", str(tmp_path / "conditions" / "database.sqlite"))
    monkeypatch.setenv("BELLE2_CONDB_PAYLOADS", str(tmp_path / "conditions"))
    basf2.conditions.reset()  # a job of its own, without the global tags that the skim has asked for
    monkeypatch.setattr(basf2.conditions, "default_globaltags", ())
    seen = filter_to_ntuple(basf2, mdst, "MySkim_v1")
    assert any("of basf2's global tag MySkim_v1" in message for message in messages("INFO"))
    assert [entry["id"][2] for entry in seen] == scores["evtNum"].to_pylist()
    found = np.array([entry["NN_prediction"] for entry in seen])
    np.testing.assert_allclose(found, scores["score"].to_numpy(), rtol=1e-5)
    keep = np.array([entry["NN_prediction_keep_probability"] for entry in seen])
    assert len(np.unique(keep)) > 1
    assert (keep >= 1 / 25 - 1e-6).all()
    weights = np.array([entry["NN_prediction_weight"] for entry in seen])
    np.testing.assert_allclose(weights[weights > 0], 1 / keep[weights > 0], rtol=1e-5)

    with uproot.open("weighted.root") as file:
        tree = file["events"]
        rows = tree.arrays([name for name in tree.keys() if "NN_prediction" in name], library="np")  # noqa: SIM118
    score, weight = (rows[f"eventExtraInfo__bo{name}__bc"] for name in ("NN_prediction", "NN_prediction_weight"))
    kept = weights > 0
    assert len(weight) == kept.sum()
    edges = np.quantile(found, [0, 0.5, 1])
    contents, _ = np.histogram(score, bins=edges, weights=weight)
    expected, _ = np.histogram(found[kept], bins=edges, weights=1 / keep[kept])
    np.testing.assert_allclose(contents, expected, rtol=1e-5)
