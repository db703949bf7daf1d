"""Merging, planning, reporting and the page: what a user gets of a campaign."""

import glob
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.dataset
import pytest
from click.testing import CliRunner, Result
from small_campaign import small_campaign

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.merge import merge_campaign
from smartbkg.campaign.status import read_status
from smartbkg.cli.campaign import command
from smartbkg.errors import FileFormatError, UsageError
from smartbkg.io import open_events

N_FILES = 4


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    made = small_campaign(tmp_path_factory.mktemp("merge") / "small", N_FILES)
    for index in range(N_FILES):
        attempt_chunk(made, index)
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def weights_of(path: Path) -> np.ndarray:
    with open_events(path) as reader:
        return np.concatenate([batch.event["weight"] for batch in reader.batches()])


@pytest.mark.parametrize("suffix", ["parquet", "hepmc3"])
def test_a_merged_file_holds_every_kept_event_once_and_the_totals(
    campaign: Campaign, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"kept.{suffix}"
    merged = merge_campaign(campaign, output)
    ledger = read_status(campaign).ledger
    assert merged.totals == ledger.totals
    weights = weights_of(output)
    assert merged.n_written == len(weights) == ledger.totals.n_kept
    assert weights.sum() == pytest.approx(float(ledger.totals.sum_kept_weight), rel=1e-12)
    with open_events(output) as reader:
        ids = {batch.event_id(i) for batch in reader.batches() for i in range(len(batch))}
    assert len(ids) == len(weights)


def test_parts_of_a_merge_add_up_to_the_whole_exactly(campaign: Campaign, tmp_path: Path) -> None:
    first = merge_campaign(campaign, tmp_path / "a.parquet", chunks=range(1))
    second = merge_campaign(campaign, tmp_path / "b.parquet", chunks=range(1, N_FILES))
    assert first.totals + second.totals == read_status(campaign).ledger.totals


def test_files_of_chunks_are_one_arrow_data_set(campaign: Campaign) -> None:
    paths = glob.glob(f"{campaign.folder.root}/data/*/*/kept.parquet")  # noqa: PTH207 - as the documentation says
    table = pyarrow.dataset.dataset(paths).to_table(columns=["weight", "evtNum"])
    assert table.num_rows == read_status(campaign).ledger.totals.n_kept


def test_an_incomplete_campaign_is_merged_only_when_asked(campaign: Campaign, tmp_path: Path) -> None:
    record = campaign.folder.record(2)
    hidden = record.rename(tmp_path / "hidden")
    try:
        with pytest.raises(UsageError, match="1 of 4 chunks are not done"):
            merge_campaign(campaign, tmp_path / "kept.parquet")
        merged = merge_campaign(campaign, tmp_path / "kept.parquet", is_incomplete_allowed=True)
        assert (merged.n_chunks, merged.totals.n_events) == (3, 180)
    finally:
        hidden.rename(record)
    with pytest.raises(UsageError, match="writes no n-tuples"):
        merge_campaign(campaign, tmp_path / "kept.root")


def test_a_file_that_is_not_the_one_of_the_record_is_refused(campaign: Campaign, tmp_path: Path) -> None:
    path = next(campaign.folder.attempts(1)) / "kept.parquet"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1])
        with pytest.raises(FileFormatError, match="not the file that the record of chunk 1 describes"):
            merge_campaign(campaign, tmp_path / "kept.parquet")
        assert not (tmp_path / "kept.parquet").exists()
    finally:
        path.write_bytes(content)


def test_verbs_say_what_there_is(campaign: Campaign, tmp_path: Path) -> None:
    root = campaign.folder.root
    status = json.loads(run("status", root, "--json", "--page", tmp_path / "page.html").output)
    assert status["chunks"] == {
        "total": 4, "done": 4, "failed": 0, "pending": 0, "damaged": 0, "set_aside": [],
    }  # fmt: skip
    assert {"events", "sum_weight", "sum_weight_squared", "speed_up", "alarms"} <= set(status)
    page = (tmp_path / "page.html").read_text()
    assert "data:image/svg+xml;base64," in page
    assert not re.search(r"(src|href)=[\"'](https?:)?//", page)
    report = json.loads(run("report", root, "--json").output)
    process = report["processes"]["mixed"]
    assert process["events_an_inverse_femtobarn"] == 5e5
    assert process["luminosity_inverse_femtobarn"] == pytest.approx(240 / 5e5)
    assert "MetaData: GenFiltEff" in run("report", root).output
    assert "valid, 4 chunks" in run("validate", root).output
    assert "chunk_events" in run("dump", root).output
    assert json.loads(run("schema").output)["title"] == "CampaignConfig"
    assert "0 chunks will be tried again" in run("retry", root).output
    assert "every chunk is done" in str(
        CliRunner().invoke(command, ["submit", str(root), "--on", "slurm", "--array"]).exception
    )


def test_init_writes_a_configuration_that_runs_as_it_is_and_refuses_to_replace_one(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert "50 a chunk" in run("init", folder, "--events", 100, "--chunk-events", 50, "--process", "charged").output
    assert "valid, 2 chunks" in run("validate", folder).output
    assert "# Events to generate" in (folder / "campaign.yaml").read_text()
    with pytest.raises(UsageError, match="holds a campaign already"):
        run("init", folder)
    run("init", tmp_path / "second", "--from", folder, "--seed", 9)
    assert "seed: 9" in (tmp_path / "second" / "campaign.yaml").read_text()
