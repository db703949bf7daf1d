from __future__ import annotations

from pathlib import Path

import pytest
from conditions.payload_files import revision_in, write_revision

from smartbkg.conditions import ALWAYS, ConditionsStore, Interval, find_payload
from smartbkg.conditions.local_text import LocalTextDatabase
from smartbkg.conditions.payload import digest_file
from smartbkg.errors import ConditionsError


@pytest.fixture
def database(tmp_path: Path) -> LocalTextDatabase:
    return LocalTextDatabase(tmp_path / "localdb" / "database.txt")


def test_lines_and_files_are_those_of_basf2(database: LocalTextDatabase, tmp_path: Path) -> None:
    database.put("GATGAPgen.pth", write_revision(tmp_path / "file", 1), ALWAYS)
    md5 = digest_file(tmp_path / "file").md5
    assert database.file.read_text() == f"dbstore/GATGAPgen.pth {md5[:6]} 0,0,-1,-1\n"
    assert revision_in(database.file.parent / f"dbstore_GATGAPgen.pth_rev_{md5[:6]}.root") == 1


def test_last_line_goes_first(database: LocalTextDatabase, tmp_path: Path) -> None:
    for revision, interval in [(1, ALWAYS), (2, Interval(5, 0, 5, -1)), (3, ALWAYS), (4, Interval(9, 0, 9, 9))]:
        database.put("model", write_revision(tmp_path / "file", revision), interval)
    found = {exp: revision_in(database.fetch(database.find("any", "model", exp, 0))) for exp in (0, 5, 9)}
    assert found == {0: 3, 5: 3, 9: 4}


def test_what_basf2_wrote_is_read(tmp_path: Path) -> None:
    """Comments, blank lines, a last line without an end, and the counted revisions of old files."""
    write_revision(tmp_path / "dbstore_old_rev_12.root", 5)
    (tmp_path / "database.txt").write_text("# made by hand\n\n  dbstore/old 12 0,0,-1,-1   # always")
    database = LocalTextDatabase(tmp_path / "database.txt")
    assert revision_in(database.fetch(database.find("any", "old", 3, 3))) == 5
    database.put("new", write_revision(tmp_path / "file", 6), ALWAYS)
    assert {payload.name for payload in database.payloads("any")} == {"old", "new"}


def test_local_payloads_go_before_global_tags(database: LocalTextDatabase, tmp_path: Path) -> None:
    database.put("model", write_revision(tmp_path / "file", 1), ALWAYS)
    store = ConditionsStore(tmp_path / "store")
    store.create_tag("Main")
    for name, revision in (("model", 2), ("other", 3)):
        store.put("Main", name, write_revision(tmp_path / "file", revision), ALWAYS)
    places = [str(database.file), str(store.folder)]
    assert revision_in(find_payload("Main", "model", places=places).path) == 1
    assert revision_in(find_payload("Main", "other", places=places).path) == 3


@pytest.mark.parametrize(
    "line",
    [
        "dbstore/model abcdef",
        "dbstore/model abcdef 0,0,-1",
        "model abcdef 0,0,-1,-1",
        "elsewhere/model abcdef 0,0,-1,-1",
        "dbstore/model ../../x 0,0,-1,-1",
        "dbstore/../../etc/passwd abcdef 0,0,-1,-1",
        "dbstore/model abcdef 5,0,4,-1",
    ],
)
def test_bad_lines_are_named_by_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "database.txt").write_text(f"# header\n{line}\n")
    with pytest.raises(ConditionsError, match=r"database\.txt:2"):
        LocalTextDatabase(tmp_path / "database.txt").payloads("any")


def test_changed_file_is_refused(database: LocalTextDatabase, tmp_path: Path) -> None:
    database.put("model", write_revision(tmp_path / "file", 1), ALWAYS)
    path = database.fetch(database.find("any", "model", 0, 0))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConditionsError, match="damaged"):
        database.payloads("any")


def test_missing_database_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ConditionsError, match=r"no answer from .*database\.txt"):
        find_payload("Main", "model", places=[str(tmp_path / "database.txt")])
