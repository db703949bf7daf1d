from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from conditions.payload_files import revision_in, write_revision

from smartbkg.conditions import ALWAYS, ConditionsStore, Interval, TagStatus
from smartbkg.conditions.store import DATABASE_NAME
from smartbkg.errors import ConditionsError


@pytest.fixture
def store(tmp_path: Path) -> ConditionsStore:
    store = ConditionsStore(tmp_path / "store")
    store.create_tag("Main", "for tests")
    return store


def put(store: ConditionsStore, tmp_path: Path, revision: int, interval: Interval = ALWAYS) -> None:
    added = store.put("Main", "model.pth", write_revision(tmp_path / "file", revision), interval)
    assert added.revision == revision


def flip_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    path.chmod(path.stat().st_mode | stat.S_IWUSR)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_payload_comes_back_as_it_was_put(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    assert revision_in(store.fetch(store.find("Main", "model.pth", 0, 0))) == 1


def test_each_run_gets_the_highest_revision_that_holds_for_it(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    put(store, tmp_path, 2, Interval(5, 0, 5, -1))
    put(store, tmp_path, 3, Interval(7, 10, -1, -1))
    expected = {(0, 0): 1, (5, 3): 2, (6, 0): 1, (7, 9): 1, (7, 10): 3, (9, 0): 3}
    assert {run: store.find("Main", "model.pth", *run).revision for run in expected} == expected


def test_the_same_file_keeps_its_revision(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    again = store.put("Main", "model.pth", tmp_path / "file", Interval(3, 0, -1, -1))
    assert again.revision == 1
    assert len(store.payloads("Main")) == 2


def test_names_that_are_paths_are_refused(store: ConditionsStore, tmp_path: Path) -> None:
    file = write_revision(tmp_path / "file", 1)
    for name in ("../../etc/passwd", "/etc/passwd", "a/b", "..", ".hidden", "", "a\0b", "a b", "é", "x" * 300):
        with pytest.raises(ConditionsError, match="payload name"):
            store.put("Main", name, file, ALWAYS)
        with pytest.raises(ConditionsError, match="global tag name"):
            store.create_tag(name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["database.sqlite", "file", "store"]


def test_flipped_bit_is_refused_and_found_by_verify(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    payload = store.find("Main", "model.pth", 0, 0)
    flip_bit(store.path_of(payload))
    with pytest.raises(ConditionsError, match="is damaged"):
        store.fetch(payload)
    assert [damage.payload.name for damage in store.verify().damages] == ["model.pth"]
    with pytest.raises(ConditionsError, match="not published"):
        store.publish("Main")


def test_lost_and_truncated_files_are_found(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    put(store, tmp_path, 2)
    first, second = (store.path_of(payload) for payload in store.payloads("Main"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:1000])
    assert [damage.payload.revision for damage in store.verify("Main").damages] == [1, 2]


def test_published_tag_is_immutable(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    store.publish("Main")
    file = write_revision(tmp_path / "file", 2)
    with pytest.raises(ConditionsError, match=r"PUBLISHED and cannot be changed.*copy-tag"):
        store.put("Main", "model.pth", file, ALWAYS)
    with pytest.raises(ConditionsError, match="exists already"):
        store.create_tag("Main")
    with pytest.raises(ConditionsError, match="published"):
        store.set_status("Main", TagStatus.OPEN)
    assert store.publish("Main").status == "PUBLISHED"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE globaltags SET globalTagStatus = 'OPEN'",
        "DELETE FROM globaltags",
        "DELETE FROM iovs",
        "UPDATE iovs SET firstRun = 5",
        "INSERT INTO iovs VALUES (1, 1, 9, 9, -1, -1)",
        "UPDATE payloads SET checksum = 'x'",
        "DELETE FROM payloads",
    ],
)
def test_published_tag_resists_other_programs(store: ConditionsStore, tmp_path: Path, statement: str) -> None:
    put(store, tmp_path, 1)
    store.publish("Main")
    connection = sqlite3.connect(store.database)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


def test_published_tag_can_only_be_declared_invalid(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    store.publish("Main")
    assert store.set_status("Main", TagStatus.INVALID).status == "INVALID"


def test_copy_is_open_and_leaves_the_original_alone(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    store.publish("Main")
    assert store.copy_tag("Main", "Next").status == "OPEN"
    store.put("Next", "model.pth", write_revision(tmp_path / "file", 2), ALWAYS)
    assert [payload.revision for payload in store.payloads("Main")] == [1]
    assert store.find("Next", "model.pth", 0, 0).revision == 2


def test_empty_tag_is_not_published(store: ConditionsStore) -> None:
    with pytest.raises(ConditionsError, match="is empty"):
        store.publish("Main")


def test_unknown_names_show_the_nearest(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    with pytest.raises(ConditionsError, match="did you mean 'Main'"):
        store.tag("Mian")
    with pytest.raises(ConditionsError, match=r"did you mean 'model\.pth'"):
        store.find("Main", "modle.pth", 0, 0)
    with pytest.raises(ConditionsError, match="unknown global tag"):
        store.put("Mian", "model.pth", tmp_path / "file", ALWAYS)


def test_run_without_payload_lists_the_intervals(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1, Interval(5, 0, 5, 100))
    with pytest.raises(ConditionsError, match=r"experiment 6, run 1.*5,0,5,100"):
        store.find("Main", "model.pth", 6, 1)


def test_failed_put_leaves_the_store_as_it_was(store: ConditionsStore, tmp_path: Path) -> None:
    with pytest.raises(ConditionsError, match="cannot read the payload file"):
        store.put("Main", "model.pth", tmp_path / "absent", ALWAYS)
    assert store.payloads("Main") == []
    put(store, tmp_path, 1)


def test_crash_between_file_and_database_is_harmless(store: ConditionsStore, tmp_path: Path) -> None:
    """A process that died after it wrote the file of revision 1: the next revision 1 replaces it."""
    md5_folder = store.path_of(store.add_payload("other", write_revision(tmp_path / "file", 7))).parent
    orphan = md5_folder / "model.pth_r1.root"
    orphan.write_bytes(b"half a payl")
    put(store, tmp_path, 1)
    assert store.verify().damages == []


def test_store_is_what_basf2_reads(store: ConditionsStore, tmp_path: Path) -> None:
    """The query of basf2's local metadata provider, and its hashed layout of payload files."""
    put(store, tmp_path, 1)
    put(store, tmp_path, 2, Interval(5, 0, -1, -1))
    connection = sqlite3.connect(f"file:{store.database}?mode=ro", uri=True)
    assert connection.execute("PRAGMA application_id").fetchone()[0] == 0xB2CDB
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    status = connection.execute("SELECT globalTagStatus FROM globaltags WHERE globalTagName = 'Main'").fetchone()
    rows = connection.execute(
        """SELECT payloadName, payloadUrl, baseUrl, checksum, revision FROM iov_payloads WHERE globalTagName = 'Main'
           AND ((firstExp==4 AND firstRun<=0) OR firstExp<4) AND (finalExp<0 OR (finalRun<0 AND finalExp>=4)
           OR finalExp>4 OR (finalExp==4 AND finalRun>=0))"""
    ).fetchall()
    connection.close()
    assert status == ("OPEN",)
    ((name, url, _, checksum, revision),) = rows
    assert (name, url, revision) == ("model.pth", "dbstore/model.pth/dbstore_model.pth_rev_1.root", 1)
    assert revision_in(store.folder / checksum[:2] / "model.pth_r1.root") == 1


def test_snapshot_of_basf2_is_read_and_not_written(store: ConditionsStore, tmp_path: Path) -> None:
    """A snapshot made by another program has no tables of ours and keeps its files in the flat layout."""
    put(store, tmp_path, 1)
    connection = sqlite3.connect(store.database)
    connection.executescript("DROP TABLE smartbkg_payloads; DROP TABLE smartbkg_globaltags; DROP TABLE smartbkg_digest")
    connection.close()
    payload = store.find("Main", "model.pth", 0, 0)
    store.path_of(payload).rename(store.folder / "dbstore_model.pth_rev_1.root")
    assert revision_in(store.fetch(payload)) == 1
    with pytest.raises(ConditionsError, match="read only"):
        store.put("Main", "model.pth", tmp_path / "file", ALWAYS)


def test_other_files_are_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / DATABASE_NAME).write_text("not a database, but long enough to be looked at" * 20)
    with pytest.raises(ConditionsError, match="not a database"):
        ConditionsStore(tmp_path / "text").tags()
    other = tmp_path / "other"
    other.mkdir()
    connection = sqlite3.connect(other / DATABASE_NAME)
    connection.execute("CREATE TABLE cats (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(ConditionsError, match="not a conditions database"):
        ConditionsStore(other).tags()
    with pytest.raises(ConditionsError, match="not a conditions database"):
        ConditionsStore(other).create_tag("Main")


def test_newer_layout_is_refused(store: ConditionsStore) -> None:
    connection = sqlite3.connect(store.database)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(ConditionsError, match="layout 2, this smartbkg reads 1"):
        store.tags()


def test_immutable_store_is_read_without_any_write(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    store.publish("Main")
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")}
    for path in [store.folder, *store.folder.iterdir()]:
        path.chmod(0o555)
    packaged = ConditionsStore(store.folder, is_immutable=True)
    assert revision_in(packaged.fetch(packaged.find("Main", "model.pth", 0, 0))) == 1
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")} == before
    for path in [store.folder, *store.folder.iterdir()]:
        path.chmod(0o755)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(ConditionsError, match="store"):
        ConditionsStore(tmp_path / "store").create_tag("Main")
    tmp_path.chmod(0o755)


def damaged_copies(content: bytes, n_copies: int) -> list[bytes]:
    """Copies with one flipped bit each, spread over the whole file."""
    copies = []
    for number in range(n_copies):
        copy = bytearray(content)
        copy[number * len(content) // n_copies + number % 13] ^= 1 << number % 8
        copies.append(bytes(copy))
    return copies


def test_a_damaged_database_never_loses_or_changes_a_payload_without_a_word(
    store: ConditionsStore, tmp_path: Path
) -> None:
    """Bytes inside a row, a view or an index are no matter to SQLite: payloads vanished, and all seemed well."""
    for revision in range(1, 4):
        put(store, tmp_path, revision, Interval(revision, 0, revision, -1))
    store.create_tag("Empty")
    whole = store.payloads("Main"), store.tags()
    content = store.database.read_bytes()
    for copy in damaged_copies(content, 150):
        store.database.write_bytes(copy)
        try:
            fresh = ConditionsStore(store.folder)
            assert (fresh.payloads("Main"), fresh.tags()) == whole
            fresh.verify()
        except ConditionsError:
            with pytest.raises(ConditionsError):
                fresh.create_tag("More")


def test_a_store_that_another_program_has_changed_is_refused(store: ConditionsStore, tmp_path: Path) -> None:
    put(store, tmp_path, 1)
    with sqlite3.connect(store.database) as connection:
        connection.execute("UPDATE iovs SET firstRun = 7")
    connection.close()
    with pytest.raises(ConditionsError, match="damaged, or another program has changed it"):
        store.payloads("Main")


def test_a_store_of_an_earlier_version_gets_its_digest_with_the_next_write(
    store: ConditionsStore, tmp_path: Path
) -> None:
    with sqlite3.connect(store.database) as connection:
        connection.execute("DROP TABLE smartbkg_digest")
    connection.close()
    assert [tag.name for tag in store.tags()] == ["Main"]
    put(store, tmp_path, 1)
    with sqlite3.connect(store.database) as connection:
        assert connection.execute("SELECT count(*) FROM smartbkg_digest").fetchone() == (1,)
    connection.close()


def test_a_new_tag_and_its_payload_are_one_write_that_may_be_repeated(tmp_path: Path) -> None:
    store, file = ConditionsStore(tmp_path / "store"), write_revision(tmp_path / "file", 1)
    with pytest.raises(ConditionsError, match="cannot read the payload file"):
        store.put("Main", "model", tmp_path / "absent", ALWAYS, is_new=True)
    assert store.tags() == [], "no tag without its payload"
    for _ in range(2):
        assert store.put("Main", "model", file, ALWAYS, is_new=True, description="d").revision == 1
    assert (len(store.tags()), len(store.payloads("Main"))) == (1, 1)
    for name, interval in (("other", ALWAYS), ("model", Interval(1, 0, 1, -1))):
        with pytest.raises(ConditionsError, match="exists already, with 1 entries"):
            store.put("Main", name, file, interval, is_new=True)
    with pytest.raises(ConditionsError, match="exists already"):
        store.put("Main", "model", write_revision(tmp_path / "file", 2), ALWAYS, is_new=True)


def test_payloads_in_no_tag_are_verified_too(store: ConditionsStore, tmp_path: Path) -> None:
    added = store.add_payload("alone", write_revision(tmp_path / "file", 1))
    assert store.verify().n_payloads == 1
    flip_bit(store.path_of(added))
    assert [damage.payload.name for damage in store.verify().damages] == ["alone"]


def test_a_write_between_two_queries_of_a_reader_is_not_taken_for_damage(
    store: ConditionsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, tmp_path, 1)
    writer = ConditionsStore(store.folder)
    monkeypatch.setattr("smartbkg.conditions.store._LOCK_SECONDS", 0.05)
    with store._connect() as connection:
        assert connection.execute("SELECT count(*) FROM iov_payloads").fetchone() == (1,)
        with pytest.raises(ConditionsError, match="locked"):
            writer.put("Main", "other", tmp_path / "file", ALWAYS)
        assert connection.execute("SELECT count(*) FROM iovs").fetchone() == (1,)
    writer.put("Main", "other", tmp_path / "file", ALWAYS)
    assert len(store.payloads("Main")) == 2
