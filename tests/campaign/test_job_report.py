"""The report of a job: what it tried and how each attempt ended, also where it failed or was stopped."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from small_campaign import small_campaign

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.job_report import JobReport
from smartbkg.cli.campaign import command


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return small_campaign(tmp_path / "small", 3)


def reported(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_job_says_what_it_did_and_what_was_done_already(campaign: Campaign, tmp_path: Path) -> None:
    attempt_chunk(campaign, 1)
    path = tmp_path / "job.json"
    arguments = ["run", str(campaign.folder.root), "--chunk", "0", "--chunk", "1", "--report", str(path)]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    found = reported(path)
    assert (found["n_done"], found["n_known"], found["n_failed"], found["n_events"]) == (1, 1, 0, 60)
    assert [(one["chunk"], one["state"]) for one in found["attempts"]] == [(0, "done"), (1, "known")]
    assert found["error"] is None
    assert found["cpu_seconds"] > 0


def test_a_job_that_fails_or_is_stopped_reports_all_the_same(campaign: Campaign, tmp_path: Path) -> None:
    assert campaign.plan[2].source is not None
    campaign.plan[2].source.unlink()
    path = tmp_path / "job.json"
    arguments = ["run", str(campaign.folder.root), "--chunk", "2", "--report", str(path)]
    assert CliRunner().invoke(command, arguments).exit_code != 0
    found = reported(path)
    assert found["n_failed"] == 1
    assert "cannot read the input file" in found["error"]
    assert "cannot read the input file" in found["attempts"][0]["message"]
    with pytest.raises(KeyboardInterrupt), JobReport(campaign, path):
        raise KeyboardInterrupt
    assert reported(path)["error"] == "KeyboardInterrupt"


def test_a_whole_run_reports_every_chunk(campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    assert CliRunner().invoke(command, ["run", str(campaign.folder.root), "--report", str(path)]).exit_code == 0
    found = reported(path)
    assert sorted(one["chunk"] for one in found["attempts"]) == [0, 1, 2]
    assert found["n_events"] == 180
