"""An attempt that is given up: nothing of it is left, unless its record counts already."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_campaign import small_campaign

from smartbkg.campaign.chunk import attempt
from smartbkg.campaign.chunk.record import read_record


def test_a_signal_behind_the_publication_does_not_take_the_files_of_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = small_campaign(tmp_path / "small", 1)
    publish_once = attempt.publish_once

    def publish_and_be_stopped(path: Path, content: bytes) -> bool:
        assert publish_once(path, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(attempt, "publish_once", publish_and_be_stopped)
    with pytest.raises(KeyboardInterrupt):
        attempt.attempt_chunk(campaign, 0)
    winner = read_record(campaign.folder.record(0), 0)["attempt"]
    assert [path.name.rpartition(".")[2] for path in campaign.folder.attempts(0)] == [winner]


def test_a_signal_before_the_publication_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = small_campaign(tmp_path / "small", 1)

    def be_stopped(path: Path, content: bytes) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(attempt, "publish_once", be_stopped)
    with pytest.raises(KeyboardInterrupt):
        attempt.attempt_chunk(campaign, 0)
    assert not list(campaign.folder.attempts(0))
