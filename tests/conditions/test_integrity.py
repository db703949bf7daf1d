"""A store that is not as it was written is refused, whatever was changed in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from smartbkg.conditions.integrity import check_integrity, digest_of, seal
from smartbkg.errors import ConditionsError

TABLES = ("baseUrls", "payloadNames", "payloads", "globaltags", "iovs", "smartbkg_payloads", "smartbkg_globaltags")


@pytest.fixture
def store(tmp_path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    for name in TABLES:
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, value TEXT)")
        connection.execute(f"INSERT INTO {name} (value) VALUES ('a'), ('b')")
    seal(connection)
    connection.commit()
    return connection


def test_what_was_sealed_is_accepted_as_often_as_it_is_read(store: sqlite3.Connection) -> None:
    check_integrity(store, "store")
    check_integrity(store, "store")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "change",
    ["UPDATE {0} SET value = 'c' WHERE id = 2", "DELETE FROM {0} WHERE id = 1", "CREATE INDEX i ON {0} (value)"],
)
def test_every_change_behind_the_back_is_noticed_until_it_is_sealed(
    store: sqlite3.Connection, table: str, change: str
) -> None:
    store.execute(change.format(table))
    with pytest.raises(ConditionsError, match="not what the last write left"):
        check_integrity(store, "store")
    seal(store)
    check_integrity(store, "store")


def test_tables_that_are_missing_or_unknown_are_named(store: sqlite3.Connection) -> None:
    store.execute("CREATE TABLE mine (x)")
    with pytest.raises(ConditionsError, match="unknown table 'mine'"):
        check_integrity(store, "store")
    store.execute("DROP TABLE mine")
    store.execute("DROP TABLE iovs")
    with pytest.raises(ConditionsError, match="no table 'iovs'"):
        check_integrity(store, "store")


def test_a_snapshot_of_another_program_has_no_digest_to_compare() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE payloads (id INTEGER)")
    check_integrity(connection, "snapshot")


def test_the_digest_does_not_depend_on_the_order_of_rows(store: sqlite3.Connection) -> None:
    before = digest_of(store)
    store.execute("UPDATE payloads SET id = id + 10")
    store.execute("UPDATE payloads SET id = 1 WHERE id = 11")
    store.execute("UPDATE payloads SET id = 2 WHERE id = 12")
    assert digest_of(store) == before
