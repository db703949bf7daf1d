"""HepMC, versions 2 and 3, as ASCII text, plain or compressed (gzip, xz, zstd, bzip2), from files and pipes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from smartbkg.io.hepmc.reader import HepMCOriginal, HepMCReader, open_path, open_pipe
from smartbkg.io.hepmc.text import version_of
from smartbkg.io.hepmc.writer import HepMCWriter, create
from smartbkg.io.reader import EventFormat

_COMPRESSED = ("", ".gz", ".xz", ".zst", ".zstd")


def _recognises(version: int, head: bytes, _path: Path) -> bool:
    return version_of(head) == version


HEPMC3 = EventFormat(
    name="hepmc3",
    description="HepMC3 text (Asciiv3)",
    suffixes=tuple(suffix + ending for suffix in (".hepmc3", ".hepmc") for ending in _COMPRESSED),
    recognises=partial(_recognises, 3),
    open=open_path,
    open_stream=partial(open_pipe, 3),
    keeps_originals=True,
    create=create,
)

HEPMC2 = EventFormat(
    name="hepmc2",
    description="HepMC2 text (IO_GenEvent)",
    suffixes=tuple(".hepmc2" + ending for ending in _COMPRESSED),
    recognises=partial(_recognises, 2),
    open=open_path,
    open_stream=partial(open_pipe, 2),
)

__all__ = ["HEPMC2", "HEPMC3", "HepMCOriginal", "HepMCReader", "HepMCWriter"]
