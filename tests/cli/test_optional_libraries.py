"""Without an optional library a verb works, or says in one line what to install: every verb, every library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filtered_sample import Chain, make_chain
from synthetic import random_events

from smartbkg.cli import VERBS
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.io import create_events
from smartbkg.optional import LIBRARIES
from smartbkg.storage.provenance import record

#: All verbs run in the set-up of the first test, and compile the kernels on a new machine.
pytestmark = pytest.mark.timeout(1500)

SCRIPT = Path(__file__).with_name("blocked_libraries.py")

#: What a verb cannot do without, given the arguments below. It works without all others, which is tested too.
NEEDED: dict[str, set[str]] = {
    "demo": {"pythia8mc", "torch", "scipy", "sklearn", "matplotlib", "mplhep", "jinja2"},
    "generate": {"pythia8mc"},
    "train": {"scipy", "torch", "sklearn"},
    "calibrate": {"scipy", "sklearn"},
    "evaluate": {"scipy", "sklearn", "matplotlib", "mplhep", "jinja2"},
    "plan": {"scipy"},
    "reweight": {"hep_ml"},
    "export": {"torch", "onnx", "onnxruntime"},
}

#: What torch, hep_ml and uproot themselves import of these libraries.
IMPORTED_BY_OTHERS = {
    "train": {"jinja2"}, "export": {"jinja2"}, "reweight": {"pandas", "scipy", "sklearn"}, "flag": {"fsspec"},
    "ntuple": {"fsspec"},
}  # fmt: skip


#: A skim that passes every second event, and a fast simulation that does.
SKIM = """
import numpy as np
def some_pass(events):
    return np.arange(len(events)) % 2 == 0
"""
PROGRAM = """
import sys
import pyarrow.parquet as pq
ids = pq.read_table(sys.argv[1], columns=["experiment", "run", "evtNum"]).to_pylist()
with open(sys.argv[2], "w") as file:
    print("experiment,run,evtNum,passes_first,passes_second", file=file)
    for row in ids:
        print(*row.values(), row["evtNum"] % 2, int(row["evtNum"] % 3 == 0), sep=",", file=file)
"""


def _arguments(chain: Chain, other: Chain, few: Path, output: Path) -> dict[str, list[object]]:
    """Arguments with which every verb does its work on the chain."""
    out = output / "out.parquet"
    return {
        "demo": ["demo", "--output", output / "demo", "--events", 6000],
        "doctor": ["doctor"],
        "generate": ["generate", "--process", "mixed", "--events", 2, "--seed", 1, "--output", out],
        "simulate": ["simulate", few, "--output", out],
        "oracle": ["oracle", few, "--skim", "some_pass:some_pass", "--replicas", 4],
        "flag": ["flag", chain.kept, "-o", out],
        "dataset": ["dataset", chain.events, "--flags", chain.flags, "--skim", "first", "-o", out],
        "config": ["config", "init", output / "config.yaml"],
        "train": ["train", chain.dataset, "-o", output / "model.safetensors", "--skim", "first", "--epochs", 1,
                  "--threads", 1, "--set", "network.n_layers=1", "--set", "network.units=8"],
        "calibrate": ["calibrate", chain.model, few.parent / "both.parquet", "--surrogate",
                      f"{sys.executable} {few.parent / 'program.py'} {{input}} {{output}}.csv",
                      "--max-events", 1500, "--replicas", 2, "-o", output / "model.safetensors"],
        "campaign": ["campaign", "init", output / "campaign"],
        "evaluate": ["evaluate", chain.model, chain.dataset, "--skim", "first", "-o", output / "report.html"],
        "plan": ["plan", chain.model, chain.dataset, "--skim", "first", "--resamples", 2,
                 "-o", output / "model.safetensors"],
        "filter": ["filter", chain.events, "--model", chain.model, "--policy", "score", "--skim", "first", "-o", out],
        "score": ["score", chain.events, "--model", chain.model, "-o", out],
        "validate": ["validate", chain.kept, chain.flags, "--skim", "first", "--resamples", 200, "--no-pairs"],
        "reweight": ["reweight", chain.flags, chain.scores, "--threshold", 0.02, "--skim", "first",
                     "-o", output / "reweighter.safetensors"],
        "merge": ["merge", chain.kept, other.kept, "-o", out],
        "ntuple": ["ntuple", chain.flags, chain.kept, "--drop-unknown", "-o", output / "out.root"],
        "convert": ["convert", chain.events, output / "events.hepmc3.zst"],
        "info": ["info", chain.events],
        "show": ["show", chain.events],
        "model": ["model", "info", chain.model],
        "export": ["export", chain.model, "--onnx", output / "model.onnx"],
        "conditions": ["conditions", "tags"],
        "basf2": ["basf2", "path"],
    }  # fmt: skip


def _lacking() -> list[tuple[str, str]]:
    """(verb, library it needs)."""
    return [(verb, library) for verb, libraries in NEEDED.items() for library in sorted(libraries)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """(verb, blocked library, or "others" for all that the verb does not need) → exit code and output."""
    folder = tmp_path_factory.mktemp("blocked")
    chain = make_chain(folder, 3000)
    other = make_chain(folder / "other", 200, model=chain.model, first_event=10_000)
    build_dataset([chain.events], [chain.flags], chain.dataset, DatasetOptions(skims=("first",)))
    build_dataset([chain.events], [chain.flags], folder / "both.parquet", DatasetOptions(skims=("all",)))
    few = folder / "few.parquet"
    with create_events(few, record("events", 1, {})) as writer:
        writer.write(random_events(3))
    (folder / "some_pass.py").write_text(SKIM)
    (folder / "program.py").write_text(PROGRAM)
    wanted = [(verb, "others") for verb in VERBS if verb != "demo"] + _lacking()
    cases = []
    for verb, library in wanted:
        output = folder / f"{verb}-{library}"
        output.mkdir()
        needed = NEEDED.get(verb, set()) | IMPORTED_BY_OTHERS.get(verb, set())
        blocked = sorted(LIBRARIES.keys() - needed) if library == "others" else [library]
        cases.append(([str(argument) for argument in _arguments(chain, other, few, output)[verb]], blocked))
    (folder / "cases.json").write_text(json.dumps(cases))
    environment = os.environ | {"SMARTBKG_CONDITIONS": str(folder / "conditions")}
    command = [sys.executable, str(SCRIPT), str(folder / "cases.json"), str(folder / "outcomes.json")]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=1400)
    assert done.returncode == 0, done.stderr
    return dict(zip(wanted, json.loads((folder / "outcomes.json").read_text()), strict=True))


@pytest.mark.xdist_group("optional libraries")
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "demo"])
def test_a_verb_works_with_nothing_but_what_it_needs(outcomes: dict[tuple[str, str], Any], verb: str) -> None:
    outcome = outcomes[verb, "others"]
    assert "Traceback" not in outcome["output"], outcome["output"]
    assert outcome["code"] == 0, outcome["output"]


@pytest.mark.xdist_group("optional libraries")
@pytest.mark.parametrize(("verb", "library"), _lacking())
def test_a_verb_says_in_one_line_what_to_install(outcomes: dict[tuple[str, str], Any], verb: str, library: str) -> None:
    outcome = outcomes[verb, library]
    lines = outcome["output"].strip().splitlines()
    assert outcome["code"] == 1, outcome["output"]
    assert len(lines) == 1, outcome["output"]
    known = LIBRARIES[library]
    assert f"needs {known.name}, which is not installed: pip install 'smartbkg[" in lines[0]
    assert any(f"[{extra}]" in lines[0] for extra in known.extras), lines[0]
