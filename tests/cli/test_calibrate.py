"""`smartbkg calibrate`: a program as a surrogate, through filter, score and refusal."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_surrogate import passes, toy_events

from smartbkg.cli import main
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.io import create_events
from smartbkg.io.tables import read_table, write_table
from smartbkg.networks.bundle import load_bundle, save_bundle
from smartbkg.storage.provenance import record

#: A fast simulation: a particle's PDG code and the event's own number are all it looks at, seeded by event.
PROGRAM = """
import sys
import numpy as np
import pyarrow.parquet as pq
events = pq.read_table(sys.argv[1], columns=["experiment", "run", "evtNum", "px"])
rows = []
for e, r, n, px in zip(*(events[c].to_pylist() for c in ("experiment", "run", "evtNum", "px"))):
    p = 1 / (1 + np.exp(-(abs(hash(tuple(px[:2]))) % 1000 / 125 - 6)))
    rows.append((e, r, n, int(np.random.default_rng(n).random() < p)))
with open(sys.argv[2], "w") as file:
    file.write("experiment,run,evtNum,passes_mine\\n")
    file.writelines("%d,%d,%d,%d\\n" % row for row in rows)
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, fresh events, a program and a model that is this surrogate alone."""
    folder = tmp_path_factory.mktemp("calibrate")
    for name, first in (("teach", 0), ("fresh", 10_000)):
        with create_events(folder / f"{name}.parquet", record("events", 1, {})) as writer:
            writer.write(toy_events(600, first_event=first))
    batch = toy_events(600)
    flags = {name: batch.event[name] for name in ("experiment", "run", "evtNum")}
    flags["passes_mine"] = passes(batch, 1, 0, shift=1.0)
    write_table(folder / "flags.parquet", flags, record("flags", 1, {}))
    build_dataset([folder / "teach.parquet"], [folder / "flags.parquet"], folder / "data.parquet",
                  DatasetOptions(skims=("mine",)))  # fmt: skip
    (folder / "mysim.py").write_text(PROGRAM)
    command = f"{sys.executable} {folder / 'mysim.py'} {{input}} {{output}}.csv"
    arguments = ["--surrogate", command, "--replicas", "12", "--skim", "mine", "-o", str(folder / "model.safetensors")]
    assert run("calibrate", str(folder / "data.parquet"), *arguments) == 0
    return folder


def test_a_surrogate_alone_is_a_model_that_says_what_it_is(folder: Path) -> None:
    bundle = load_bundle(folder / "model.safetensors")
    assert bundle.config.architecture == "none"
    assert bundle.surrogate is not None
    assert bundle.surrogate.kind == "program"
    assert bundle.surrogate.stages == (8, 12)
    assert bundle.surrogate.policy is not None
    assert bundle.surrogate.policy["kind"] == "optimal"
    assert bundle.surrogate.training["n_passing"][0] > 50


def test_filter_keeps_with_weights_and_records_the_surrogate(folder: Path) -> None:
    kept, scores = folder / "kept.parquet", folder / "scores.parquet"
    arguments = ["--model", str(folder / "model.safetensors"), "-o", str(kept), "--scores", str(scores)]
    assert run("filter", str(folder / "fresh.parquet"), *arguments) == 0
    table = read_table(scores, "scores")
    assert len(np.unique(table["score"])) > 5
    about = table.metadata["settings"]["surrogate"]
    assert about["n_replicas"] == 12
    assert about["digest"] == load_bundle(folder / "model.safetensors").surrogate.digest  # type: ignore[union-attr]
    np.testing.assert_allclose(table["weight"][table["is_kept"]], 1 / table["keep_probability"][table["is_kept"]])


def test_a_model_without_its_surrogate_is_refused_with_the_remedy(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(folder / "model.safetensors")
    assert bundle.surrogate is not None
    arguments = [str(folder / "fresh.parquet"), "-o", str(tmp_path / "s.parquet"), "--model"]
    for change, message in (({"kind": "delphes"}, "not installed"), ({"digest": "0" * 64}, "is not the installed one")):
        path = tmp_path / "changed.safetensors"
        save_bundle(path, replace(bundle, surrogate=replace(bundle.surrogate, **change)))
        assert run("score", *arguments, str(path)) == 1
        error = capsys.readouterr().err
        assert message in error
        assert "--without-surrogate" in error
    assert run("score", *arguments, str(folder / "model.safetensors"), "--without-surrogate") == 1
    assert "nothing is left without" in capsys.readouterr().err


def test_mistakes_are_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, output = str(folder / "data.parquet"), ["-o", str(tmp_path / "m.safetensors")]
    for arguments, message in (
        ([data, "--surrogate", "bele2", *output], "did you mean 'belle2'"),
        ([data, "--surrogate", "mysim {input}", *output], "has no {output}"),
        ([data, "--surrogate", "belle2"], "--output FILE writes a new model"),
        ([data, "--surrogate", "belle2", "--skim", "mine", *output], "unknown skim 'mine'"),
        ([data, "--surrogate", "belle2", "--skim", "yours", *output], "no labels of the skim 'yours'"),
        (["m.safetensors", "--surrogate", "belle2", *output], "name a data set besides the model"),
    ):
        assert run("calibrate", *arguments) in (1, 2)
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error


def test_a_campaign_compares_with_the_scores_of_network_and_surrogate_together(folder: Path) -> None:
    from smartbkg.campaign.watch.alarms import stored_scores
    from smartbkg.networks.model_file import load_scorer
    from smartbkg.scores.histogram import score_bin

    bundle = load_bundle(folder / "model.safetensors")
    assert bundle.surrogate is not None
    stored = stored_scores(bundle.surrogate.training).together["mine"]
    score = load_scorer(folder / "model.safetensors").scores(toy_events(600))[:, 0]
    found = np.bincount(score_bin(score.astype(float)), minlength=len(stored))
    np.testing.assert_allclose(stored, found, atol=12)  # a program's numbers depend on what else is in its input
    assert stored.sum() == pytest.approx(600)


def test_too_few_passing_events_are_named_with_their_skim(folder: Path, tmp_path: Path) -> None:
    from smartbkg.errors import DatasetError
    from smartbkg.surrogate.registry import open_surrogate
    from smartbkg.training.surrogate.combined_score import SurrogateSettings
    from smartbkg.training.surrogate.files import add_surrogate

    surrogate = open_surrogate(f"{sys.executable} {folder / 'mysim.py'} {{input}} {{output}}.csv")
    with pytest.raises(DatasetError, match=r"events that were asked pass 'mine', 10 are needed"):
        add_surrogate(None, [folder / "data.parquet"], tmp_path / "m.safetensors", surrogate, SurrogateSettings(2, 30))
    assert not list(tmp_path.iterdir())
