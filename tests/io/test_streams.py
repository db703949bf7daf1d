"""Compressed data is read to its end and compared with its checksum, or refused."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
from pathlib import Path

import pytest
from backports import zstd
from io_events import decay_event, hepmc_text
from synthetic import random_events

from smartbkg.errors import FileFormatError, SmartBKGError
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.streams import open_source, read_blocks
from smartbkg.storage.machine import MachineError
from smartbkg.storage.provenance import record

PACK = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstd.compress}


def content_of(path: Path) -> bytes:
    source = open_source(path)
    with source.stream:
        return b"".join(read_blocks(source.stream, str(path)))


@pytest.mark.parametrize("kind", PACK)
def test_all_members_are_read(tmp_path: Path, kind: str):
    path = tmp_path / f"f.{kind}"
    path.write_bytes(PACK[kind](b"a" * 100_000) + PACK[kind](b"b" * 100_000))
    assert content_of(path) == b"a" * 100_000 + b"b" * 100_000


@pytest.mark.parametrize("kind", PACK)
def test_a_damaged_later_member_is_no_end(tmp_path: Path, kind: str):
    """Python's readers of xz and bzip2 take what they do not know behind a member for its end."""
    path, second = tmp_path / f"f.{kind}", bytearray(PACK[kind](b"b" * 1000))
    second[1] ^= 1
    path.write_bytes(PACK[kind](b"a" * 1000) + second)
    with pytest.raises(FileFormatError, match=f"{path}: damaged or truncated data"):
        content_of(path)


@pytest.mark.parametrize("kind", PACK)
def test_a_member_without_its_end_is_truncated(tmp_path: Path, kind: str):
    path = tmp_path / f"f.{kind}"
    path.write_bytes(PACK[kind](bytes(range(256)) * 1000)[:-5])
    with pytest.raises(FileFormatError, match=f"{path}: damaged or truncated data"):
        content_of(path)


def test_our_zst_files_have_a_checksum_and_without_it_are_refused(tmp_path: Path):
    path = tmp_path / "e.hepmc3.zst"
    with create_events(path, record("events", 1, {})) as writer:
        writer.write(random_events(5))
    assert path.read_bytes()[4] & 4, "the bit of zstd's frame header for a content checksum"
    path.write_bytes(zstd.compress(zstd.decompress(path.read_bytes())))
    with pytest.raises(FileFormatError, match=r"e\.hepmc3\.zst: compressed without the checksum"):
        open_events(path)


def test_a_zst_file_of_another_program_without_checksum_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "e.hepmc3.zst"
    path.write_bytes(zstd.compress(hepmc_text([decay_event(1)], 3)))
    with caplog.at_level(logging.WARNING), open_events(path) as reader:
        assert sum(map(len, reader.batches())) == 1
    assert "compressed without a checksum" in caplog.text


def test_a_failing_disk_is_never_an_event_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "e.hepmc3"
    path.write_bytes(hepmc_text([decay_event(n) for n in range(3)], 3))
    with open_events(path, ReadOptions(skip_corrupt=True)) as reader:
        monkeypatch.setattr("smartbkg.io.streams._Prefixed.readinto", _fail)
        with pytest.raises(MachineError, match="Input/output error"):
            list(reader.batches())


def _fail(_self: object, _buffer: object) -> int:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("position", [0, 1, 3])
def test_an_event_whose_first_line_is_damaged_is_missed(tmp_path: Path, version: int, position: int):
    events = hepmc_text([decay_event(n) for n in range(4)], version).split(b"\nE ")
    events[position] += b"\nF " + events.pop(position + 1)
    path = tmp_path / f"e.hepmc{version}"
    path.write_bytes(b"\nE ".join(events))
    with open_events(path) as reader, pytest.raises(SmartBKGError, match=str(path)):
        list(reader.batches())
    with open_events(path, ReadOptions(skip_corrupt=True)) as reader:
        assert sum(map(len, reader.batches())) < 4
        assert len(reader.skipped) > 0


def test_a_batch_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "e.hepmc3.gz"
    text = hepmc_text([decay_event(n) for n in range(50)], 3)
    path.write_bytes(gzip.compress(text))
    monkeypatch.setattr("smartbkg.io.hepmc.text.LARGEST_BATCH", len(text) // 10)
    with open_events(path) as reader:
        sizes = [len(batch) for batch in reader.batches(1000)]
    assert sum(sizes) == 50
    assert max(sizes) <= 6
