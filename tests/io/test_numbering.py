"""Events numbered by their place in the input, where the user asks: ids that repeat, are missing or are no integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from io_events import decay_event, hepmc_text, write_mdst
from synthetic import random_events

from smartbkg.cli.convert import command
from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.parquet import batch_to_arrow
from smartbkg.io.several import open_all
from smartbkg.storage.provenance import record

N_EVENTS = 7
SUFFIXES = (".parquet", ".hepmc3", ".hepmc2", ".root", ".edm4hep.root", ".npz")


def write(path: Path) -> Path:
    """Seven events that are all called 5."""
    if path.suffix == ".npz":
        arrays = {"X_train_0": np.zeros((N_EVENTS, 100, 9)), "X_train_1": np.full((N_EVENTS, 100), -1)}
        np.savez(path, **arrays, y_train=np.zeros(N_EVENTS))
    elif path.name.endswith(("hepmc3", "hepmc2")):
        path.write_bytes(hepmc_text([decay_event(5) for _ in range(N_EVENTS)], int(path.name[-1])))
    elif path.name == "e.root":
        write_mdst(path, [(1, 1, 5)] * N_EVENTS)
    else:
        batch = random_events(N_EVENTS, seed=1)
        batch = batch.with_event_columns(evtNum=np.full(N_EVENTS, 5))
        with create_events(path, record("events", 1, {})) as writer:
            writer.write(batch)
    return path


def numbers(path: Path, size: int = 1000, **options: int) -> list[int]:
    with open_events(path, ReadOptions(number_from=0, **options)) as reader:
        return [int(number) for batch in reader.batches(size) for number in batch.event["evtNum"]]


@pytest.mark.filterwarnings("ignore:.*IO_GenEvent")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_are_places_whatever_the_format_and_the_size_of_batches(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"e{suffix}")
    assert numbers(path) == numbers(path, 3) == list(range(N_EVENTS))


def test_numbers_go_on_from_file_to_file(tmp_path: Path) -> None:
    paths = [write(tmp_path / name) for name in ("a.parquet", "b.hepmc3", "e.root")]
    with open_all(paths, ReadOptions(number_from=0)) as reader:
        found = EventBatch.concatenate(list(reader.batches(2)))
    assert found.event["evtNum"].tolist() == list(range(3 * N_EVENTS))


@pytest.mark.parametrize("column", [[1.5] * 4, [None, 1, 2, 3], [2**63 + k for k in range(4)], None])
def test_numbers_that_are_none_are_refused_or_made_anew(tmp_path: Path, column: list[float] | None) -> None:
    table = pa.Table.from_batches([batch_to_arrow(random_events(4, seed=1))]).drop_columns("evtNum")
    if column is not None:
        kind = pa.uint64() if column[0] is not None and column[0] > 2**62 else None
        table = table.append_column("evtNum", pa.array(column, kind))
    pq.write_table(table, tmp_path / "e.parquet")
    with open_events(tmp_path / "e.parquet") as reader, pytest.raises(Exception, match="evtNum") as stop:
        list(reader.batches())
    assert column is None or isinstance(stop.value, EventError)
    assert numbers(tmp_path / "e.parquet") == [0, 1, 2, 3]


def test_an_event_that_is_skipped_keeps_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "e.hepmc3")
    lines = path.read_bytes().splitlines(keepends=True)
    second = [k for k, line in enumerate(lines) if line.startswith(b"E ")][1]
    broken = next(k for k in range(second, len(lines)) if lines[k].startswith(b"P "))
    lines[broken] = b"P 1 x\n"
    path.write_bytes(b"".join(lines))
    assert numbers(path, skip_corrupt=True) == [0, 2, 3, 4, 5, 6]


def test_a_conversion_names_the_option_and_takes_it(tmp_path: Path) -> None:
    path, output = write(tmp_path / "e.hepmc3"), tmp_path / "o.hepmc3"
    refused = CliRunner().invoke(command, [str(path), str(output)])
    assert isinstance(refused.exception, EventError)
    assert "--number-events" in str(refused.exception)
    done = CliRunner().invoke(command, [str(path), str(output), "--number-events"], catch_exceptions=False)
    assert done.exit_code == 0
    with open_events(output) as reader:
        assert next(reader.batches()).event["evtNum"].tolist() == list(range(N_EVENTS))
