"""Formats that are known and not read: what a message says of them, and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from smartbkg.storage.signatures import ROOT_START

_HEPEVT: Final = re.compile(rb"^E +-?\d+ +\d+ *\r?\n *-?\d+ +-?\d+ ")
#: Bytes at the end of a file of ROOT objects in which their classes are named.
_END_BYTES: Final = 1 << 16
_STDHEP_START: Final = b"\x00\x00\x00\x01\x00\x00\x00"


def named(head: bytes, path: Path) -> str | None:
    """What a file is that no reader takes, and how its events become readable; None where it is not known either.

    Parameters
    ----------
    head : its first bytes, decompressed.
    """
    text = head.lstrip()
    if b"<LesHouchesEvents" in text[:2048]:
        return "LHE (Les Houches events): partons before the shower; shower them and write HepMC"
    if _HEPEVT.match(text):
        return "HEPEVT as text: HepMC3's convert_example.exe -i hepevt -o hepmc3 makes HepMC of it"
    if head.startswith(b"\xab\xad\xca\xfe") or path.name.endswith(".slcio"):
        return "LCIO: k4MarlinWrapper or lcio2edm4hep makes EDM4hep of it"
    if head.startswith(_STDHEP_START) and path.name.endswith((".stdhep", ".hep", ".dat", ".evt")):
        return "StdHep (XDR): lcio's stdhepjob makes LCIO of it, lcio2edm4hep EDM4hep of that"
    for name in (b"IO_Ascii", b"IO_ExtendedAscii"):
        if b"HepMC::" + name + b"-START" in head:
            return f"HepMC2 in its older layout {name.decode()}: HepMC2 reads it, and writes IO_GenEvent"
    if head.startswith(ROOT_START) and re.search(rb"HepMC3?::GenEventData", _content_of(path)):
        return (
            "HepMC3 in single ROOT objects (WriterRoot): HepMC3's convert_example.exe -i root -o treeroot makes a tree "
            "of it"
        )
    if head.startswith(b"hmpb"):
        return "HepMC3 in Protocol Buffers: HepMC3's convert_example.exe -i proto -o hepmc3 makes text of it"
    return None


def _content_of(path: Path) -> bytes:
    """The end of a file, where ROOT lists what is in it."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, _END_BYTES), 2)
        return file.read()


__all__ = ["named"]
