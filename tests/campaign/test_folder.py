"""What lies where in a campaign's folder, for a million chunks."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartbkg.campaign.folder import CHUNKS_A_FOLDER, CONFIG_NAME, CampaignFolder
from smartbkg.errors import UsageError


def test_a_folder_without_a_configuration_is_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="smartbkg campaign init"):
        CampaignFolder.of(tmp_path)
    (tmp_path / CONFIG_NAME).touch()
    assert CampaignFolder.of(tmp_path).config.name == CONFIG_NAME


def test_records_are_found_again_in_order_of_their_numbers(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    assert list(folder.recorded()) == []
    numbers = [1_234_567, 0, CHUNKS_A_FOLDER, CHUNKS_A_FOLDER - 1, 40]
    for number in numbers:
        folder.record(number).parent.mkdir(parents=True, exist_ok=True)
        folder.record(number).write_text("x" * (number % 7))
    assert [number for number, _ in folder.recorded()] == sorted(numbers)
    assert folder.groups() == [0, 1, 1234]
    assert {number: size for number, (size, _) in folder.marks(0).items()} == {0: 0, 999: 5, 40: 5}


def test_half_written_records_and_strange_files_are_no_records(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    folder.record(3).parent.mkdir(parents=True)
    for name in ("000003.json.partial", ".000003.json", "3.json", "notes.json"):
        (folder.record(3).parent / name).touch()
    (folder.records / "other").mkdir()
    assert list(folder.recorded()) == []


def test_attempts_and_failures_of_a_chunk_are_its_own(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    for chunk, attempt in ((5, "a"), (5, "b"), (50, "a")):
        folder.data(chunk, attempt).mkdir(parents=True)
        folder.failure(chunk, attempt).parent.mkdir(parents=True, exist_ok=True)
        folder.failure(chunk, attempt).touch()
    assert sorted(path.name for path in folder.attempts(5)) == ["000005.a", "000005.b"]
    assert [path.name for path in folder.failures(50)] == ["000050.a.json"]
    assert {chunk: len(paths) for chunk, paths in folder.failed_chunks().items()} == {5: 2, 50: 1}
