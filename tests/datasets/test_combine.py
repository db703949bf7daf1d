"""Several data sets in one: all rows, added counts, common variables; other kinds and shared events are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.combine import merge_datasets
from smartbkg.datasets.header import read_header
from smartbkg.errors import DatasetError, UsageError
from smartbkg.io.parquet import ParquetReader


def dataset(folder: Path, run: int, n: int = 300, *, drop: str | None = None, **options: object) -> Path:
    events = toy_events(n, run, run=run, process="mixed" if run == 1 else "charged")
    flags = toy_flags(events, run)
    if drop:
        flags.pop(drop)
    output = folder / f"T{run}.parquet"
    build_dataset(
        [write_events(folder / f"F{run}.parquet", events)], [write_flags(folder / f"R{run}.parquet", flags)], output,
        DatasetOptions(**options),  # type: ignore[arg-type]
    )  # fmt: skip
    return output


def test_rows_follow_one_another_and_counts_add_up(tmp_path: Path) -> None:
    parts = [dataset(tmp_path, 1), dataset(tmp_path, 2, 200)]
    summary = merge_datasets(parts, tmp_path / "all.parquet")
    assert summary.total.n_events == 500
    assert set(summary.counts) == {"mixed", "charged"}
    with ParquetReader(tmp_path / "all.parquet") as reader:
        runs = np.concatenate([batch.event["run"] for batch in reader.batches()])
    np.testing.assert_array_equal(runs, np.repeat([1, 2], [300, 200]))
    assert read_header(tmp_path / "all.parquet").summary.total == summary.total


def test_a_variable_that_one_file_lacks_is_left_out_of_all(tmp_path: Path) -> None:
    parts = [dataset(tmp_path, 1), dataset(tmp_path, 2, drop="nTracks")]
    assert merge_datasets(parts, tmp_path / "all.parquet").variables == ("Mbc",)
    with ParquetReader(tmp_path / "all.parquet") as reader:
        columns = set(next(iter(reader.batches())).event)
    assert "var_Mbc" in columns
    assert "var_nTracks" not in columns


def test_thinned_and_whole_samples_say_the_smaller_share(tmp_path: Path) -> None:
    parts = [dataset(tmp_path, 1, failing_per_passing=1.0), dataset(tmp_path, 2)]
    kept = [read_header(path).summary.failing_kept for path in parts]
    assert kept[0] < kept[1] == 1.0
    assert merge_datasets(parts, tmp_path / "all.parquet").failing_kept == kept[0]


def test_events_in_both_files_and_an_output_among_the_inputs_are_refused(tmp_path: Path) -> None:
    one = dataset(tmp_path, 1)
    with pytest.raises(DatasetError, match="300 events occur more than once"):
        merge_datasets([one, one], tmp_path / "all.parquet")
    with pytest.raises(UsageError):
        merge_datasets([one, dataset(tmp_path, 2)], one)
    assert not (tmp_path / "all.parquet").exists()
