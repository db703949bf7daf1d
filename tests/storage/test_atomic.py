"""Outputs are whole or absent."""

import errno
from pathlib import Path

import pytest

from smartbkg.errors import SmartBKGError, UsageError
from smartbkg.storage.atomic import atomic_path, refuse_same_file, sole_writer, write_text_atomically


def test_file_appears_only_at_the_end(tmp_path: Path):
    final = tmp_path / "out.txt"
    with atomic_path(final) as partial:
        partial.write_text("whole")
        assert not final.exists()
    assert final.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, stop: type[BaseException]):
    final = tmp_path / "out.txt"
    write_text_atomically(final, "old")

    def interrupted() -> None:
        with atomic_path(final) as partial:
            partial.write_text("half")
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert final.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_missing_folder_and_full_disk_are_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match=r"out\.txt: cannot write: there is no folder .*no; make it first"):
        write_text_atomically(tmp_path / "no" / "out.txt", "x")
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    def fill() -> None:
        with atomic_path(tmp_path / "out.txt"), Path("/dev/full").open("w") as handle:
            handle.write("x" * 100_000)
            handle.flush()

    with pytest.raises(SmartBKGError, match="no space left"):
        fill()


def test_folder_as_output_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="is a folder"):
        write_text_atomically(tmp_path, "x")


def test_output_equal_to_input_is_refused(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text("x")
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(UsageError, match="same file"):
        refuse_same_file(tmp_path / "link", path)


def test_one_writer_at_a_time_and_nothing_stays_behind(tmp_path: Path):
    final = tmp_path / "out.txt"
    (tmp_path / "out.txt.lock").touch()  # of a job that was killed: nobody holds it
    with sole_writer(final), pytest.raises(UsageError, match="another process"), sole_writer(final):
        pass
    with sole_writer(final):
        pass
    assert not list(tmp_path.iterdir())


def test_file_system_without_locks_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_locks(handle: object, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with sole_writer(tmp_path / "out.txt"):
        pass
    assert not list(tmp_path.iterdir())
