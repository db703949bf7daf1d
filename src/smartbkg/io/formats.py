"""Reading and writing events in the formats of the field. `open_events` finds the format by itself."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from smartbkg.errors import FileFormatError, SmartBKGError, UsageError, nearest
from smartbkg.io.basf2.mdst import MDST
from smartbkg.io.edm4hep.reader import EDM4HEP
from smartbkg.io.hepmc import HEPMC2, HEPMC3
from smartbkg.io.hepmc.root_tree import HEPMC3_ROOT
from smartbkg.io.hepmc.text import version_of
from smartbkg.io.opendata import PADDED_ARRAY, PARTICLE_LIST
from smartbkg.io.parquet import PARQUET
from smartbkg.io.reader import EventFormat, EventReader, EventWriter, ReadOptions
from smartbkg.io.remote import address_of, local_copy
from smartbkg.io.root import check_whole
from smartbkg.io.root_output import ROOT_NTUPLE
from smartbkg.io.streams import STANDARD, open_source, source_name
from smartbkg.io.unread import named
from smartbkg.storage.signatures import ROOT_START, ZIP_START, is_zip

#: The formats of this package, in the order in which they are tried.
FORMATS: Final[tuple[EventFormat, ...]] = (
    PARQUET,
    HEPMC3,
    HEPMC2,
    HEPMC3_ROOT,
    MDST,
    EDM4HEP,
    PARTICLE_LIST,
    PADDED_ARRAY,
    ROOT_NTUPLE,
)

#: Entry points of other packages that bring an `EventFormat`.
ENTRY_POINT_GROUP: Final = "smartbkg.formats"


@functools.cache
def known_formats() -> tuple[EventFormat, ...]:
    """The formats of this package, then those of plug-ins (entry points ``smartbkg.formats``)."""
    plugins = []
    for entry_point in sorted(metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        try:
            plugin = entry_point.load()
        except Exception as error:  # noqa: BLE001 - whatever a plug-in raises must not stop the others
            logging.getLogger(__name__).warning("format plug-in '%s' cannot be loaded: %s", entry_point.name, error)
            continue
        if isinstance(plugin, EventFormat):
            plugins.append(plugin)
        else:
            logging.getLogger(__name__).warning("format plug-in '%s' is no EventFormat", entry_point.name)
    return (*FORMATS, *plugins)


def open_events(path: str | Path, options: ReadOptions | None = None) -> EventReader:
    """A reader of a file of events, its format found from content first, then suffix; ``-`` is standard input.

    An address (``root://``, ``https://``, ``s3://``...) is read through fsspec: `smartbkg.io.remote`.

    Raises
    ------
    FileFormatError
        The file is missing, empty, of no known format, or of one that cannot be read from a pipe.
    """
    source = open_source(path, _is_of_a_stream)
    if source.is_remote and version_of(source.head) is None:
        source.stream.close()
        return _open_copy(str(address_of(path)), options)
    name, options = source_name(path), options or ReadOptions()
    found = next((known for known in known_formats() if known.recognises(source.head, source.path)), None)
    if found is None:
        source.stream.close()
        if source.is_plain_file:
            _refuse_damaged(source.head, source.path)
        unread = named(source.head, source.path)
        if unread is not None:
            raise FileFormatError(f"{name}: is {unread}")
        readable = [known for known in known_formats() if known is not ROOT_NTUPLE]
        known = ", ".join(f"{known.name} ({' '.join(known.suffixes[:2])})" for known in readable)
        raise FileFormatError(f"{name}: no known event format; readable are {known}")
    if source.is_file and (source.is_plain_file or found.open_stream is not None):
        source.stream.close()
        return found.open(source.path, options)
    if found.open_stream is None:
        source.stream.close()
        where = "compressed; unpack it first" if source.is_file else "a pipe; save it to a file first"
        raise FileFormatError(f"{name}: {found.name} cannot be read from {where}")
    return found.open_stream(source.stream, name, options)


def _is_of_a_stream(head: bytes) -> bool:
    """Whether these first bytes are those of a format that can be read from a pipe."""
    return any(known.open_stream is not None and known.recognises(head, Path(STANDARD)) for known in known_formats())


def _open_copy(address: str, options: ReadOptions | None) -> EventReader:
    """A reader of a copy of a file elsewhere, which calls it by its address."""
    copy = local_copy(address)
    try:
        reader = open_events(copy, options)
    except SmartBKGError as error:
        raise type(error)(str(error).replace(str(copy), address)) from error
    reader.source = address
    return reader


def _refuse_damaged(head: bytes, path: Path) -> None:
    """Raise `FileFormatError` for a container that is damaged, so that its format could not be found."""
    if head[:4] == ROOT_START:
        check_whole(path)
    if head[:4] == ZIP_START and not is_zip(path):
        raise FileFormatError(f"{path}: a .npz or zip file that is truncated or damaged")


def create_events(path: str | Path, provenance: Mapping[str, Any]) -> EventWriter:
    """A writer of events, its format chosen by the suffix; standard output (``-``) and FIFOs are HepMC3.

    Raises
    ------
    UsageError
        No format that can be written has this suffix.
    """
    path = Path(path)
    create = format_of_output(path).create
    if create is None:
        raise UsageError(f"{path}: this format is not written")
    return create(path, provenance)


def require_writable(path: Path) -> None:
    """Raise `UsageError` where `create_events` would not know a format for this name."""
    format_of_output(path)


def format_of_output(path: Path) -> EventFormat:
    """The format that events of a file of this name are written in.

    Raises
    ------
    UsageError
        No format that can be written has this suffix.
    """
    name = ".hepmc3" if str(path) == STANDARD or path.is_fifo() else path.name
    by_suffix = {ending: known for known in known_formats() for ending in known.suffixes if known.create}
    for ending in sorted(by_suffix, key=len, reverse=True):
        if name.endswith(ending):
            return by_suffix[ending]
    raise UsageError(f"{path}: cannot write events as '{path.suffix}': {nearest(path.suffix, by_suffix)}")


def reading_for(output: Path, options: ReadOptions | None = None) -> ReadOptions:
    """How to read events that go to ``output``: with their originals where its format takes them."""
    found = format_of_output(output)
    return replace(options or ReadOptions(), keep_originals=found.keeps_originals, written_as=found.name)
