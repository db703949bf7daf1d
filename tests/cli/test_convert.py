"""Conversion keeps events, and defines what happens to mixed, repeated and damaged ones."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from io_events import decay_event, hepmc_text, write_mdst

from smartbkg.cli.convert import command
from smartbkg.errors import EventError, UsageError
from smartbkg.events import EventBatch
from smartbkg.graphs.decay_tree import GraphRule, build_graphs
from smartbkg.io import open_events


def convert(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def read(path: Path) -> EventBatch:
    with open_events(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def test_real_events_survive_every_way(reference_data: Path, tmp_path: Path) -> None:
    source = reference_data / "belle2" / "mdst-v06-00-00.root"
    convert(source, tmp_path / "a.parquet")
    convert(tmp_path / "a.parquet", tmp_path / "b.hepmc3.gz")
    convert(tmp_path / "b.hepmc3.gz", tmp_path / "c.parquet")
    first, last = read(source), read(tmp_path / "c.parquet")
    for name, column in first.particle.items():
        np.testing.assert_array_equal(last.particle[name], column)
    for one, other in zip(build_graphs(first, GraphRule()), build_graphs(last, GraphRule()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_libraries_read_the_native_format(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, 3), (1, 2, 4)])
    path = tmp_path / "m.parquet"
    convert(tmp_path / "m.root", path)
    assert pl.read_parquet(path)["PDG"].to_list() == [[300553, 521, -521]] * 2
    assert duckdb.sql(f"select sum(len(PDG)) from '{path}'").fetchall() == [(6,)]


def test_files_of_several_formats_become_one(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, 3)])
    (tmp_path / "e.hepmc3").write_bytes(hepmc_text([decay_event(5)]))
    convert(tmp_path / "m.root", tmp_path / "e.hepmc3", tmp_path / "both.parquet")
    batch = read(tmp_path / "both.parquet")
    assert batch.event["evtNum"].tolist() == [3, 5]
    assert set(batch.event) == {"experiment", "run", "evtNum", "process", "weight"}
    convert(tmp_path / "m.root", tmp_path / "e.hepmc3", tmp_path / "both.hepmc3")
    assert read(tmp_path / "both.hepmc3").event["evtNum"].tolist() == [3, 5]


def test_an_event_twice_is_an_error_unless_allowed(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, 3), (1, 2, 4), (1, 2, 3)])
    with pytest.raises(EventError, match=r"\(1, 2, 3\).*--allow-duplicates"):
        convert(tmp_path / "m.root", tmp_path / "m.parquet")
    assert not (tmp_path / "m.parquet").exists()
    result = convert(tmp_path / "m.root", tmp_path / "m.parquet", "--allow-duplicates")
    assert "1 events come twice" in result.output


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, 3)])
    convert(tmp_path / "m.root", tmp_path / "m.parquet")
    with pytest.raises(UsageError, match="same file"):
        convert(tmp_path / "m.parquet", tmp_path / "m.parquet")


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    text = hepmc_text([decay_event(1), decay_event(2)]).replace(b"V -3", b"V -x", 1)
    (tmp_path / "e.hepmc3").write_bytes(text)
    result = convert(tmp_path / "e.hepmc3", tmp_path / "e.parquet", "--skip-corrupt")
    assert "1 events left out" in result.output
    assert "event 1: a line is cut short" in result.output


def test_event_ids_that_are_the_defaults_are_said(tmp_path: Path) -> None:
    (tmp_path / "e.hepmc3").write_bytes(hepmc_text([decay_event(number) for number in range(3)]))
    said = convert(tmp_path / "e.hepmc3", tmp_path / "a.parquet").stderr
    assert "event ids are the defaults (experiment 0, run 0)" in said
    assert "defaults" not in convert(tmp_path / "e.hepmc3", tmp_path / "b.parquet", "--run", 4).stderr
