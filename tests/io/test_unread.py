"""Formats that are known and not read are named, with what to do."""

from pathlib import Path

import pytest

from smartbkg.errors import FileFormatError
from smartbkg.io import open_events


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.lhe", b'<LesHouchesEvents version="3.0">\n<header>\n', "LHE"),
        ("a.lhe", b'<?xml version="1.0"?>\n<LesHouchesEvents version="1.0">\n', "shower them"),
        ("a.hepevt", b"E 1 2\n1 11 0 0 1 1\n 0 0 1 1 0\n", "HEPEVT"),
        ("a.stdhep", b"\x00\x00\x00\x01\x00\x00\x00\x48\x00\x00\x00\x042.00", "StdHep"),
        ("a.slcio", b"\xab\xad\xca\xfe\x00\x01", "LCIO"),
        ("a.dat", b"\nHepMC::Version 1.0\nHepMC::IO_Ascii-START_EVENT_LISTING\nE 1\n", "IO_Ascii: HepMC2 reads it"),
        ("a.dat", b"HepMC::IO_ExtendedAscii-START_EVENT_LISTING\nE 1\n", "IO_ExtendedAscii"),
        ("a.proto", b"hmpb\x01\x02", "Protocol Buffers"),
        ("a.txt", b"events\n", "no known event format"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        open_events(tmp_path / name)
