"""The embedded conditions database: one SQLite file with the payload files beside it, in the layout basf2 reads.

    <folder>/database.sqlite
    <folder>/<first two digits of the MD5>/<payload>_r<revision>.root

Many processes may read while one writes. A payload file is whole and on disk before the database names it, and no file
is ever written twice, so that a reader sees all of a revision or nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from smartbkg.conditions.integrity import check_integrity, seal
from smartbkg.conditions.interval import Interval, check_interval
from smartbkg.conditions.payload import (
    GlobalTag,
    Payload,
    TagStatus,
    check_checksum,
    check_file,
    check_name,
    digest_file,
)
from smartbkg.conditions.schema import APPLICATION_ID, LAYOUT_VERSION, SCHEMA
from smartbkg.conditions.source import UnreachableError, WritableSource
from smartbkg.errors import ConditionsError, SmartBKGError
from smartbkg.storage.atomic import atomic_path

DATABASE_NAME: Final = "database.sqlite"
_LOCK_SECONDS: Final = 60.0

_SELECT_PAYLOADS: Final = """
    SELECT payloadName, revision, checksum, firstExp, firstRun, finalExp, finalRun, {sha256}, payloadUrl, payloadId
    FROM iov_payloads {join} WHERE globalTagName = ? ORDER BY payloadName, revision, firstExp, firstRun
"""


class Damage(NamedTuple):
    """A payload that is not what the database promises."""

    payload: Payload
    """The payload."""
    message: str
    """What is wrong with its file."""


class Verification(NamedTuple):
    """What a check of a store found."""

    n_payloads: int
    """Payloads whose files were looked at."""
    damages: list[Damage]
    """Those that are not what the database promises."""


class ConditionsStore(WritableSource):
    """Conditions database in a folder.

    Parameters
    ----------
    folder : folder of the store, or an SQLite file in it; it is made by the first write.
    is_immutable : True for a store that nobody can write while it is read (one inside an installed package).
    """

    def __init__(self, folder: Path, *, is_immutable: bool = False) -> None:
        is_file = folder.suffix in (".sqlite", ".db")
        self.folder = folder.parent if is_file else folder
        self.database = folder if is_file else folder / DATABASE_NAME
        self.place = str(folder)
        self._is_immutable = is_immutable
        self._whole: tuple[int, ...] | None = None
        """State of the file that was found whole."""

    def exists(self) -> bool:
        """Whether the store has been made; a first write that was stopped may leave an empty file."""
        return self.database.is_file() and self.database.stat().st_size > 0

    @contextlib.contextmanager
    def _connect(self, *, for_writing: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each operation: connections must survive neither fork nor a server restart."""
        is_writable = for_writing or (not self._is_immutable and os.access(self.folder, os.W_OK))
        mode = "rwc" if for_writing else "rw" if is_writable else "ro&immutable=1" if self._is_immutable else "ro"
        if not for_writing and not self.exists():
            raise UnreachableError(f"{self.place}: no conditions store here ({DATABASE_NAME} is missing)")
        try:
            if for_writing:
                self.folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                f"file:{quote(str(self.database))}?mode={mode}", uri=True, timeout=_LOCK_SECONDS, isolation_level=None
            )
        except (OSError, sqlite3.Error) as error:
            raise ConditionsError(f"{self.place}: cannot open the conditions store: {error}") from error
        try:
            if not for_writing:
                self._check_layout(connection)
                self._check_whole(connection)
                connection.execute("BEGIN")  # all queries of a reader see one state, whoever writes in between
            yield connection
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise ConditionsError(f"{self.place}: the conditions store cannot be used: {error}") from error
        finally:
            connection.close()

    def _check_whole(self, connection: sqlite3.Connection) -> None:
        """Check what the file holds, once for each state of the file."""
        status = self.database.stat()
        state = (status.st_ino, status.st_mtime_ns, status.st_size)
        if state == self._whole:
            return
        connection.execute("BEGIN")
        try:
            check_integrity(connection, self.place)
        finally:
            connection.execute("ROLLBACK")
        self._whole = state

    def _check_layout(self, connection: sqlite3.Connection) -> None:
        application, version = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version")
        )
        if application != APPLICATION_ID:
            raise ConditionsError(f"{self.database}: not a conditions database")
        if version != LAYOUT_VERSION:
            raise ConditionsError(
                f"{self.database}: conditions database of layout {version}, this smartbkg reads {LAYOUT_VERSION}"
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write that happens wholly or not at all; other writers wait."""
        with self._connect(for_writing=True) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                    _create_tables(connection)
                else:
                    check_integrity(connection, self.place)
                self._check_layout(connection)
                if not _has_details(connection):
                    raise ConditionsError(f"{self.place}: a snapshot of another program: read only, copy it first")
                yield connection
                seal(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def tags(self) -> list[GlobalTag]:
        if not self.exists():
            return []
        with self._connect() as connection:
            return _select_tags(connection)

    def find_tag(self, name: str) -> GlobalTag | None:
        return next((tag for tag in self.tags() if tag.name == name), None)

    def payloads(self, tag: str) -> list[Payload]:
        self.tag(tag)
        with self._connect() as connection:
            has_details = _has_details(connection)
            query = _SELECT_PAYLOADS.format(
                sha256="ifnull(sha256, '')" if has_details else "''",
                join="LEFT JOIN smartbkg_payloads USING (payloadId)" if has_details else "",
            )
            rows = connection.execute(query, (tag,)).fetchall()
            (n_intervals,) = connection.execute(
                "SELECT count(*) FROM iovs NATURAL JOIN globaltags WHERE globalTagName = ?", (tag,)
            ).fetchone()
        if len(rows) != n_intervals:
            raise ConditionsError(
                f"{self.place}: global tag '{tag}' has {n_intervals} entries, payloads are known for {len(rows)}: the "
                "conditions store is damaged"
            )
        try:
            return [
                Payload(
                    name=check_name(row[0], "payload"), revision=int(row[1]),
                    checksum=check_checksum(row[2], self.place), interval=Interval(*(int(part) for part in row[3:7])),
                    sha256=row[7], url=row[8], identifier=row[9],
                )
                for row in rows
            ]  # fmt: skip
        except (TypeError, ValueError) as error:
            raise ConditionsError(f"{self.place}: global tag '{tag}' holds what is no payload: {error}") from error

    def find_payload(self, name: str, revision: int) -> Payload | None:
        """The payload of that name and revision, in whatever tag, None where there is none."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT checksum, payloadUrl, payloadId FROM full_payloads WHERE payloadName = ? AND revision = ?",
                (check_name(name, "payload"), revision),
            ).fetchone()
        return None if row is None else Payload(name, revision, row[0], url=row[1], identifier=row[2])

    def path_of(self, payload: Payload) -> Path:
        """Where the file of a payload is, or would be written: basf2's hashed layout first, then its flat one."""
        name = check_name(payload.name, "payload")
        hashed = self.folder / payload.checksum[:2] / f"{name}_r{payload.revision}.root"
        flat = self.folder / f"dbstore_{name}_rev_{payload.revision}.root"
        return flat if flat.is_file() and not hashed.is_file() else hashed

    def fetch(self, payload: Payload) -> Path:
        return check_file(self.path_of(payload), payload)

    def verify(self, tag: str | None = None) -> Verification:
        """Check the store itself, and the files of a global tag or of all payloads, whether in a tag or in none.

        Raises
        ------
        ConditionsError
            The tag is unknown, or the store itself is damaged.
        """
        self._whole = None
        found: dict[tuple[str, int], Payload] = {}
        for name in [tag] if tag is not None else [known.name for known in self.tags()]:
            found |= {(payload.name, payload.revision): payload for payload in self.payloads(name)}
        if tag is None:
            for payload in self._all_payloads():
                found.setdefault((payload.name, payload.revision), payload)
        damages = []
        for payload in found.values():
            try:
                self.fetch(payload)
            except ConditionsError as error:
                damages.append(Damage(payload, str(error)))
        return Verification(len(found), damages)

    def _all_payloads(self) -> list[Payload]:
        """Every payload of the store, in a global tag or in none."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT payloadName, revision, checksum, payloadUrl, payloadId FROM full_payloads"
            ).fetchall()
            (n_payloads,) = connection.execute("SELECT count(*) FROM payloads").fetchone()
        if len(rows) != n_payloads:
            raise ConditionsError(
                f"{self.place}: {n_payloads} payloads, names are known for {len(rows)}: it is damaged"
            )
        return [
            Payload(check_name(row[0], "payload"), int(row[1]), check_checksum(row[2], self.place), url=row[3],
                    identifier=row[4])
            for row in rows
        ]  # fmt: skip

    def create_tag(self, name: str, description: str = "") -> GlobalTag:
        check_name(name, "global tag")
        with self._transaction() as connection:
            return self._insert_tag(connection, name, description)

    def _insert_tag(self, connection: sqlite3.Connection, name: str, description: str) -> GlobalTag:
        if any(tag.name == name for tag in _select_tags(connection)):
            raise ConditionsError(f"{self.place}: global tag '{name}' exists already")
        cursor = connection.execute(
            "INSERT INTO globaltags (globalTagName, globalTagStatus) VALUES (?, ?)", (name, TagStatus.OPEN.value)
        )
        identifier = int(cursor.lastrowid or 0)
        connection.execute("INSERT INTO smartbkg_globaltags VALUES (?, ?)", (identifier, description))
        return GlobalTag(name, TagStatus.OPEN.value, description, identifier)

    def add_payload(self, name: str, file: Path) -> Payload:
        """Add a file, in no global tag yet; a file that is there already under this name keeps its revision.

        Raises
        ------
        ConditionsError
            The name is not a safe one or the file cannot be read.
        """
        check_name(name, "payload")
        with self._transaction() as connection:
            return self._insert_payload(connection, name, file)

    def _insert_payload(self, connection: sqlite3.Connection, name: str, file: Path) -> Payload:
        digests = digest_file(file)
        same = connection.execute(
            "SELECT revision, payloadUrl, payloadId FROM full_payloads WHERE payloadName = ? AND checksum = ?",
            (name, digests.md5),
        ).fetchone()
        if same is not None:
            known = Payload(name, same[0], digests.md5, sha256=digests.sha256, url=same[1], identifier=same[2])
            self.fetch(known)
            return known
        connection.execute("INSERT OR IGNORE INTO payloadNames (payloadName) VALUES (?)", (name,))
        connection.execute("INSERT OR IGNORE INTO baseUrls (baseUrl) VALUES ('')")
        revision = int(
            connection.execute(
                "SELECT ifnull(max(revision), 0) + 1 FROM full_payloads WHERE payloadName = ?", (name,)
            ).fetchone()[0]
        )
        payload = Payload(name, revision, digests.md5, sha256=digests.sha256)
        path = self.path_of(payload)
        path.parent.mkdir(exist_ok=True)
        with atomic_path(path) as partial:
            shutil.copyfile(file, partial)
            check_file(partial, payload)  # the file may have changed since its checksum was taken
        _sync_folder(path.parent)
        cursor = connection.execute(
            """INSERT INTO payloads (payloadNameId, revision, checksum, baseUrlId)
               SELECT payloadNameId, ?, ?, baseUrlId FROM payloadNames, baseUrls
               WHERE payloadName = ? AND baseUrl = ''""",
            (revision, digests.md5, name),
        )
        identifier = int(cursor.lastrowid or 0)
        connection.execute(
            "INSERT INTO smartbkg_payloads VALUES (?, ?, ?)", (identifier, digests.sha256, digests.n_bytes)
        )
        return payload._replace(identifier=identifier)

    def put(
        self, tag: str, name: str, file: Path, interval: Interval, *, is_new: bool = False, description: str = ""
    ) -> Payload:
        check_name(name, "payload")
        check_interval(interval)
        if is_new:
            check_name(tag, "global tag")
        else:
            self.tag(tag)
        with self._transaction() as connection:
            if is_new and all(known.name != tag for known in _select_tags(connection)):
                self._insert_tag(connection, tag, description)
            elif is_new:
                self._check_only(connection, tag, name, file, interval)
            self._open_tag(connection, tag)
            payload = self._insert_payload(connection, name, file)
            self._insert_interval(connection, tag, payload.identifier, interval)
            return payload._replace(interval=interval)

    def _check_only(self, connection: sqlite3.Connection, tag: str, name: str, file: Path, interval: Interval) -> None:
        """Raise `ConditionsError` where a tag holds anything but the entry that the same command made before."""
        rows = connection.execute(
            "SELECT payloadName, checksum, firstExp, firstRun, finalExp, finalRun FROM iov_payloads "
            "WHERE globalTagName = ?",
            (tag,),
        ).fetchall()
        if rows and rows != [(name, digest_file(file).md5, *interval)]:
            raise ConditionsError(
                f"{self.place}: global tag '{tag}' exists already, with {len(rows)} entries: leave --new out to add to "
                "it"
            )

    def add_interval(self, tag: str, identifier: int, interval: Interval) -> None:
        """Put a payload that is in the store into an open global tag.

        Raises
        ------
        ConditionsError
            The tag or payload is unknown or the tag is not open.
        """
        check_interval(interval)
        with self._transaction() as connection:
            self._open_tag(connection, tag)
            if connection.execute("SELECT 1 FROM payloads WHERE payloadId = ?", (identifier,)).fetchone() is None:
                raise ConditionsError(f"{self.place}: no payload with number {identifier}")
            self._insert_interval(connection, tag, identifier, interval)

    def _open_tag(self, connection: sqlite3.Connection, name: str) -> GlobalTag:
        found = next((tag for tag in _select_tags(connection) if tag.name == name), None)
        if found is None:
            raise ConditionsError(f"{self.place}: unknown global tag '{name}'")
        if found.status != TagStatus.OPEN:
            raise ConditionsError(
                f"{self.place}: global tag '{name}' is {found.status} and cannot be changed: "
                f"copy it to a new one (smartbkg conditions copy-tag {name} NEW_NAME) and change that"
            )
        return found

    def _insert_interval(self, connection: sqlite3.Connection, tag: str, identifier: int, interval: Interval) -> None:
        connection.execute(
            """INSERT OR IGNORE INTO iovs
               SELECT globalTagId, ?, ?, ?, ?, ? FROM globaltags WHERE globalTagName = ?""",
            (identifier, *interval, tag),
        )

    def set_status(self, tag: str, status: TagStatus) -> GlobalTag:
        """Change the status of a global tag: a published one can only be made invalid.

        Raises
        ------
        ConditionsError
            The tag is unknown or the change is not allowed.
        """
        found = self.tag(tag)
        if found.status == status:
            return found
        with self._transaction() as connection:
            connection.execute("UPDATE globaltags SET globalTagStatus = ? WHERE globalTagName = ?", (status.value, tag))
        return found._replace(status=status.value)

    def publish(self, tag: str) -> GlobalTag:
        payloads = self.payloads(tag)
        if not payloads:
            raise ConditionsError(f"{self.place}: global tag '{tag}' is empty: put payloads into it, then publish it")
        for damage in self.verify(tag).damages:
            raise ConditionsError(f"{self.place}: global tag '{tag}' is not published: {damage.message}")
        return self.set_status(tag, TagStatus.PUBLISHED)

    def copy_tag(self, tag: str, new_name: str) -> GlobalTag:
        check_name(new_name, "global tag")
        old = self.tag(tag)
        with self._transaction() as connection:
            new = self._insert_tag(connection, new_name, f"copy of {tag}")
            connection.execute(
                """INSERT INTO iovs SELECT ?, payloadId, firstExp, firstRun, finalExp, finalRun
                   FROM iovs WHERE globalTagId = ?""",
                (new.identifier, old.identifier),
            )
            return new


def _create_tables(connection: sqlite3.Connection) -> None:
    for statement in _statements(SCHEMA):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; ``executescript`` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _has_details(connection: sqlite3.Connection) -> bool:
    """Whether the tables are there that basf2's own snapshots do not have."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'smartbkg_payloads'").fetchone() is not None


def _select_tags(connection: sqlite3.Connection) -> list[GlobalTag]:
    if _has_details(connection):
        query = """SELECT globalTagName, globalTagStatus, ifnull(description, ''), globalTagId
                   FROM globaltags LEFT JOIN smartbkg_globaltags USING (globalTagId) ORDER BY globalTagName"""
    else:
        query = "SELECT globalTagName, globalTagStatus, '', globalTagId FROM globaltags ORDER BY globalTagName"
    return [GlobalTag(*row) for row in connection.execute(query)]


def _sync_folder(folder: Path) -> None:
    """Make a rename durable where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SmartBKGError(f"{folder}: cannot write: {error.strerror}") from error
