"""Flags of other events are noticed where the ids coincide."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.make_flags import make_flags
from smartbkg.errors import DatasetError
from smartbkg.events.columns import CONTENT, EVENT_ID
from smartbkg.events.content import content_digests
from smartbkg.experiment.external import simulate_file_externally
from smartbkg.io.convert import convert_events


@pytest.fixture
def two_files(tmp_path: Path) -> tuple[Path, Path]:
    """Two files of different events with the same ids, as two jobs make them that number alike."""
    return tuple(write_events(tmp_path / f"{name}.parquet", toy_events(300, k)) for k, name in enumerate("AB"))  # type: ignore[return-value]


def flags_with_content(path: Path, seed: int) -> Path:
    events = toy_events(300, seed)
    columns = toy_flags(events) | {CONTENT: content_digests(events)}
    order = np.random.default_rng(1).permutation(len(events))
    return write_flags(path, {name: column[order] for name, column in columns.items()})


@pytest.mark.parametrize("in_memory", [2_000_000, 100])
def test_flags_of_other_events_of_the_same_ids_are_refused(two_files, tmp_path, in_memory):
    flags = flags_with_content(tmp_path / "R.parquet", 0)
    options = DatasetOptions(flags_in_memory=in_memory)
    build_dataset([two_files[0]], [flags], tmp_path / "T.parquet", options)
    with pytest.raises(DatasetError, match=r"for \d+ of \d+ events the flags were made from another event.*--allow"):
        build_dataset([two_files[1]], [flags], tmp_path / "T.parquet", options)


def test_flags_of_other_events_are_taken_where_the_user_says_so(two_files, tmp_path):
    flags = flags_with_content(tmp_path / "R.parquet", 0)
    build_dataset([two_files[1]], [flags], tmp_path / "T.parquet", DatasetOptions(allow_other_events=True))
    assert pq.read_metadata(tmp_path / "T.parquet").num_rows == 300


def test_the_content_of_flags_is_no_variable_of_a_data_set(two_files, tmp_path):
    summary = build_dataset([two_files[0]], [flags_with_content(tmp_path / "R.parquet", 0)], tmp_path / "T.parquet")
    assert CONTENT not in summary.variables


def test_flags_of_converted_events_are_flags_of_these_events(two_files, tmp_path):
    convert_events([two_files[0]], tmp_path / "A.hepmc3")
    build_dataset([tmp_path / "A.hepmc3"], [flags_with_content(tmp_path / "R.parquet", 0)], tmp_path / "T.parquet")
    assert pq.read_metadata(tmp_path / "T.parquet").num_rows == 300


def test_an_external_simulation_says_of_which_events_its_flags_are(two_files, tmp_path):
    program = tmp_path / "simulate.py"
    program.write_text(
        "import sys, pyarrow.parquet as pq\n"
        "table = pq.read_table(sys.argv[1], columns=['experiment', 'run', 'evtNum'])\n"
        "pq.write_table(table.slice(0, table.num_rows // 2), sys.argv[2])\n"
    )
    simulate_file_externally(two_files[0], tmp_path / "R.parquet", f"{sys.executable} {program} {{input}} {{output}}")
    build_dataset([two_files[0]], [tmp_path / "R.parquet"], tmp_path / "T.parquet")
    with pytest.raises(DatasetError, match="made from another event"):
        build_dataset([two_files[1]], [tmp_path / "R.parquet"], tmp_path / "T.parquet")


def test_flags_of_a_skimmed_file_belong_to_the_files_of_all_events_that_were_named(two_files, tmp_path):
    numbers = toy_events(300, 0)
    passing = pa.table({name: numbers.event[name][::5] for name in EVENT_ID})
    pq.write_table(passing, tmp_path / "passing.parquet")
    make_flags([tmp_path / "passing.parquet"], tmp_path / "R.parquet", "mine", all_events=[two_files[0]])
    build_dataset([two_files[0]], [tmp_path / "R.parquet"], tmp_path / "T.parquet")
    with pytest.raises(DatasetError, match=r"B\.parquet: none of the files of events that .*R\.parquet was made from"):
        build_dataset([two_files[1]], [tmp_path / "R.parquet"], tmp_path / "T.parquet")
    convert_events([two_files[0]], tmp_path / "converted.parquet")
    build_dataset([tmp_path / "converted.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet")
