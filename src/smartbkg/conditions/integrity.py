"""Whether an embedded store is as it was written: SQLite's own checks, references, and a digest of all tables.

SQLite notices a damaged page only where its structure is broken: changed bytes inside a row are other values, and a
changed view or index can make payloads vanish. Each write therefore ends with a digest of all definitions and rows, and
each reader compares it before it believes anything.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Final

from smartbkg.errors import ConditionsError

_DIGEST_TABLE: Final = "smartbkg_digest"
_TABLES: Final = (
    "baseUrls",
    "payloadNames",
    "payloads",
    "globaltags",
    "iovs",
    "smartbkg_payloads",
    "smartbkg_globaltags",
)
_DEFINITIONS: Final = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'smartbkg_digest' ORDER BY type, name"
)


def digest_of(connection: sqlite3.Connection) -> str:
    """Hexadecimal SHA-256 of all definitions and rows of a store, but for the digest itself."""
    digest = hashlib.sha256()
    for row in connection.execute(_DEFINITIONS):
        digest.update(repr(row).encode())
    for table in _TABLES:
        rows = sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))
        digest.update("\n".join([table, *rows, ""]).encode())
    return digest.hexdigest()


def seal(connection: sqlite3.Connection) -> None:
    """Store the digest of what a transaction leaves; the last act of each write."""
    connection.execute("CREATE TABLE IF NOT EXISTS smartbkg_digest (sha256 TEXT NOT NULL)")
    connection.execute("DELETE FROM smartbkg_digest")
    connection.execute("INSERT INTO smartbkg_digest VALUES (?)", (digest_of(connection),))


def check_integrity(connection: sqlite3.Connection, place: str) -> None:
    """Refuse a store that is not as it was written; snapshots of other programs have no digest to compare.

    Raises
    ------
    ConditionsError
        The file is damaged, or another program has changed it.
    """
    advice = "restore it from a copy, or make it anew"
    for (message,) in connection.execute("PRAGMA integrity_check(1)"):
        if message != "ok":
            raise ConditionsError(f"{place}: the conditions store is damaged ({message.splitlines()[-1]}): {advice}")
    lost = connection.execute("PRAGMA foreign_key_check").fetchone()
    if lost is not None:
        raise ConditionsError(
            f"{place}: the conditions store is damaged (a row of {lost[0]} without its {lost[2]}): {advice}"
        )
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    ours = {name for name in names if name.startswith("smartbkg")}
    if not ours:
        return
    missing = {name for name in _TABLES if name not in names}
    if missing:
        raise ConditionsError(f"{place}: the conditions store is damaged (no table {min(missing)!r}): {advice}")
    strange = names - {*_TABLES, _DIGEST_TABLE} - {name for name in names if name.startswith("sqlite_")}
    if strange:
        raise ConditionsError(f"{place}: the conditions store is damaged (unknown table {min(strange)!r}): {advice}")
    if _DIGEST_TABLE not in names:
        return
    written = [row[0] for row in connection.execute("SELECT sha256 FROM smartbkg_digest")]
    if written != [digest_of(connection)]:
        raise ConditionsError(
            f"{place}: the conditions store is damaged, or another program has changed it (its content is not what the "
            f"last write left): {advice}"
        )


__all__ = ["check_integrity", "digest_of", "seal"]
