"""Failed attempts: which count, what is said of them, and the second chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smartbkg.campaign.failures import failed_chunks, retry
from smartbkg.campaign.folder import CampaignFolder


def fail(folder: CampaignFolder, chunk: int, attempt: str, **content: Any) -> Path:
    path = folder.failure(chunk, attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_failures_are_counted_per_chunk_and_the_last_is_told(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    fail(folder, 3, "b", error="disk full", time=20.0)
    last = fail(folder, 3, "a", error="killed", time=30.0)
    fail(folder, 1200, "c", error="lost", time=1.0)
    found = failed_chunks(folder)
    assert [(one.chunk, one.n_failures, one.error) for one in found] == [(3, 2, "killed"), (1200, 1, "lost")]
    assert found[0].log == last


def test_an_attempt_that_was_stopped_on_purpose_does_not_count(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    fail(folder, 0, "a", error="interrupted", counts=False)
    assert failed_chunks(folder) == []


def test_a_description_that_cannot_be_read_still_counts(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    fail(folder, 5, "a").write_text("{")
    assert [(one.chunk, one.n_failures) for one in failed_chunks(folder)] == [(5, 1)]
    assert "cannot be read" in failed_chunks(folder)[0].error


def test_a_second_chance_is_for_the_chunks_that_were_named_and_keeps_the_story(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path)
    first, second = fail(folder, 1, "a", error="x"), fail(folder, 2, "b", error="y")
    assert retry(folder, [1, 77]) == [1]
    assert [one.chunk for one in failed_chunks(folder)] == [2]
    assert json.loads(first.with_name(first.name + ".retried").read_text()) == {"error": "x"}
    assert retry(folder) == [2]
    assert not second.exists()
    assert failed_chunks(folder) == []
