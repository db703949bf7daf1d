"""The format is found from content; what cannot be read says why; plug-ins join in."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from io_events import decay_event, hepmc_text, write_mdst
from synthetic import random_events

import smartbkg.io.formats as events_io
from smartbkg.errors import FileFormatError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io import EventFormat, EventReader, ReadOptions, create_events, known_formats, open_events
from smartbkg.storage.provenance import record


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "really.parquet").write_bytes(hepmc_text([decay_event(4)]))
    write_mdst(tmp_path / "mdst.hepmc", [(1, 2, 3)])
    with create_events(tmp_path / "e.parquet", record("events", 1, {})) as writer:
        writer.write(random_events(4))
    shutil.copy(tmp_path / "e.parquet", tmp_path / "native.root")
    for name, number in {"really.parquet": 4, "mdst.hepmc": 3, "native.root": 0}.items():
        with open_events(tmp_path / name) as reader:
            assert next(iter(reader.batches())).event["evtNum"][0] == number


def test_missing_empty_and_unknown_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no events\n")
    with pytest.raises(FileFormatError, match="no such file"):
        open_events(tmp_path / "missing")
    with pytest.raises(FileFormatError, match="is empty"):
        open_events(tmp_path / "empty")
    with pytest.raises(FileFormatError, match=r"no known event format; readable are parquet .* hepmc3"):
        open_events(tmp_path / "text")
    with pytest.raises(SmartBKGError, match="cannot read: Is a directory"):
        open_events(tmp_path)


@pytest.mark.parametrize("kind", ["root", "parquet", "npz"])
def test_a_truncated_file_is_not_called_unknown(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"e.{kind}"
    if kind == "root":
        write_mdst(path, [(1, 2, n) for n in range(50)])
    elif kind == "npz":
        np.savez(path, X_train_0=np.zeros((4, 100, 9)), X_train_1=np.full((4, 100), -1), y_train=np.zeros(4))
    else:
        with create_events(path, record("events", 1, {})) as writer:
            writer.write(random_events(50))
    for share in (0.2, 0.5, 0.9):
        cut = tmp_path / f"cut.{kind}"
        cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with (
            pytest.raises(FileFormatError, match=rf"cut\.{kind}: .*(truncated|not a readable|damaged)"),
            open_events(cut) as reader,
        ):
            list(reader.batches())


def test_a_format_that_seeks_is_not_read_from_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create_events(tmp_path / "e.parquet", record("events", 1, {})) as writer:
        writer.write(random_events(4))
    content = io.BytesIO((tmp_path / "e.parquet").read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(content)))  # type: ignore[arg-type]
    with pytest.raises(FileFormatError, match="parquet cannot be read from a pipe"):
        open_events("-")


def test_an_output_of_unknown_suffix_names_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write events as '.npz'.*\.hepmc3.*\.parquet"):
        create_events(tmp_path / "x.npz", {})


class _Toy(EventReader):
    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__(str(path), options)

    def batches(self, size: int = 1) -> Iterator[EventBatch]:
        yield random_events(1)


TOY = EventFormat("toy", "a format for this test", (".toy",), lambda head, _: head.startswith(b"TOY"), _Toy)


class _EntryPoint:
    def __init__(self, name: str, value: object) -> None:
        self.name, self._value = name, value

    def load(self) -> object:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


def test_formats_of_plug_ins_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = [_EntryPoint("toy", TOY), _EntryPoint("broken", ImportError("no such thing")), _EntryPoint("odd", 3)]
    monkeypatch.setattr(events_io.metadata, "entry_points", lambda group: found if group == "smartbkg.formats" else [])
    known_formats.cache_clear()
    try:
        (tmp_path / "e.toy").write_bytes(b"TOY events")
        with open_events(tmp_path / "e.toy") as reader:
            assert sum(map(len, reader.batches())) == 1
        assert "format plug-in 'broken' cannot be loaded" in caplog.text
        assert "format plug-in 'odd' is no EventFormat" in caplog.text
    finally:
        known_formats.cache_clear()
