from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conditions.payload_files import revision_in, write_revision
from conditions.serving import TOKEN, serving

from smartbkg.cli.conditions import command
from smartbkg.conditions.cache import FOLDER_VARIABLE
from smartbkg.conditions.client import TOKEN_VARIABLE
from smartbkg.conditions.location import PLACES_VARIABLE
from smartbkg.errors import ConditionsError


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PLACES_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "store"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=True)


def error_of(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, ConditionsError), result.output
    return str(result.exception)


def test_model_goes_from_a_file_into_a_published_tag_and_back(tmp_path: Path) -> None:
    file = write_revision(tmp_path / "file", 1)
    assert "revision 1" in run("put", "Mine", "model.pth", file, "--new", "--description", "a test").output
    assert "revision 2" in run("put", "Mine", "model.pth", write_revision(file, 2), "--iov", "7,0,7,-1").output
    assert "published" in run("publish", "Mine").output
    assert "Mine\tPUBLISHED" in run("tags").output
    shown = run("show", "Mine").output
    assert "revision 1\t0,0,-1,-1" in shown
    assert "revision 2\t7,0,7,-1" in shown
    assert run("get", "Mine", "model.pth", "-o", tmp_path / "copy").exit_code == 0
    assert revision_in(tmp_path / "copy") == 1
    path = run("get", "Mine", "model.pth", "--experiment", "7", "--run", "12").stdout.strip()
    assert revision_in(Path(path)) == 2
    assert "promises" in run("verify", "Mine").output


def test_published_tag_is_copied_not_changed(tmp_path: Path) -> None:
    file = write_revision(tmp_path / "file", 1)
    run("put", "Mine", "model.pth", file, "--new")
    run("publish", "Mine")
    assert "copy-tag Mine" in error_of("put", "Mine", "model.pth", file)
    assert "open" in run("copy-tag", "Mine", "Next").output
    assert run("put", "Next", "model.pth", write_revision(file, 2)).exit_code == 0


def test_mistyped_tag_is_not_made_by_accident(tmp_path: Path) -> None:
    file = write_revision(tmp_path / "file", 1)
    run("put", "Mine", "model.pth", file, "--new")
    assert "did you mean 'Mine'" in error_of("put", "Mien", "model.pth", file)
    assert "did you mean 'Mine'" in error_of("show", "Mien", "--at", tmp_path / "store")


def test_verify_names_what_is_damaged(own_store: Path, tmp_path: Path) -> None:
    run("put", "Mine", "model.pth", write_revision(tmp_path / "file", 1), "--new")
    (path,) = own_store.glob("*/model.pth_r1.root")
    path.write_bytes(b"x")
    result = run("verify")
    assert "model.pth_r1.root" in result.output
    assert "1 of 1 payloads are damaged" in str(result.exception)


def test_commands_speak_to_a_server(own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    monkeypatch.setenv(TOKEN_VARIABLE, str(tmp_path / "token"))
    with serving(own_store) as url:
        file = write_revision(tmp_path / "file", 1)
        assert run("put", "Mine", "model.pth", file, "--new", "--at", url).exit_code == 0
        assert run("publish", "Mine", "--at", url).exit_code == 0
        assert "Mine\tPUBLISHED" in run("tags", "--at", url).output
        assert revision_in(Path(run("get", "Mine", "model.pth", "--at", url).stdout.strip())) == 1


def test_local_text_database_is_written(tmp_path: Path) -> None:
    database = tmp_path / "localdb" / "database.txt"
    file = write_revision(tmp_path / "file", 1)
    assert run("put", "any", "model.pth", file, "--iov", "3,0,3,-1", "--at", database).exit_code == 0
    assert database.read_text().startswith("dbstore/model.pth ")
    assert run("get", "any", "model.pth", "--experiment", "3", "--at", database).exit_code == 0


def test_only_stores_are_served_and_checked() -> None:
    assert "only a store" in error_of("serve", "--at", "http://127.0.0.1:9/")
    assert "checked on arrival" in error_of("verify", "--at", "http://127.0.0.1:9/")


def test_own_store_that_was_never_written_has_no_tags() -> None:
    assert run("tags").exit_code == 0


def test_silent_places_do_not_hide_the_others(own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("put", "Mine", "model.pth", write_revision(tmp_path / "file", 1), "--new")
    monkeypatch.setenv(PLACES_VARIABLE, f"{tmp_path}/localdb/database.txt {own_store}")
    (tmp_path / "localdb").mkdir()
    assert "Mine\tOPEN" in run("tags").output
    monkeypatch.setenv(PLACES_VARIABLE, f"{tmp_path}/absent.txt {own_store}")
    assert run("show", "Mine").output.startswith("Mine  OPEN")
    assert "did you mean 'Mine'" in error_of("show", "Mein")
