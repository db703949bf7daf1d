"""An output is called by what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smartbkg.errors import UsageError
from smartbkg.storage.suffixes import MODEL, TABLE, require_suffix


def test_a_name_of_another_content_is_refused_and_says_which_is_expected(tmp_path: Path) -> None:
    require_suffix(tmp_path / "table.pq", TABLE, "a table")
    with pytest.raises(UsageError, match=r"model\.parquet: a model is written, expected .* \.safetensors"):
        require_suffix(tmp_path / "model.parquet", MODEL, "a model")
    with pytest.raises(UsageError, match=r"\.parquet or \.pq"):
        require_suffix(tmp_path / "parquet", TABLE, "a table")


def test_devices_and_fifos_may_have_any_name(tmp_path: Path) -> None:
    require_suffix(Path(os.devnull), MODEL, "a model")
    os.mkfifo(tmp_path / "fifo")
    require_suffix(tmp_path / "fifo", TABLE, "a table")
    require_suffix(tmp_path / "anything", (), "whatever")
