"""The demo's own mistakes; that it runs is shown by a small one in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartbkg.demo.run import run_demo
from smartbkg.errors import UsageError
from smartbkg.tools.warm_up import warm_up


class _Silent:
    def step(self, title: str, reason: str) -> None:
        raise AssertionError(f"nothing may begin: {title}")

    def result(self, text: str) -> None:
        raise AssertionError(text)


def test_too_few_events_and_a_file_in_place_of_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="at least 4000"):
        run_demo(tmp_path / "demo", 100, _Silent())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        run_demo(tmp_path / "file", 10_000, _Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_unknown_parts_are_not_compiled():
    with pytest.raises(UsageError, match="did you mean 'network'"):
        warm_up(["netwrok"])
