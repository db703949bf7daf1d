"""What made a file: the same inputs and settings give the same record, and a newer schema is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from smartbkg._version import __version__
from smartbkg.errors import SchemaError
from smartbkg.storage.provenance import check_schema, digest_of, inputs_of, library_versions, record, sha256_of_file


def test_the_order_of_settings_does_not_change_their_digest_and_a_value_does() -> None:
    assert digest_of({"a": 1, "b": [2, 3]}) == digest_of({"b": [2, 3], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert digest_of({"a": [2, 3]}) != digest_of({"a": [3, 2]})
    assert digest_of({"a": Path("x")}) == digest_of({"a": "x"})


def test_a_record_holds_no_time_and_no_folder(tmp_path: Path) -> None:
    records = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "events.parquet"
        path.write_bytes(b"content")
        records.append(record("kept", 2, {"seed": 1}, [path], totals={"n": 3}))
    assert records[0] == records[1]
    assert records[0]["inputs"] == [{"name": "events.parquet", "sha256": hashlib.sha256(b"content").hexdigest()}]
    assert records[0]["package_version"] == __version__
    assert records[0]["totals"] == {"n": 3}


def test_settings_are_copied_into_the_record() -> None:
    settings = {"seed": 1}
    made = record("kept", 1, settings)
    settings["seed"] = 2
    assert made["settings"] == {"seed": 1}


def test_what_is_no_file_has_no_digest(tmp_path: Path) -> None:
    assert inputs_of([tmp_path, tmp_path / "absent"]) == []


def test_the_digest_of_a_file_is_sha256_of_all_of_it(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "f").write_bytes(content)
    assert sha256_of_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def test_only_installed_libraries_have_versions() -> None:
    assert "numpy" in library_versions()
    assert all(version for version in library_versions().values())


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"kind": "flags", "schema_version": 1}, "holds 'flags', expected 'kept'"),
        ({}, "holds 'None', expected 'kept'"),
        ({"kind": "kept", "schema_version": 3, "package_version": "9.1"}, r"written by smartbkg 9\.1.*reads up to 2"),
        ({"kind": "kept", "schema_version": "new"}, "schema version 'new', expected a number"),
        ({"kind": "kept", "schema_version": None}, "schema version None"),
    ],
)
def test_other_kinds_and_newer_schemas_are_refused(found: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        check_schema(found, "kept", 2, "file")


@pytest.mark.parametrize("version", [0, 1, 2, "2"])
def test_every_schema_up_to_the_newest_is_read(version: object) -> None:
    check_schema({"kind": "kept", "schema_version": version}, "kept", 2, "file")
