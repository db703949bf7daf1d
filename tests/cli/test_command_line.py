"""The command line: verbs, help, exit codes, one-line errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.cli import VERBS
from smartbkg.io import create_events


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smartbkg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


def error_of(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_exists_and_explains_itself(verb):
    done = run(verb, "-h")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: smartbkg")


def test_wrong_usage_is_code_2_and_names_the_nearest():
    assert "did you mean 'filter'" in error_of(run("filtre"), 2)
    error_of(run("filter"), 2)
    assert "one of the two" in error_of(run("filter", "x", "-o", "y.parquet"), 2)


def test_user_mistakes_are_one_line_and_code_1(tmp_path):
    with create_events(tmp_path / "events.parquet", {"kind": "events", "schema_version": 1}) as writer:
        writer.write(random_events(20))
    (tmp_path / "text.parquet").write_text("this is no Parquet file")
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    for source, model, expected in (
        ("missing.parquet", "model.safetensors", "model.safetensors"),
        ("events.parquet", "none.safetensors", "none.safetensors"),
        ("events.parquet", "model.safetensors", "model.safetensors"),
    ):
        done = run("filter", tmp_path / source, "--model", tmp_path / model, "-o", tmp_path / "kept.parquet")
        message = error_of(done, 1)
        assert expected in message
        assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "kept.parquet").exists()


def test_real_files_filter_and_score_with_the_reference_weights(tmp_path, reference_data):
    model = reference_data / "gatgap" / "reference.pth"
    for name, n_events in (("mdst.root", 100), ("event.hepmc", None)):
        source = reference_data / "belle2" / name
        output = tmp_path / f"{name}.parquet"
        done = run("filter", source, "--model", model, "--policy", "exp=0.46,-0.25", "-o", output)
        assert done.returncode == 0, done.stderr
        assert output.exists()
        done = run("score", source, "--model", model, "-o", tmp_path / "scores.parquet")
        assert done.returncode == 0, done.stderr
        if n_events is not None:
            from smartbkg.io.tables import read_table

            reference = np.load(reference_data / "gatgap" / "reference.npz")
            scores = read_table(tmp_path / "scores.parquet", "scores")
            assert np.array_equal(scores["evtNum"], reference["event"])
            assert np.abs(scores["logit"] - reference["logits"]).max() < 1e-4


def test_doctor_finds_everything_here():
    done = run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing" not in done.stdout
    for library in ("torch", "pythia8mc", "uproot"):
        assert library in done.stdout
