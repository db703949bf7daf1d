"""The examples of the help pages run as they stand, one after the other; ``--json`` prints the documented keys."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from command_tree import options, verbs

from smartbkg.cli import command_line
from smartbkg.cli.examples import EXAMPLES
from smartbkg.cli.json_keys import JSON_KEYS, NO_JSON
from smartbkg.io.tables import read_table

VERBS = dict(verbs())

pytestmark = pytest.mark.timeout(1800)  # the whole story belongs to the first test that asks for it

#: Not run here: what never ends, what takes minutes, and what needs basf2; with what they return where basf2 is not.
NOT_RUN = {
    "smartbkg demo": "it takes minutes: `make demo`, and a small one in CI",
    "smartbkg demo --events 4000 -o small-demo": "as above",
    "smartbkg conditions serve --at store --port 8765": "it serves until it is stopped: test_server",
    "smartbkg basf2 check --self-test mdst.root": "it needs basf2",
}
FAILING = {"smartbkg basf2 check": 1}

#: What is run with ``--json``, where the example itself cannot be repeated, or would take longer.
WITH_JSON = {
    "config init": "config init again.yaml",
    "train": "train thinned.parquet --epochs 1 -o third.safetensors",
    "campaign init": "campaign init other --process mixed --events 200 --chunk-events 100 --seed 1",
    "conditions put": "conditions put models-2025 mine model.safetensors --at store",
    "conditions copy-tag": "conditions copy-tag models-2025 models-2027 --at store",
    "conditions publish": "conditions publish models-2026 --at store",
    "basf2 path": "basf2 path",
}
#: Verbs whose ``--json`` is looked at elsewhere, and why.
JSON_ELSEWHERE = {"demo": "it takes minutes: test_demo", "evaluate": "a page of plots takes long: test_json_output"}


class Run(NamedTuple):
    """What a command came to."""

    code: int
    output: str
    said: str


def run(line: str, bin_folder: Path) -> Run:
    """Run a command line in this process, or by a shell where it is more than a call of smartbkg."""
    words = shlex.split(line)
    if any(word in ("|", ">") or "$(" in word for word in words):
        environment = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, env=environment, timeout=300
        )
        return Run(done.returncode, done.stdout, done.stderr)
    result = CliRunner().invoke(command_line, words[1:])
    said = result.stderr if result.exception is None else f"{result.stderr}{result.exception!r}"
    return Run(result.exit_code, result.stdout, said)


def write_analysis(folder: Path) -> None:
    """Rows of an analysis of the simulated events, as the examples of `flag` read them."""
    flags = read_table(folder / "flags.parquet")
    ids = [flags[name] for name in ("experiment", "run", "evtNum")]
    mass = np.random.default_rng(1).uniform(5.2, 5.29, len(ids[0]))
    rows = [f"{a},{b},{c},{m:.4f}" for a, b, c, m in zip(*ids, mass, strict=True)]
    content = "\n".join(["__experiment__,__run__,__event__,Mbc", *rows[::3]])
    (folder / "analysis.csv").write_text(content + "\n")


class Story(NamedTuple):
    """What came of all examples."""

    plain: dict[str, Run]
    """Of each example."""
    with_json: dict[str, Run]
    """Of one command of each verb, with ``--json``."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    pytest.importorskip("pythia8mc", reason="PYTHIA is not installed")
    folder = tmp_path_factory.mktemp("examples")
    program = tmp_path_factory.mktemp("bin") / "smartbkg"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m smartbkg \"$@\"\n")
    program.chmod(0o755)
    before, plain, with_json = Path.cwd(), {}, {}
    os.chdir(folder)
    try:
        for verb, lines in EXAMPLES.items():
            if verb == "flag":
                write_analysis(folder)
            for line in lines:
                if line not in NOT_RUN:
                    plain[line] = run(line, program.parent)
            if verb not in NO_JSON and verb not in JSON_ELSEWHERE:
                line = WITH_JSON.get(verb, lines[0].removeprefix("smartbkg "))
                with_json[verb] = run(f"smartbkg {line} --json", program.parent)
        yield Story(plain, with_json)
    finally:
        os.chdir(before)


def test_every_verb_has_an_example_and_no_other_thing_has() -> None:
    assert set(EXAMPLES) == set(VERBS)
    for verb, lines in EXAMPLES.items():
        assert lines
        assert all(f"smartbkg {verb}" in line for line in lines), verb


def test_the_help_shows_the_examples() -> None:
    for verb, lines in EXAMPLES.items():
        result = CliRunner().invoke(command_line, [*verb.split(), "--help"], terminal_width=200)
        assert all(line in result.stdout for line in lines), verb


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines if line not in NOT_RUN])
def test_an_example_runs_as_it_stands(story: Story, line: str) -> None:
    done = story.plain[line]
    assert done.code == FAILING.get(line, 0), done.said


def test_every_verb_that_reports_has_json() -> None:
    without = {verb for verb, command in VERBS.items() if not any("--json" in one.opts for one in options(command))}
    assert without == set(NO_JSON)
    assert set(JSON_KEYS) == set(VERBS) - without


@pytest.mark.parametrize("verb", [verb for verb in JSON_KEYS if verb not in JSON_ELSEWHERE])
def test_json_is_one_document_with_the_documented_keys(story: Story, verb: str) -> None:
    done = story.with_json[verb]
    assert done.code == FAILING.get(f"smartbkg {verb}", 0), done.said
    content: dict[str, Any] = json.loads(done.output)
    assert set(JSON_KEYS[verb]) <= set(content), sorted(content)


@pytest.mark.parametrize("verb", ["config schema", "campaign schema"])
def test_a_schema_is_json_by_itself(story: Story, verb: str) -> None:
    done = CliRunner().invoke(command_line, verb.split())
    assert json.loads(done.stdout)["type"] == "object"
