"""`smartbkg demo`: what it says and what `--json` prints, for a demo that has run; that it runs is shown in CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smartbkg.cli import command_line
from smartbkg.cli.json_keys import JSON_KEYS
from smartbkg.demo.run import Announcer, DemoFiles, DemoResult


@pytest.fixture(autouse=True)
def _has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_demo(folder: Path, _n_events: int, announce: Announcer, **_options: Any) -> DemoResult:
        announce.step("Generate", "Events are needed.")
        announce.result("done")
        return DemoResult(DemoFiles.within(folder), "2.4 ± 0.1", 0.21, 0.94, "compatible", is_unbiased=True)

    monkeypatch.setattr("smartbkg.demo.run.run_demo", run_demo)


def run(*options: str) -> Result:
    return CliRunner().invoke(command_line, ["demo", "-o", "folder", *options], catch_exceptions=False)


def test_json_is_one_document_and_words_go_aside() -> None:
    done = run("--json")
    content = json.loads(done.stdout)
    assert tuple(content) == JSON_KEYS["demo"]
    assert content["files"]["report"] == "folder/report.html"
    assert "1. Generate" in done.stderr


def test_the_story_is_told_on_standard_output_and_not_at_all_if_quiet() -> None:
    assert "1. Generate" in run().stdout
    done = run("-q")
    assert (done.stdout, done.stderr) == ("", "")
