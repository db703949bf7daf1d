"""Flags: the events of a skimmed file, rows of an n-tuple, or a list of numbers."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from click.testing import CliRunner
from io_events import write_mdst
from synthetic import random_events

from smartbkg.cli.flag import command
from smartbkg.datasets.make_flags import make_flags
from smartbkg.errors import DatasetError, FileFormatError, UsageError
from smartbkg.io import create_events
from smartbkg.io.tables import Table, read_table
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

NTUPLE = {
    "__experiment__": np.array([1, 1, 1, 1], dtype=np.int32),
    "__run__": np.array([5, 5, 6, 6], dtype=np.int32),
    "__event__": np.array([1, 1, 1, 2], dtype=np.uint32),
    "Mbc": np.array([5.20, 5.28, 5.25, np.nan]),
    "deltaE": np.array([0.0, -0.1, 0.3, 0.0]),
}


def flags(*arguments: object) -> Table:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return read_table(str(arguments[arguments.index("--output") + 1]), "flags")


def rows(table: Table) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in table.columns.values()), strict=True))


def test_events_of_a_skimmed_file_are_the_flags(tmp_path: Path) -> None:
    """The same event number in two runs is two events."""
    write_mdst(tmp_path / "all.root", [(1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2)])
    write_mdst(tmp_path / "skim.root", [(1, 2, 1), (1, 1, 2)], with_particles=False)
    only = flags(tmp_path / "skim.root", "--output", tmp_path / "f.parquet", "--skim", "fei")
    assert list(only.columns) == ["experiment", "run", "evtNum", "passes_fei"]
    assert rows(only) == [(1, 1, 2, True), (1, 2, 1, True)]
    every = flags(tmp_path / "skim.root", "--output", tmp_path / "g.parquet", "--events", tmp_path / "all.root")
    assert rows(every) == [(1, 1, 1, False), (1, 1, 2, True), (1, 2, 1, True), (1, 2, 2, False)]


def test_real_file(reference_data: Path, tmp_path: Path) -> None:
    table = flags(reference_data / "belle2" / "mdst.root", "--output", tmp_path / "f.parquet")
    assert len(table) == 100
    assert table["passes_skim"].all()


@pytest.mark.parametrize("kind", ["root", "parquet", "csv"])
def test_a_cut_on_an_ntuple_passes_events_with_a_row_that_meets_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"n.{kind}"
    if kind == "root":
        with uproot.recreate(path) as file:
            file.mktree("variables", {name: column.dtype for name, column in NTUPLE.items()})
            file["variables"].extend(NTUPLE)
    elif kind == "parquet":
        pq.write_table(pa.table(NTUPLE), path)
    else:
        lines = [",".join(NTUPLE), *(",".join(map(str, row)) for row in zip(*NTUPLE.values(), strict=True))]
        path.write_text("\n".join(lines) + "\n")
    cut = flags(path, "--output", tmp_path / "f.parquet", "--cut", "Mbc > 5.22", "--cut", "abs(deltaE) < 0.2")
    assert rows(cut) == [(1, 5, 1, True), (1, 6, 1, False), (1, 6, 2, False)]
    assert rows(flags(path, "--output", tmp_path / "g.parquet"))[0] == (1, 5, 1, True)


def test_a_bare_list_of_numbers_needs_experiment_and_run(tmp_path: Path) -> None:
    pq.write_table(pa.table({"": [7, 3]}), tmp_path / "list.parquet")
    arguments = (tmp_path / "list.parquet", "--output", tmp_path / "f.parquet")
    assert rows(flags(*arguments, "--experiment", 2, "--run", 9)) == [(2, 9, 3, True), (2, 9, 7, True)]
    with pytest.raises(FileFormatError, match="give it with --experiment"):
        flags(*arguments)


def test_mistakes_are_named(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 1, 1)])
    write_mdst(tmp_path / "twice.root", [(1, 1, 1), (1, 1, 1)])
    write_mdst(tmp_path / "other.root", [(1, 1, 9)])
    pq.write_table(pa.table(NTUPLE), tmp_path / "n.parquet")
    output = ("--output", tmp_path / "f.parquet")
    with pytest.raises(UsageError, match="same file"):
        flags(tmp_path / "n.parquet", "--output", tmp_path / "n.parquet")
    with pytest.raises(DatasetError, match="occurs 2 times"):
        flags(tmp_path / "twice.root", *output)
    assert len(flags(tmp_path / "twice.root", *output, "--allow-duplicates")) == 1
    with pytest.raises(DatasetError, match="the flags are of another sample"):
        flags(tmp_path / "other.root", *output, "--events", tmp_path / "m.root")
    with pytest.raises(FileFormatError, match="no column 'Mcb': did you mean 'Mbc'"):
        flags(tmp_path / "n.parquet", *output, "--cut", "Mcb > 5")
    with pytest.raises(UsageError, match="cannot read the selection"):
        flags(tmp_path / "n.parquet", *output, "--cut", "Mbc >")
    with pytest.raises(UsageError, match="needs columns of an n-tuple"):
        flags(tmp_path / "m.root", *output, "--cut", "Mbc > 5")


def test_an_ntuple_may_be_an_rntuple(tmp_path: Path) -> None:
    path = tmp_path / "n.root"
    with uproot.recreate(path) as file:
        array = ak.Array(NTUPLE)
        file.mkrntuple("variables", array.layout.form)
        file["variables"].extend(array)
    table = flags(path, "--output", tmp_path / "f.parquet", "--cut", "Mbc > 5.27")
    assert rows(table) == [(1, 5, 1, True), (1, 6, 1, False), (1, 6, 2, False)]


def test_a_text_that_is_no_table_is_not_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("hello\n")
    with pytest.raises(FileFormatError, match=r"notes\.csv: not a table of events: no column 'evtNum'.*: hello"):
        flags(tmp_path / "notes.csv", "--output", tmp_path / "f.parquet")
    assert not (tmp_path / "f.parquet").exists()


def test_labels_of_a_training_file_are_taken(tmp_path: Path) -> None:
    """Its events are all there: that they are is no sign that they passed."""
    from smartbkg.events import EventBatch
    from smartbkg.io.parquet import ParquetWriter
    from smartbkg.storage.kinds import DATASET, SCHEMA_VERSIONS
    from smartbkg.storage.provenance import record

    names = ("arrayIndex", "PDG", "motherIndex", "status", "mass", "charge", "energy", "prodTime", "x", "y", "z", "px",
             "py", "pz", "nDaughters", "motherPDG")  # fmt: skip
    particle = {name: np.array([0, 0, 0]) for name in names} | {"motherIndex": np.array([-1, -1, -1])}
    event = {"experiment": [7, 7, 7], "run": [1, 1, 1], "evtNum": [1, 2, 3], "label": [True, False, True]}
    writer = ParquetWriter(tmp_path / "train.parquet", record(DATASET, SCHEMA_VERSIONS[DATASET], {}))
    writer.write(EventBatch.from_columns([1, 1, 1], event, particle))
    writer.close()
    summary = make_flags([tmp_path / "train.parquet"], tmp_path / "flags.parquet", "skim")
    assert (summary.n_events, summary.n_passing) == (3, 2)


def test_variables_of_an_ntuple_reach_the_data_set(tmp_path: Path) -> None:
    """Of an event with several rows the first that passes counts."""
    pq.write_table(pa.table(NTUPLE | {"note": ["a", "b", "c", "d"]}), tmp_path / "n.parquet")
    arguments = (tmp_path / "n.parquet", "--output", tmp_path / "f.parquet", "--cut", "Mbc > 5.22")
    chosen = flags(*arguments, "--variable", "deltaE")
    assert rows(chosen)[:2] == [(1, 5, 1, True, -0.1), (1, 6, 1, True, 0.3)]
    every = flags(*arguments, "--all-variables")
    assert list(every.columns)[3:] == ["passes_skim", "Mbc", "deltaE"]
    with pytest.raises(FileFormatError, match=r"column 'note' holds .*, expected numbers"):
        flags(*arguments, "--variable", "note")
    with pytest.raises(FileFormatError, match="did you mean 'deltaE'"):
        flags(*arguments, "--variable", "deltaF")
    with pytest.raises(UsageError, match="give one of the two"):
        flags(*arguments, "--variable", "Mbc", "--all-variables")


def test_a_table_that_says_which_events_passed_is_believed(tmp_path: Path) -> None:
    ids = {"experiment": [1] * 3, "run": [5] * 3, "evtNum": [1, 2, 3]}
    (tmp_path / "p.csv").write_text("experiment,run,evtNum,passes\n1,5,1,0\n1,5,2,1\n1,5,3,0\n")
    assert [row[3] for row in rows(flags(tmp_path / "p.csv", "--output", tmp_path / "a.parquet"))] == [0, 1, 0]
    pq.write_table(pa.table(ids | {"passes_fei": [True, False, False]}), tmp_path / "one.parquet")
    assert [row[3] for row in rows(flags(tmp_path / "one.parquet", "--output", tmp_path / "b.parquet"))] == [1, 0, 0]
    two = ids | {"passes_fei": [True, False, False], "passes_tau": [False, False, True]}
    pq.write_table(pa.table(two), tmp_path / "two.parquet")
    chosen = flags(tmp_path / "two.parquet", "--output", tmp_path / "c.parquet", "--skim", "tau")
    assert [row[3] for row in rows(chosen)] == [0, 0, 1]
    with pytest.raises(UsageError, match="choose one by --skim: fei, tau"):
        flags(tmp_path / "two.parquet", "--output", tmp_path / "d.parquet")
    cut = flags(tmp_path / "two.parquet", "--output", tmp_path / "e.parquet", "--cut", "passes_tau > 0")
    assert [row[3] for row in rows(cut)] == [0, 0, 1]


def test_the_output_of_a_generator_is_no_skim(tmp_path: Path) -> None:
    about = record(EVENTS, SCHEMA_VERSIONS[EVENTS], {"generator": "smartbkg-pythia8"})
    with create_events(tmp_path / "generated.parquet", about) as writer:
        writer.write(random_events(3))
    with pytest.raises(UsageError, match="all of them would pass"):
        flags(tmp_path / "generated.parquet", "--output", tmp_path / "f.parquet")
    assert not (tmp_path / "f.parquet").exists()
