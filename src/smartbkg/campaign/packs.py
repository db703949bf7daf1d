"""Packs: copies of the records of up to a thousand chunks in one file, so that 10⁵ need not be opened one by one.

A record is the truth, a pack only says faster what records say: it holds the size and the time of change of each
record that it was made from, and counts only as long as every one of these still is what it was. A pack that is stale,
damaged, of another campaign or of another version is made again by the next reader that may write. Writers need no
lock: whatever pack is renamed to the name last is right, or is seen to be stale.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.record_table import RecordTable
from smartbkg.errors import SmartBKGError
from smartbkg.storage.atomic import write_bytes_atomically
from smartbkg.storage.json_content import from_json

_KIND: Final = "pack of records"
#: Of the arrays and sums in a pack; another one is not read but made again.
SCHEMA_VERSION: Final = 1
#: Records that no pack holds at which a new one is worth its writing.
WORTH_PACKING: Final = 100

#: Size in bytes and time of change in ns of a record.
Mark = tuple[int, int]


class Pack(NamedTuple):
    """Records of one group, and how their files looked when they were read."""

    marks: dict[int, Mark]
    table: RecordTable
    ledger: Ledger


def write_pack(path: Path, pack: Pack, identity: str) -> None:
    """Write a pack where that is possible: without it everything is slower and the same.

    Parameters
    ----------
    identity : digest of the campaign's identity, which all its records have.
    """
    header = {
        "kind": _KIND, "schema_version": SCHEMA_VERSION, "identity": identity, "skims": pack.table.skims,
        "ledger": pack.ledger.to_dict(),
    }  # fmt: skip
    marks = np.array([pack.marks[chunk] for chunk in pack.table.chunk.tolist()], dtype=np.int64)
    content = io.BytesIO()
    arrays: dict[str, Any] = {"header": np.array(json.dumps(header).encode()), "marks": marks} | pack.table.columns()
    np.savez(content, **arrays)
    body = content.getvalue()
    with contextlib.suppress(OSError, SmartBKGError):  # a reader's folder may be read-only, or full
        path.parent.mkdir(exist_ok=True)
        write_bytes_atomically(path, hashlib.sha256(body).digest() + body)


def read_pack(path: Path, marks: Mapping[int, Mark], identity: str) -> Pack | None:
    """A pack, if it says what the records say.

    Parameters
    ----------
    marks : chunk → how its record looks now.
    """
    try:
        content = memoryview(path.read_bytes())
        body = content[hashlib.sha256().digest_size :]
        if hashlib.sha256(body).digest() != content[: hashlib.sha256().digest_size]:
            return None
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            header = from_json(arrays["header"].item())
            if (header["kind"], header["schema_version"], header["identity"]) != (_KIND, SCHEMA_VERSION, identity):
                return None
            columns = {name: arrays[name] for name in arrays.files if name not in ("header", "marks")}
            table = RecordTable(tuple(header["skims"]), **columns)
            ledger = Ledger.from_dict(header["ledger"])
            packed = dict(zip(table.chunk.tolist(), map(tuple, arrays["marks"].tolist()), strict=True))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        return None
    if any(marks.get(chunk) != mark for chunk, mark in packed.items()):
        return None
    return Pack(packed, table, ledger)
