"""A campaign under Snakemake and b2luigi: the recipes run as they stand, and do each chunk once.

Both bring many packages with them, and so have an environment of their own: `make test-cluster` makes it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cluster.recipes import RECIPES, command_line, smartbkg
from small_campaign import digests_of, small_campaign

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.status import read_status

WORKFLOWS = os.environ.get("SMARTBKG_WORKFLOWS", "")
"""Folder of the programs of an environment with Snakemake and b2luigi."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("snakemake", path=WORKFLOWS) is None,
        reason="no environment with Snakemake and b2luigi (SMARTBKG_WORKFLOWS): make test-cluster makes it",
    ),
]
N_FILES = 3


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = small_campaign(tmp_path_factory.mktemp("workflows") / "small", N_FILES)
    for index in range(N_FILES):
        attempt_chunk(campaign, index)
    return campaign


@pytest.mark.parametrize("system", ["snakemake", "b2luigi"])
def test_a_workflow_system_makes_the_same_files_and_does_nothing_twice(
    undisturbed: Campaign, tmp_path: Path, system: str
) -> None:
    environment = command_line(tmp_path / "bin")
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "campaign.yaml").write_bytes(undisturbed.folder.config.read_bytes())
    smartbkg("run", folder, "--chunk", "1", environment=environment)
    before = open_campaign(folder).folder.record(1).read_bytes()
    command = {
        "snakemake": [
            f"{WORKFLOWS}/snakemake", "--snakefile", str(RECIPES / "snakemake" / "Snakefile"), "--cores", "1",
            "--directory", str(tmp_path), "--config", f"folder={folder}",
        ],
        "b2luigi": [f"{WORKFLOWS}/python", str(RECIPES / "b2luigi" / "produce.py"), str(folder), "--workers", "1"],
    }[system]  # fmt: skip
    # smartbkg is installed elsewhere: the workflow system knows its command alone
    own = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    script = Path(environment["PATH"].split(os.pathsep)[0]) / "smartbkg"
    script.write_text(script.read_text().replace("exec", f"PYTHONPATH={environment['PYTHONPATH']} exec"))
    for _ in range(2):
        ended = subprocess.run(command, env=own, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    campaign = open_campaign(folder)
    assert digests_of(folder) == digests_of(undisturbed.folder.root)
    assert campaign.folder.record(1).read_bytes() == before, "a chunk that was done was made again"
    assert read_status(campaign).ledger.totals == read_status(undisturbed).ledger.totals
    assert (folder / "kept.parquet").is_file()
    assert json.loads(smartbkg("status", folder, "--json", environment=environment))["chunks"]["failed"] == 0
