"""Several files as one: patterns, and totals of their samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.datasets.build import build_dataset
from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.events.totals import Totals
from smartbkg.io import create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.io.several import SeveralReader, expand
from smartbkg.io.tables import write_table
from smartbkg.storage.provenance import record


def written(path: Path, batch: EventBatch, totals: Totals | None = None, kind: str = "events") -> Path:
    with create_events(path, record(kind, 1, {})) as writer:
        writer.write(batch)
        if totals is not None:
            writer.add_totals(totals)
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    first, second = (
        random_events(10, seed=k, first_event=100 * k).with_event_columns(weight=np.full(10, k + 0.5)) for k in (0, 1)
    )
    return written(tmp_path / "a1.parquet", first, Totals.of(np.full(30, 0.5), np.full(10, 0.5))), written(
        tmp_path / "a2.hepmc3", second
    )


def test_patterns_stand_for_files_in_the_order_of_their_names(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert expand([tmp_path / "a*"]) == files
    assert expand([files[1], tmp_path / "*.parquet"]) == (files[1], files[0])
    with pytest.raises(FileFormatError, match="no file matches"):
        expand([tmp_path / "b*"])
    with pytest.raises(UsageError, match="comes twice"):
        expand([files[0], tmp_path / "a*"])
    assert expand([files[0], files[0]], allow_twice=True) == (files[0], files[0])


def test_totals_are_stated_ones_and_counted_ones_together(files: tuple[Path, Path]) -> None:
    with SeveralReader(files) as reader:
        list(reader.batches())
        assert reader.totals is not None
        assert (reader.totals.n_events, float(reader.totals.sum_weight)) == (40, 15 + 15)


def test_kept_events_without_totals_cannot_be_added_to_a_sample(files: tuple[Path, Path], tmp_path: Path) -> None:
    kept = written(tmp_path / "kept.parquet", random_events(5, first_event=900), kind="kept")
    with SeveralReader([files[0], kept]) as reader:
        list(reader.batches())
        with pytest.raises(FileFormatError, match="some files state the totals of their sample, and some do not"):
            _ = reader.totals


def test_convert_and_dataset_take_patterns_and_keep_totals(files: tuple[Path, Path], tmp_path: Path) -> None:
    convert_events([tmp_path / "a*"], tmp_path / "o.parquet")
    with open_events(tmp_path / "o.parquet") as reader:
        assert reader.totals is not None
        assert reader.totals.n_events == 40
    flags, both = tmp_path / "flags.parquet", [EventBatch.concatenate(read(path)) for path in files]
    columns = {name: np.concatenate([batch.event[name] for batch in both]) for name in EVENT_ID}
    write_table(flags, columns | {"passes_x": columns["evtNum"] % 2 == 0}, record("flags", 1, {}))
    build_dataset([tmp_path / "a*"], [flags], tmp_path / "d.parquet")
    with open_events(tmp_path / "d.parquet") as reader:
        totals = reader.metadata["totals"]
    assert (totals["n_events"], totals["sum_weight"]) == (40, 30.0)


def read(path: Path) -> list[EventBatch]:
    with open_events(path) as reader:
        return list(reader.batches())
