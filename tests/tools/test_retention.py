"""The table of retentions adds up over files and processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smartbkg.io.tables import write_table
from smartbkg.storage.provenance import record
from smartbkg.tools.retention import Retention, measure_retention, retention_table


def test_files_and_processes_are_summed(tmp_path: Path) -> None:
    for number in range(2):
        columns = {
            "process": np.array(["mixed"] * 60 + ["taupair"] * 40),
            "passes_a": np.arange(100) < 6,
            "passes_b": np.arange(100) >= 99,
        }
        write_table(tmp_path / f"{number}.parquet", columns, record("flags", 1, {}))
    retention = measure_retention([tmp_path / "0.parquet", tmp_path / "1.parquet"])
    assert retention["a"]["mixed"] == Retention(12, 120)
    assert retention["b"]["taupair"] == Retention(2, 80)
    assert retention["a"]["mixed"].per_cent == pytest.approx(10.0)
    assert retention["a"]["mixed"].error == pytest.approx(100 * np.sqrt(0.1 * 0.9 / 120))
    assert retention_table(retention).splitlines() == [
        "| skim | mixed | taupair |",
        "|---|---|---|",
        "| a | 10 ± 3 | < 3.8 |",
        "| b | < 2.5 | 2.5 ± 2 |",
        "| events | 120 | 80 |",
    ]
