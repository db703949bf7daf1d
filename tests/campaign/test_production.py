"""A campaign from its first to its last chunk on this machine: exactly once, whatever is killed, resumed, or fails."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_campaign import digests_of, small_campaign, small_settings, write_config

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.engines.local import run_local
from smartbkg.campaign.failures import retry
from smartbkg.campaign.production import produce
from smartbkg.campaign.status import as_dict, read_status
from smartbkg.errors import SmartBKGError, UsageError
from smartbkg.io import open_events

N_FILES = 12


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = small_campaign(tmp_path_factory.mktemp("campaign") / "small", N_FILES)
    for index in range(N_FILES):
        assert attempt_chunk(campaign, index).state == "done"
    return campaign


def fresh(campaign: Campaign, folder: Path) -> Campaign:
    """Another campaign of the same settings."""
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_bytes(campaign.folder.config.read_bytes())
    return open_campaign(folder)


def test_the_ledger_is_the_sum_of_the_files(undisturbed: Campaign) -> None:
    status = read_status(undisturbed)
    weights = []
    for index, path in undisturbed.folder.recorded():
        attempt = json.loads(path.read_text().splitlines()[0])["attempt"]
        with open_events(undisturbed.folder.data(index, attempt) / "kept.parquet") as reader:
            weights += [batch.event["weight"] for batch in reader.batches() if len(batch)]
    kept = np.concatenate(weights)
    found = as_dict(status)
    assert found["chunks"]["done"] == found["chunks"]["total"] == N_FILES
    assert found["events"] == {"generated": 60 * N_FILES, "kept": len(kept)}
    assert found["sum_weight"] == pytest.approx(kept.sum(), rel=1e-12)
    assert found["sum_weight_squared"] == pytest.approx((kept**2).sum(), rel=1e-12)
    # the draw is right: the sum of weights scatters about the number generated
    spread = np.sqrt(status.ledger.draw["variance"])
    assert abs(found["sum_weight"] - 60 * N_FILES) < 5 * spread


def test_ids_of_the_campaign_replace_those_of_files_that_number_alike(undisturbed: Campaign) -> None:
    seen = set()
    for index, path in undisturbed.folder.recorded():
        attempt = json.loads(path.read_text().splitlines()[0])["attempt"]
        with open_events(undisturbed.folder.data(index, attempt) / "kept.parquet") as reader:
            for batch in reader.batches():
                seen |= {batch.event_id(i) for i in range(len(batch))}
    assert len(seen) == read_status(undisturbed).ledger.totals.n_kept
    assert {run for _, run, _ in seen} <= set(range(1, N_FILES + 1))


def test_local_workers_make_the_same_files_as_one_process(undisturbed: Campaign, tmp_path: Path) -> None:
    campaign = fresh(undisturbed, tmp_path / "small")
    result = produce(campaign, run_local, n_workers=2)
    assert (result.n_made, result.n_events) == (N_FILES, 60 * N_FILES)
    assert digests_of(campaign.folder.root) == digests_of(undisturbed.folder.root)
    assert produce(campaign, run_local).n_made == 0


def test_a_second_attempt_knows_that_it_lost_and_leaves_nothing(undisturbed: Campaign) -> None:
    before = digests_of(undisturbed.folder.root)
    assert attempt_chunk(undisturbed, 3).state == "known"
    record = undisturbed.folder.record(3)
    content = record.read_bytes()
    record.unlink()
    assert attempt_chunk(undisturbed, 3).state == "done"
    assert [path.name for path in undisturbed.folder.attempts(3)] != [], "the new attempt"
    assert len(list(undisturbed.folder.attempts(3))) == 1, "what the first attempt left is removed"
    assert record.read_bytes() != content
    assert digests_of(undisturbed.folder.root) == before


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_whatever_is_killed(undisturbed: Campaign, tmp_path: Path) -> None:
    campaign = fresh(undisturbed, tmp_path / "small")
    chance = random.Random(5)
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(campaign.folder.root), "--workers", "2"]
    n_killed = 0
    for _ in range(6):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(2.0, 6.0))
        victims = [process.pid, *_children(process.pid)]
        victim = chance.choice(victims)
        if process.poll() is None:
            os.kill(victim, signal.SIGKILL)
            n_killed += 1
        if victim == process.pid or process.poll() is not None:
            process.wait(30)
        else:
            process.wait(120)  # a worker was killed: the campaign itself goes on to its end
        if read_status(campaign).n_done == N_FILES:
            break
    produce(campaign, run_local)
    assert n_killed
    assert digests_of(campaign.folder.root) == digests_of(undisturbed.folder.root)
    assert read_status(campaign).ledger.totals == read_status(undisturbed).ledger.totals


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def test_sigterm_gives_chunks_up_cleanly(undisturbed: Campaign, tmp_path: Path) -> None:
    campaign = fresh(undisturbed, tmp_path / "small")
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(campaign.folder.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(campaign.folder.recorded()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 or "of 12 chunks done, 0 to do" in said
    status = read_status(campaign)
    done = {f"{index:06d}" for index in np.flatnonzero(status.is_done)}
    left = {path.name.partition(".")[0] for path in (campaign.folder.root / "data").glob("*/*")}
    assert left == done
    assert not status.failed


def test_a_chunk_that_fails_three_times_is_set_aside_named_and_can_be_retried(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path / "small", 3)
    assert campaign.plan[1].source is not None
    source, hidden = campaign.plan[1].source, tmp_path / "hidden"
    source.rename(hidden)
    result = produce(campaign, run_local)
    assert result.n_made == 2
    status = read_status(campaign)
    assert [(one.chunk, one.n_failures) for one in status.set_aside] == [(1, 3)]
    assert "cannot read the input file" in status.set_aside[0].error
    assert status.set_aside[0].log.is_file()
    assert as_dict(status)["chunks"]["failed"] == 1
    assert status.pending == []
    assert status.ledger.totals.n_events == 120, "a chunk that failed counts as generated"
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(campaign.folder.root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, "a run that leaves chunks undone calls itself a success"
    assert ended.stderr.splitlines()[-1].startswith("error: 1 of 3 chunks are not done, what was done is recorded")
    hidden.rename(source)
    assert retry(campaign.folder) == [1]
    assert produce(campaign, run_local).n_made == 1
    assert not read_status(campaign).failed


def test_a_full_disk_stops_the_campaign_and_costs_no_chunk(
    undisturbed: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = fresh(undisturbed, tmp_path / "small")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("smartbkg.campaign.chunk.attempt.make_chunk", full)
    outcomes = [attempt_chunk(campaign, index) for index in range(3)]
    assert {outcome.state for outcome in outcomes} == {"machine"}
    monkeypatch.undo()
    status = read_status(campaign)
    assert not status.set_aside
    assert len(status.pending) == N_FILES


def test_a_policy_solved_anew_is_for_later_chunks_alone_and_recorded(tmp_path: Path) -> None:
    costs = {"costs__generation": 0.1, "costs__filtering": 0.1, "costs__simulation": 50.0}
    settings = small_settings(tmp_path / "small", 4, 300, filter__solve_after=2, filter__skims=["first"], **costs)
    _with_policy(Path(settings["filter"]["model"]))
    settings["filter"]["policy"] = "optimal"
    write_config(tmp_path / "small", settings)
    campaign = open_campaign(tmp_path / "small")
    assert "waits for the policy" in attempt_chunk(campaign, 2).message
    retry(campaign.folder)
    produce(campaign, run_local)
    solved = json.loads((tmp_path / "small" / "policy.json").read_text())
    assert solved["chunks"] == 2
    policies = [
        json.loads(path.read_text().splitlines()[0])["policy"] for _, path in sorted(campaign.folder.recorded())
    ]
    assert policies[0] == policies[1] != policies[2] == policies[3]
    totals = read_status(campaign).ledger
    assert abs(float(totals.totals.sum_kept_weight) - 1200) < 5 * np.sqrt(totals.draw["variance"])


def _with_policy(model: Path) -> None:
    from dataclasses import replace

    from smartbkg.networks.bundle import load_bundle, save_bundle
    from smartbkg.sampling.optimal import OptimalPolicy

    by_skim = {"kind": "by_skim", "policies": {"first": OptimalPolicy(1.0).to_dict()}}
    save_bundle(model, replace(load_bundle(model), policy=by_skim))


def test_two_operators_on_one_folder_do_every_chunk_once(undisturbed: Campaign, tmp_path: Path) -> None:
    campaign = fresh(undisturbed, tmp_path / "small")
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(campaign.folder.root)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert digests_of(campaign.folder.root) == digests_of(undisturbed.folder.root)
    assert read_status(campaign).ledger.totals == read_status(undisturbed).ledger.totals


def test_a_command_line_run_of_one_chunk_says_what_is_wrong_in_one_line(undisturbed: Campaign) -> None:
    command = [sys.executable, "-m", "smartbkg", "campaign", "run", str(undisturbed.folder.root), "--chunk", "99"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "error: there is no chunk 99: the campaign has the chunks 0 to 11\n"


def test_a_threshold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SmartBKGError, match="no weight makes up for that"):
        small_campaign(tmp_path / "small", 1, filter__policy="threshold=0.5")


def test_a_model_that_does_not_exist_is_named(tmp_path: Path) -> None:
    settings = small_settings(tmp_path / "small", 1)
    settings["filter"]["model"] = "nowhere.safetensors"
    write_config(tmp_path / "small", settings)
    with pytest.raises((UsageError, SmartBKGError), match=r"nowhere\.safetensors: no such model"):
        open_campaign(tmp_path / "small")
