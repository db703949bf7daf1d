"""A plan: what it promises is what the campaign then has, and it begins nothing."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_campaign import small_campaign, small_settings, write_config

from smartbkg.campaign.campaign import open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.outlook import _pilot_costs, foresee, outlook_lines
from smartbkg.campaign.pilot import Pilot
from smartbkg.campaign.status import read_status
from smartbkg.experiment.external import ExternalSummary, simulate_file_externally
from smartbkg.seeds import derive_seed

#: Takes a tenth of a second to begin, and some milliseconds per event.
SIMULATION = """
import csv, sys, time
import pyarrow.parquet as pq
def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
table = pq.read_table(sys.argv[1], columns=["experiment", "run", "evtNum"]).to_pydict()
with open(sys.argv[2] + ".csv", "w", newline="") as out:
    writer = csv.writer(out)
    writer.writerow(["experiment", "run", "evtNum", "passes"])
    for row in zip(*table.values()):
        work(0.02)
        writer.writerow((*row, int(row[2] % 3 == 0)))
"""


def external(folder: Path, **overrides: Any) -> Path:
    """A campaign over two files with a simulation that is a program beside it."""
    settings = small_settings(
        folder, 2, 300, simulate__by="command", simulate__skims=["first"],
        simulate__command=f"{sys.executable} simulation.py {{input}} {{output}}", **overrides,
    )  # fmt: skip
    write_config(folder, settings)
    (folder / "simulation.py").write_text(SIMULATION)
    return folder


def test_a_plan_begins_nothing_and_foresees_the_kept_fraction(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path / "small", 2, 300)
    before = sorted(path.name for path in campaign.folder.root.rglob("*"))
    outlook = foresee(campaign.folder.root)
    assert sorted(path.name for path in campaign.folder.root.rglob("*")) == before
    assert outlook.n_chunks == 2
    assert "Belle II's" in outlook.costs_from
    for index in range(2):
        attempt_chunk(campaign, index)
    totals = read_status(campaign).ledger.totals
    assert abs(totals.n_kept / totals.n_events - outlook.kept_fraction.value) < 5 * outlook.kept_fraction.error


def test_an_external_simulation_is_timed_on_a_few_events(tmp_path: Path) -> None:
    outlook = foresee(external(tmp_path / "small"))
    assert "simulation measured now" in outlook.costs_from
    assert 0.015 < outlook.costs.simulation < 0.2, "20 ms per event, and its share of a call"


def test_a_plan_tries_the_simulation_with_the_seed_of_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def noting(*arguments: Any, seed: int = 1, **options: Any) -> ExternalSummary:
        seeds.append(seed)
        return simulate_file_externally(*arguments, seed=seed, **options)

    monkeypatch.setattr("smartbkg.campaign.pilot.simulate_file_externally", noting)
    foresee(external(tmp_path / "small", seed=17))
    assert seeds == [derive_seed(17, "campaign simulation")] * 2


def test_a_cost_that_is_configured_is_not_measured(tmp_path: Path) -> None:
    folder = external(tmp_path / "small", costs__simulation=5.0)
    (folder / "simulation.py").write_text("raise SystemExit('it was called')")
    outlook = foresee(folder)
    assert outlook.costs.simulation == 5.0
    assert "simulation configured" in outlook.costs_from


def test_a_simulation_that_does_not_work_is_found_by_the_plan(tmp_path: Path) -> None:
    folder = external(tmp_path / "small")
    (folder / "simulation.py").write_text("raise SystemExit('no licence')")
    with pytest.raises(Exception, match="no licence"):
        foresee(folder)


@pytest.mark.slow
def test_the_promise_is_kept_within_its_errors_where_processes_differ(tmp_path: Path) -> None:
    """Costs as configured, so that the CPU of the machine does not enter."""
    costs = {"costs__generation": 0.08, "costs__filtering": 0.63, "costs__simulation": 97.04}
    settings = small_settings(tmp_path / "embedded", 1, generate__files=[], simulate__by="embedded", **costs)
    settings["generate"] = {"processes": {"mixed": 0.55, "uubar": 0.55}}
    settings["filter"] = {"global_tag": "SmartBKG_GATGAP", "payload": "GATGAPgen.safetensors"}
    write_config(tmp_path / "embedded", settings | {"events": 6000, "chunk_events": 3000})
    outlook = foresee(tmp_path / "embedded", 2000)
    assert outlook.n_pilot == 2000
    assert "by events simulated now" in "\n".join(outlook_lines(outlook))
    campaign = open_campaign(tmp_path / "embedded")
    for index in range(2):
        assert attempt_chunk(campaign, index).state == "done"
    ledger = read_status(campaign).ledger
    kept = ledger.totals.n_kept / ledger.totals.n_events
    assert abs(kept - outlook.kept_fraction.value) < 5 * outlook.kept_fraction.error
    for skim, result in ledger.skims(outlook.costs).items():
        assert result.speed_up is not None
        promised = outlook.speed_up_simulated[skim]
        spread = np.hypot(promised.error, result.speed_up.error)
        assert abs(promised.value - result.speed_up.value) < 4 * spread


@pytest.mark.parametrize("n_pieces", [1, 2, 3, 7])
def test_what_a_chunk_costs_to_begin_is_counted_once_a_chunk(n_pieces: int) -> None:
    """Seconds are a + b n of each piece: a chunk of 10,000 pays a once, whatever the pieces were."""
    begin = {"generate": 0.0, "filter": 0.02, "simulate": 0.5, "write": 0.03, "bookkeeping": 0.0}
    each = {"generate": 1e-4, "filter": 2e-4, "simulate": 3e-4, "write": 1e-5, "bookkeeping": 0.0}

    def piece(n_events: int, n_kept: int) -> dict[str, Any]:
        n = {"generate": n_events, "filter": n_events, "simulate": n_kept, "write": n_kept, "bookkeeping": 0}
        cpu = {stage: begin[stage] + each[stage] * n[stage] for stage in begin}
        return {"totals": {"n_events": n_events, "n_kept": n_kept}, "cpu": cpu}

    pieces = [piece(1000, 250) for _ in range(n_pieces)]
    pilot = Pilot(1000 * n_pieces, Ledger(), pieces, {}, None, piece(40, 10))
    costs = _pilot_costs(pilot, pieces, 10_000)
    assert costs["generation"] == pytest.approx(1e-4)
    assert costs["filtering"] == pytest.approx(2e-4 + 0.02 / 10_000)
    assert costs["simulation"] == pytest.approx(3.1e-4 + 0.53 / 2_500)


def test_a_plan_of_more_events_than_a_chunk_looks_at_several(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path / "small", 3, 300)
    assert foresee(campaign.folder.root, 250).n_pilot == 250
    assert foresee(campaign.folder.root, 700).n_pilot == 700
    assert foresee(campaign.folder.root, 5000).n_pilot == 900, "all there are"
