"""A disk that is really full: a small one of its own, in a mount namespace of its own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from small_campaign import digests_of, small_campaign, small_settings, write_config

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.engines.local import run_local
from smartbkg.campaign.production import produce
from smartbkg.campaign.status import read_status

N_FILES = 4


def _may_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _may_mount(), reason="no mount namespace here: root on Linux is needed"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = small_campaign(tmp_path_factory.mktemp("full") / "small", N_FILES)
    for index in range(N_FILES):
        attempt_chunk(campaign, index)
    return campaign


def run_beside_full_disk(folder: Path, full: Path, scratch: Path) -> str:
    """Run a campaign while one folder is a disk that is full; the last line of what it said."""
    run = [sys.executable, "-m", "smartbkg", "campaign", "run", str(folder)]
    fill = f"mount -t tmpfs -o size=64k tmpfs {full}; head -c 64k /dev/zero > {full}/filler || true"
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{fill}; exec {shlex.join(run)}"],
        capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    assert ended.returncode != 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("where", ["data", "records"])
def test_a_full_disk_stops_the_run_in_one_line_and_the_same_command_goes_on(
    undisturbed: Campaign, tmp_path: Path, where: str
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "campaign.yaml").write_bytes(undisturbed.folder.config.read_bytes())
    campaign = open_campaign(folder)
    full = folder / where
    full.mkdir()
    said = run_beside_full_disk(folder, full, tmp_path)
    assert said.startswith("error: ")
    assert "no space left on the disk" in said
    assert said.endswith("the campaign stops, the same command goes on")
    status = read_status(campaign)
    assert (status.n_done, status.set_aside, len(status.pending)) == (0, [], N_FILES)
    assert produce(campaign, run_local).n_made == N_FILES
    assert digests_of(folder) == digests_of(undisturbed.folder.root)


def test_a_program_that_fails_on_a_full_scratch_disk_sets_no_chunk_aside(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    settings = small_settings(
        tmp_path / "small", 1, generate__files=[], events=120, chunk_events=60, run__scratch=str(scratch),
        generate__suffix=".parquet", generate__command="cp EVENTS {output}; {n_events} {seed}",
    )  # fmt: skip
    source = tmp_path / "small-in" / "events000.parquet"
    settings["generate"]["command"] = f"sh -c 'cp {source} {{output}}' {{n_events}} {{seed}}"
    write_config(tmp_path / "small", settings)
    campaign = open_campaign(tmp_path / "small")
    said = run_beside_full_disk(campaign.folder.root, scratch, tmp_path)
    assert "no space left on the disk" in said
    status = read_status(campaign)
    assert (status.set_aside, len(status.pending)) == ([], 2)
    assert produce(campaign, run_local).n_made == 2
