"""The recipes in examples/campaign run as they stand; those of workflow systems are in tests/cluster."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import uproot
from cluster.recipes import RECIPES, command_line, smartbkg

from smartbkg.io import open_events

DOUBLE = Path(__file__).resolve().parents[1] / "b2modules" / "basf2_double"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which `smartbkg` and `python` are those of the tests."""
    return command_line(tmp_path / "bin")


def run(*command: object, environment: dict[str, str], folder: Path) -> str:
    ended = subprocess.run(
        [str(word) for word in command], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def status_of(folder: Path, environment: dict[str, str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(smartbkg("status", folder, "--json", environment=environment))
    return found


@pytest.mark.slow
def test_the_embedded_chain_makes_events_a_page_and_candidates(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "embedded"
    said = run("sh", RECIPES / "embedded" / "run.sh", folder, 1000, environment=environment, folder=tmp_path)
    found = status_of(folder, environment)
    assert found["events"]["generated"] == 1000
    assert found["chunks"]["done"] == found["chunks"]["total"] == 2
    assert "speed-up" in said
    assert "mixed: 500 generated" in said
    with open_events(folder / "kept.parquet") as events:
        assert sum(len(batch) for batch in events.batches()) == found["events"]["kept"]
    with uproot.open(folder / "candidates.root") as file:
        assert 0 < file["events"].num_entries < found["events"]["kept"]
    assert (folder / "status.html").stat().st_size > 10_000


@pytest.mark.slow
def test_programs_that_speak_hepmc_run_in_the_folder_of_the_campaign_wherever_it_is_called_from(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder, elsewhere = tmp_path / "external", tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = RECIPES / "external" / "run.sh"
    said = run("sh", script, folder, 600, environment=environment, folder=elsewhere)
    found = status_of(folder, environment)
    assert found["events"]["generated"] == 600
    assert found["chunks"]["done"] == found["chunks"]["total"] == 2
    assert "simulation measured now" in said, "the plan has not timed the external simulation"
    assert list(elsewhere.iterdir()) == []
    with open_events(folder / "kept.hepmc3.gz") as events:
        assert sum(len(batch) for batch in events.batches()) == found["events"]["kept"]


def test_events_of_basf2_are_filtered_in_chunks(
    tmp_path: Path, environment: dict[str, str], reference_data: Path
) -> None:
    folder = tmp_path / "evtgen"
    basf2 = tmp_path / "bin" / "basf2"
    # basf2 itself takes everything behind the dashes for the steering file
    basf2.write_text(f'#!/bin/sh\nscript=$1; shift 2\nexec "{sys.executable}" "$script" "$@"\n')
    basf2.chmod(basf2.stat().st_mode | stat.S_IXUSR)
    environment["PYTHONPATH"] = os.pathsep.join([str(DOUBLE), str(DOUBLE.parents[1]), environment["PYTHONPATH"]])
    environment["BASF2_DOUBLE_EVENTS"] = str(reference_data / "belle2" / "mdst.root")
    template = RECIPES / "basf2" / "campaign.yaml"
    smartbkg("init", folder, "--from", template, "--events", 120, "--chunk-events", 60, environment=environment)
    shutil.copy(RECIPES / "basf2" / "generate.py", folder)
    smartbkg("run", folder, environment=environment)
    found = status_of(folder, environment)
    assert found["events"]["generated"] == 120
    smartbkg("merge", folder, "--output", tmp_path / "kept.parquet", environment=environment)
    with open_events(tmp_path / "kept.parquet") as events:
        ids = [batch.event_id(i) for batch in events.batches() for i in range(len(batch))]
    assert len(set(ids)) == len(ids) == found["events"]["kept"] > 0
    assert {experiment for experiment, _, _ in ids} == {1003}
    assert max(number for _, _, number in ids) > 60, "chunks number their events alike"
