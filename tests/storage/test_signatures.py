"""Containers are told apart by their first bytes, in one place."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from smartbkg.errors import FileFormatError
from smartbkg.storage.signatures import PARQUET_START, ROOT_START, ZIP_START, first_bytes, is_parquet

SOURCE = Path(__file__).resolve().parents[2] / "src" / "smartbkg"


def test_each_container_begins_as_its_own_writer_writes_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a")
    np.savez(tmp_path / "b.npz", x=np.ones(1))
    with uproot.recreate(tmp_path / "c") as file:
        file["tree"] = {"x": np.ones(1)}
    assert [first_bytes(tmp_path / name) for name in ("a", "b.npz", "c")] == [PARQUET_START, ZIP_START, ROOT_START]


def test_a_file_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("evtNum\n1\n")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "table.csv")
    assert not is_parquet(tmp_path / "text.parquet")
    assert is_parquet(tmp_path / "table.csv")
    assert is_parquet(tmp_path / "missing.parquet"), "whoever opens it says that it is missing"
    assert not is_parquet(tmp_path / "missing.hepmc3")


def test_a_short_file_has_the_bytes_that_it_has_and_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"PA")
    assert first_bytes(tmp_path / "short") == b"PA"
    with pytest.raises(FileFormatError, match="cannot read"):
        first_bytes(tmp_path)


def test_no_other_module_spells_the_first_bytes_of_a_container() -> None:
    spelled = re.compile(r'b"(?:PAR1|root|PK\\x03\\x04)"')
    found = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if spelled.search(path.read_text()) and path.name != "signatures.py"
    ]
    assert found == []
