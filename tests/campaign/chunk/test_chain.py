"""The chain of a chunk with programs of the user's: what they write is checked, and n-tuples hold what passed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from small_campaign import digests_of, small_settings, write_config
from synthetic import random_events

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.chunk.record import read_record
from smartbkg.campaign.merge import merge_campaign
from smartbkg.campaign.status import read_status
from smartbkg.events import EventBatch
from smartbkg.experiment.external_program import seed_of_call
from smartbkg.io import create_events, open_events
from smartbkg.seeds import derive_seed

#: Passes every third event.
SIMULATION = """
import csv, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1], columns=["experiment", "run", "evtNum"]).to_pydict()
with open(sys.argv[2] + ".csv", "w", newline="") as out:
    writer = csv.writer(out)
    writer.writerow(["experiment", "run", "evtNum", "passes"])
    writer.writerows((*row, int(row[2] % 3 == 0)) for row in zip(*table.values()))
"""


def commanded(folder: Path, command: str, **overrides: Any) -> Campaign:
    """A campaign of 120 events in chunks of 60 by a command, which may name {events}: a file of 60 events."""
    settings = small_settings(folder, 1, 60, generate__files=[], events=120, chunk_events=60, **overrides)
    events = folder.with_name("sixty.hepmc3")
    with create_events(events, {"kind": "events", "schema_version": 1}) as writer:
        writer.write(random_events(60, seed=4))
    settings["generate"]["command"] = command.replace("EVENTS", str(events))
    write_config(folder, settings)
    return open_campaign(folder)


def test_a_command_makes_events_with_ids_of_the_campaign_and_the_whole_chain_runs(tmp_path: Path) -> None:
    script = tmp_path / "simulation.py"
    script.write_text(SIMULATION)
    campaign = commanded(
        tmp_path / "small", "sh -c 'cp EVENTS {output}; : {first_event} {n_events} {seed} {run} {process} {chunk}'",
        simulate__by="command", simulate__command=f"{sys.executable} {script} {{input}} {{output}}",
        simulate__skims=["first"], outputs__ntuple=True,
    )  # fmt: skip
    assert [attempt_chunk(campaign, index)[:2] for index in range(2)] == [(0, "done"), (1, "done")]
    ids = []
    for index, path in sorted(campaign.folder.recorded()):
        content = read_record(path, index)
        assert content["cpu"]["simulate"] > 0.05, "the CPU time of the program is not counted"
        with open_events(campaign.folder.data(index, content["attempt"]) / "kept.parquet") as reader:
            ids += [batch.event["evtNum"] for batch in reader.batches()]
    numbers = np.concatenate(ids)
    assert len(set(numbers.tolist())) == len(numbers)
    assert numbers.min() >= 1
    assert numbers.max() <= 120
    assert (numbers > 60).any()
    result = read_status(campaign).ledger.skims(None)["first"]
    assert result.n_passing == (numbers % 3 == 0).sum()
    merged = merge_campaign(campaign, tmp_path / "all.root")
    with uproot.open(tmp_path / "all.root") as file:
        tree = file["events"].arrays(["evtNum", "weight", "keep_probability"], library="np")
    assert merged.n_written == result.n_passing
    assert sorted(tree["evtNum"]) == sorted(numbers[numbers % 3 == 0])
    assert tree["weight"].sum() == pytest.approx(result.sum_weight)


def test_a_simulation_by_command_draws_from_the_seed_of_the_campaign(tmp_path: Path) -> None:
    script = tmp_path / "simulation.py"
    script.write_text(SIMULATION + "open(sys.argv[3], 'a').write(sys.argv[4] + '\\n')\n")
    campaign = commanded(
        tmp_path / "small", "sh -c 'cp EVENTS {output}' {n_events} {seed}", seed=17, simulate__by="command",
        simulate__command=f"{sys.executable} {script} {{input}} {{output}} {tmp_path}/seeds {{seed}}",
        simulate__skims=["first"],
    )  # fmt: skip
    assert attempt_chunk(campaign, 0)[1] == "done"
    (path,) = [path for _, path in campaign.folder.recorded()]
    with open_events(campaign.folder.data(0, read_record(path, 0)["attempt"]) / "kept.parquet") as reader:
        kept = EventBatch.concatenate(list(reader.batches()))
    expected = seed_of_call(kept, derive_seed(17, "campaign simulation"))
    assert (tmp_path / "seeds").read_text().split() == [str(expected)]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("true {output} {n_events} {seed}", "wrote nothing to {output}, expected 60 events"),
        ("sh -c 'head -n 40 EVENTS > {output}' {n_events} {seed}", "generated.hepmc3"),
        ("sh -c 'echo no licence; exit 3' {output} {n_events} {seed}", "ended with code 3, for chunk 0: no licence"),
        ("no-such-generator {output} {n_events} {seed}", "cannot start 'no-such-generator'"),
    ],
)
def test_a_generator_that_fails_is_named_in_one_line(tmp_path: Path, command: str, message: str) -> None:
    campaign = commanded(tmp_path / "small", command)
    outcome = attempt_chunk(campaign, 0)
    assert outcome.state == "failed"
    assert message in outcome.message
    assert "\n" not in outcome.message
    assert not list(campaign.folder.attempts(0))
    assert len(campaign.folder.failures(0)) == 1


def test_a_generator_that_writes_too_few_events_has_failed(tmp_path: Path) -> None:
    campaign = commanded(tmp_path / "small", "sh -c 'cp EVENTS {output}' {n_events} {seed}")
    short = tmp_path / "sixty.hepmc3"
    with create_events(short, {"kind": "events", "schema_version": 1}) as writer:
        writer.write(random_events(59, seed=4))
    assert "wrote 59 events, expected 60 (first_event 1)" in attempt_chunk(campaign, 0).message


def test_kept_events_in_hepmc_are_the_same_at_every_attempt(tmp_path: Path) -> None:
    campaign = commanded(tmp_path / "small", "sh -c 'cp EVENTS {output}' {n_events} {seed}", outputs__format="hepmc3")
    assert attempt_chunk(campaign, 1).state == "done"
    before = digests_of(campaign.folder.root)
    campaign.folder.record(1).unlink()
    assert attempt_chunk(campaign, 1).state == "done"
    assert digests_of(campaign.folder.root) == before
