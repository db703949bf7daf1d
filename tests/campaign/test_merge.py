"""Merging, planning, reporting and the page: what a user gets of a campaign."""

import glob
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset
import pytest
from click.testing import CliRunner, Result
from small_campaign import small_campaign

from smartbkg.campaign import merge
from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.merge import merge_campaign
from smartbkg.campaign.status import read_status
from smartbkg.cli.campaign import command
from smartbkg.errors import FileFormatError, SmartBKGError, UsageError
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


@pytest.mark.parametrize("suffix", ["parquet", "hepmc3", "edm4hep.root"])
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


def _with_pyarrow(pattern: str) -> tuple[int, float]:
    paths = glob.glob(pattern)  # noqa: PTH207 - as the documentation says
    table = pyarrow.dataset.dataset(paths).to_table(columns=["weight", "px"])
    return table.num_rows, pc.sum(table["weight"]).as_py()


def _with_polars(pattern: str) -> tuple[int, float]:
    polars = pytest.importorskip("polars")
    frame = polars.scan_parquet(pattern).select("weight", polars.col("px").list.len()).collect()
    return frame.height, frame["weight"].sum()


def _with_duckdb(pattern: str) -> tuple[int, float]:
    duckdb = pytest.importorskip("duckdb")
    query = f"SELECT count(*), sum(weight) FROM read_parquet('{pattern}') WHERE len(px) > 0"
    with duckdb.connect() as connection:
        found: tuple[int, float] = connection.execute(query).fetchone()
    return found


def _with_awkward(pattern: str) -> tuple[int, float]:
    events = ak.from_parquet(glob.glob(pattern), columns=["weight", "px"])  # noqa: PTH207
    assert int(ak.num(events["px"]).to_numpy().min()) > 0
    return len(events), float(ak.sum(events["weight"]))


@pytest.mark.parametrize("read", [_with_pyarrow, _with_polars, _with_duckdb, _with_awkward])
def test_files_of_chunks_are_one_data_set_for_every_reader(
    campaign: Campaign, read: Callable[[str], tuple[int, float]]
) -> None:
    n_events, sum_weight = read(f"{campaign.folder.root}/data/*/*/kept.parquet")
    totals = read_status(campaign).ledger.totals
    assert n_events == totals.n_kept
    assert sum_weight == pytest.approx(float(totals.sum_kept_weight))


@pytest.mark.parametrize("suffix", ["parquet", "hepmc3", "edm4hep.root"])
def test_a_large_merge_by_parts_is_the_same_and_goes_on_where_it_was_killed(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    flat, output = tmp_path / f"flat.{suffix}", tmp_path / f"kept.{suffix}"
    expected = merge_campaign(campaign, flat)
    monkeypatch.setattr(merge, "CHUNKS_A_PART", 2)
    stream, made = merge._stream, []

    def killed_at_the_end(sources: Iterable[Path], target: Path, *details: Any) -> int:
        found = list(sources)
        made.append(target.name)
        if target == output and len(made) == 3:
            raise KeyboardInterrupt
        return stream(found, target, *details)

    monkeypatch.setattr(merge, "_stream", killed_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        merge_campaign(campaign, output)
    assert len(made) == 3, "two parts and the whole"
    assert not output.exists()
    assert merge_campaign(campaign, output) == expected
    assert len(made) == 4, "a part that was there was made again"
    assert sorted(path.name for path in tmp_path.iterdir()) == [flat.name, output.name]
    assert weights_of(output).tolist() == weights_of(flat).tolist()
    with open_events(output) as mine, open_events(flat) as its:
        assert mine.totals == its.totals == expected.totals


@pytest.mark.slow
def test_parts_that_processes_make_side_by_side_are_the_same(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "CHUNKS_A_PART", 2)
    for n_jobs in (1, 2):
        merge_campaign(campaign, tmp_path / f"kept{n_jobs}.parquet", n_jobs=n_jobs)
    assert weights_of(tmp_path / "kept1.parquet").tolist() == weights_of(tmp_path / "kept2.parquet").tolist()


def test_a_merge_into_a_folder_that_does_not_exist_is_one_line(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "CHUNKS_A_PART", 2)
    with pytest.raises(SmartBKGError, match="nowhere"):
        merge_campaign(campaign, tmp_path / "nowhere" / "kept.parquet")


def test_a_name_of_an_rntuple_is_refused_before_anything_is_read(campaign: Campaign, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"n-tuples of chunks are merged into a tree: name it \.root"):
        merge_campaign(campaign, tmp_path / "all.rntuple.root")


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
    # as programs read it that others have written
    said = [line.split("=")[1] for line in run("report", root).output.splitlines() if "MetaData:" in line]
    assert [float(number) for number in said] == pytest.approx([0.5, process["n_kept"] / 240], rel=1e-5)
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
