"""Packs of records: they open a thousand times fewer files, and never say anything else than the records do."""

import dataclasses
import itertools
import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_campaign import small_campaign

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.chunk.record import as_bytes, read_record
from smartbkg.campaign.chunk_files import chunk_files
from smartbkg.campaign.merge import ledger_of
from smartbkg.campaign.packs import WORTH_PACKING
from smartbkg.campaign.publication import publish_once
from smartbkg.campaign.record_table import RecordTable
from smartbkg.campaign.status import Status, as_dict, read_status

N_CHUNKS = 1130
"""Two groups: a whole one, and one that ends early."""
CUTS = (0, 400, 1000, N_CHUNKS)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A campaign of 1,130 chunks of which one was made; the others have its record under their own number."""
    settings = {"generate__files": [], "events": 10 * N_CHUNKS, "chunk_events": 10, "experiment": 0}
    campaign = small_campaign(tmp_path_factory.mktemp("packs") / "small", 1, 10, **settings)
    assert attempt_chunk(campaign, 0).state == "done"
    return campaign


@pytest.fixture
def campaign(template: Campaign, tmp_path: Path) -> Campaign:
    shutil.copytree(template.folder.root, tmp_path / "copy")
    return open_campaign(tmp_path / "copy")


def record(campaign: Campaign, *chunks: int) -> None:
    """Publish records of chunks, of numbers that differ."""
    content = read_record(campaign.folder.record(0), 0)
    for chunk in chunks:
        totals: dict[str, Any] = json.loads(json.dumps(content["totals"]))
        totals["n_events"] = 10 + chunk % 7
        totals["exact"]["sum_weight"] = f"{1 + chunk}/{2 ** (chunk % 20)}"
        totals["sum_weight"] = (1 + chunk) / 2 ** (chunk % 20)
        mine = content | {"chunk": chunk, "attempt": f"a{chunk:05d}", "totals": totals, "wall": 0.1 * chunk}
        assert publish_once(campaign.folder.record(chunk), as_bytes(mine))


class Opened:
    """Counts the records that are read one by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records: list[int] = []

        def read(path: Path, index: int) -> dict[str, Any]:
            self.records.append(index)
            return read_record(path, index)

        monkeypatch.setattr("smartbkg.campaign.records.read_record", read)

    def status(self, campaign: Campaign) -> tuple[Status, int]:
        before = len(self.records)
        return read_status(campaign), len(self.records) - before


def figures(status: Status) -> dict[str, Any]:
    """All that a status says."""
    found = as_dict(status) | {"is_done": status.is_done.tolist()}
    return found | {
        name: np.nan_to_num(values, nan=-1).tolist() for name, values in dataclasses.asdict(status.metrics).items()
    }


def without_packs(campaign: Campaign) -> Status:
    shutil.rmtree(campaign.folder.root / "packs", ignore_errors=True)
    return read_status(campaign)


def test_a_pack_says_exactly_what_its_records_say_and_they_are_opened_once(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(monkeypatch)
    for first, last in itertools.pairwise(CUTS):
        record(campaign, *range(max(first, 1), last))
        status, n_opened = opened.status(campaign)
        assert n_opened == last - first, "a record that a pack holds was opened again"
    again, n_opened = opened.status(campaign)
    assert (n_opened, again.n_done) == (0, N_CHUNKS)
    assert again.ledger.to_dict() == status.ledger.to_dict()
    assert figures(again) == figures(without_packs(campaign))


def test_fewer_records_than_are_worth_it_make_no_pack(campaign: Campaign) -> None:
    record(campaign, *range(1, WORTH_PACKING - 1))
    assert read_status(campaign).n_done == WORTH_PACKING - 1
    assert not (campaign.folder.root / "packs").exists()


def test_a_record_removed_changed_or_made_anew_is_seen_through_a_pack(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(campaign, *range(1, 300))
    read_status(campaign)
    path = campaign.folder.record(17)
    content = path.read_bytes()
    path.unlink()
    assert read_status(campaign).n_done == 299
    path.write_bytes(content.replace(b"a00017", b"a00018"))
    status = read_status(campaign)
    assert (status.n_done, len(status.damaged)) == (299, 1)
    path.unlink()
    assert publish_once(path, as_bytes(read_record(campaign.folder.record(18)) | {"chunk": 17, "attempt": "new"}))
    opened = Opened(monkeypatch)
    found = {one.chunk: one.folder.name for one in chunk_files(campaign, read_status(campaign).is_done)}
    assert found[17] == "000017.new", "a pack names an attempt that the record does not name any more"
    assert set(opened.records) <= {17}, "a record that no one has touched was opened again"


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "foreign", "folder"])
def test_a_damaged_pack_is_made_again(campaign: Campaign, how: str) -> None:
    record(campaign, *range(1, 150))
    expected = figures(read_status(campaign))
    pack = campaign.folder.pack(0)
    good = pack.read_bytes()
    if how == "folder":
        pack.unlink()
        pack.mkdir()
    else:
        middle = bytes([good[len(good) // 2] ^ 1])
        damaged = {
            "cut": good[:-10], "empty": b"", "foreign": b"not a pack at all",
            "flipped": good[: len(good) // 2] + middle + good[len(good) // 2 + 1 :],
        }  # fmt: skip
        pack.write_bytes(damaged[how])
    assert figures(read_status(campaign)) == expected
    if how != "folder":
        assert pack.read_bytes() == good, "the pack was not made again, the same bytes"


def test_packs_of_another_campaign_do_not_count(campaign: Campaign, tmp_path: Path) -> None:
    record(campaign, *range(1, 150))
    read_status(campaign)
    settings = {"generate__files": [], "events": 10 * N_CHUNKS, "chunk_events": 10, "seed": 5}
    other = small_campaign(tmp_path / "other" / "small", 1, 10, **settings)
    shutil.copytree(campaign.folder.root / "packs", other.folder.root / "packs")
    shutil.copytree(campaign.folder.records, other.folder.records)
    status = read_status(other)
    assert (status.n_done, len(status.foreign)) == (0, 150)


def test_a_folder_that_cannot_be_written_is_read_without_packs(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(campaign, *range(1, 150))

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("smartbkg.campaign.packs.write_bytes_atomically", read_only)
    assert read_status(campaign).n_done == 150
    assert not campaign.folder.pack(0).exists()


def test_a_copied_folder_is_read_as_it_is_whatever_times_its_files_have(campaign: Campaign, tmp_path: Path) -> None:
    record(campaign, *range(1, 150))
    expected = figures(read_status(campaign))
    for name, copy in (("kept", shutil.copy2), ("lost", shutil.copyfile)):
        shutil.copytree(campaign.folder.root, tmp_path / name, copy_function=copy)
        assert figures(read_status(open_campaign(tmp_path / name))) == expected


def _read_and_make(arguments: tuple[Path, int]) -> int:
    root, share = arguments
    campaign = open_campaign(root)
    n_before = 0
    for start in range(1, 1000, 111):
        for chunk in range(start, min(start + 111, 1000)):
            if chunk % 4 == share:
                record(campaign, chunk)
        status = read_status(campaign)
        assert not status.damaged
        assert status.n_done >= n_before
        n_before = status.n_done
    return n_before


def test_readers_and_writers_at_once_see_nothing_that_is_not_so(campaign: Campaign) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_read_and_make, [(campaign.folder.root, share) for share in range(4)], chunksize=1)
    found = figures(read_status(campaign))
    assert sum(found["is_done"]) == 1000
    assert found == figures(without_packs(campaign))


def test_a_merge_of_a_range_sums_its_records_alone(campaign: Campaign) -> None:
    record(campaign, *range(1, 300))
    status = read_status(campaign)
    parts = []
    for chosen in (slice(0, 123), slice(123, N_CHUNKS)):
        mask = np.zeros_like(status.is_done)
        mask[chosen] = status.is_done[chosen]
        parts.append(ledger_of(campaign, mask, status).totals)
    assert parts[0] + parts[1] == ledger_of(campaign, status.is_done, status).totals
    assert parts[0].n_events == 10 + sum(10 + chunk % 7 for chunk in range(1, 123))


def test_tables_of_other_skims_are_refused(template: Campaign) -> None:
    content = read_record(template.folder.record(0), 0)
    with pytest.raises(Exception, match="expected those of"):
        RecordTable.of([content], ("another",))
