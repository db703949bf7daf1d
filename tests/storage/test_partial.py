"""Temporary names cannot meet, and what dead writers left is removed, never what a living one writes."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smartbkg.errors import UsageError
from smartbkg.storage.atomic import atomic_path, refuse_same_file, write_text_atomically
from smartbkg.storage.machine import MachineError, disk_errors, is_of_machine, reading
from smartbkg.storage.partial import machine_digest, partial_file, partial_folder, partial_name, remove_stale

DAY = 86_400.0

_WRITER = """
import sys, time
from pathlib import Path
from smartbkg.storage.partial import partial_file
with partial_file(Path(sys.argv[1])) as partial:
    partial.write_bytes(b"x" * 1000)
    print(partial.name, flush=True)
    time.sleep(60)
"""


_FOLDER_WRITER = """
import sys, time
from pathlib import Path
from smartbkg.storage.partial import partial_folder
with partial_folder(Path(sys.argv[1])) as folder:
    (folder / "inside").mkdir()
    (folder / "inside" / "file").write_bytes(b"x" * 1000)
    print(folder.name, flush=True)
    time.sleep(60)
"""


def start_writer(final: Path, script: str = _WRITER) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", script, str(final)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, final.with_name(process.stdout.readline().strip())


@pytest.mark.parametrize("script", [_WRITER, _FOLDER_WRITER])
def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path, script: str):
    living, its_file = start_writer(tmp_path / "living.parquet", script)
    dead, left = start_writer(tmp_path / "dead.parquet", script)
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    try:
        assert its_file.exists()
        assert left.exists()
        assert remove_stale(tmp_path) == [left]
        assert its_file.exists()
        assert remove_stale(tmp_path, now=time.time() + 30 * DAY) == []
    finally:
        living.kill()
        for process in (living, dead):
            process.communicate()


def test_files_of_another_machine_are_left_alone_for_a_day(tmp_path: Path):
    """Its locks may not reach here: a file that it still writes changes within a day."""
    name = partial_name("out").replace(machine_digest(), "0123abcd")
    (tmp_path / name).write_text("half")
    assert remove_stale(tmp_path) == []
    assert [path.name for path in remove_stale(tmp_path, now=time.time() + 2 * DAY)] == [name]


def test_a_file_that_its_writer_has_not_locked_yet_is_left_alone(tmp_path: Path):
    young = tmp_path / partial_name("out")
    young.touch()
    assert remove_stale(tmp_path) == []
    os.utime(young, (time.time() - 60, time.time() - 60))
    assert remove_stale(tmp_path) == [young]


def test_a_folder_of_another_machine_is_as_young_as_the_last_file_in_it(tmp_path: Path):
    folder = tmp_path / partial_name("join", "0123abcd")
    folder.mkdir()
    (folder / "file").touch()
    os.utime(folder, (time.time() - 2 * DAY, time.time() - 2 * DAY))
    assert remove_stale(tmp_path) == []
    assert remove_stale(tmp_path, now=time.time() + 2 * DAY) == [folder]
    assert not folder.exists()


def test_a_temporary_folder_is_its_users_alone_and_goes_whatever_happens_in_it(tmp_path: Path):
    def work() -> None:
        with partial_folder(tmp_path / "join") as folder:
            (folder / "file").touch()
            assert folder.stat().st_mode & 0o777 == 0o700
            raise ValueError("the error to tell")

    with pytest.raises(ValueError, match="the error to tell"):
        work()
    assert not list(tmp_path.iterdir())


def test_a_link_that_is_named_like_a_temporary_folder_leads_nowhere(tmp_path: Path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / partial_name("join")).symlink_to(tmp_path / "precious")
    remove_stale(tmp_path, now=time.time() + 2 * DAY)
    assert (tmp_path / "precious" / "file").exists()


def test_a_library_may_lock_what_it_writes(tmp_path: Path):
    """HDF5 refuses a file that is locked already; without our lock the file is safe for a day all the same."""
    with partial_file(tmp_path / "t.h5", is_locked=False) as partial:
        partial.write_text("half")
        with partial.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert remove_stale(tmp_path) == []


def test_users_own_files_are_never_taken_for_ours(tmp_path: Path):
    names = ["a.partial", ".a.partial", ".a.123.partial", f".a.{machine_digest()}.partial"]
    for name in names:
        (tmp_path / name).write_text("mine")
    assert remove_stale(tmp_path, now=time.time() + 30 * DAY) == []


def test_two_writers_with_one_process_id_have_two_files(tmp_path: Path):
    with partial_file(tmp_path / "out") as first, partial_file(tmp_path / "out") as second:
        assert first != second
    assert not list(tmp_path.iterdir())


def test_the_longest_name_that_a_disk_takes_can_be_written(tmp_path: Path):
    for letter in ("n", "é"):
        name = letter * 240 if letter == "n" else letter * 120 + ".parquet"
        write_text_atomically(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"
    with pytest.raises(MachineError, match="File name too long"):
        write_text_atomically(tmp_path / ("n" * 300), "x")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_symbolic_link_as_output_stays_and_its_target_is_written(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    link, target = tmp_path / "link", tmp_path / "elsewhere" / "target"
    link.symlink_to(target)
    for content in ("first", "second"):  # dangling, then not
        write_text_atomically(link, content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["target"]


def test_a_device_as_output_is_written_and_stays_a_device():
    null, full = Path("/dev/null"), Path("/dev/full")
    if not (null.is_char_device() and full.is_char_device()):
        pytest.skip("no devices here")
    write_text_atomically(null, "x")
    assert null.is_char_device()
    with pytest.raises(MachineError, match="/dev/full: no space left"):
        write_text_atomically(full, "x" * 10_000)
    assert full.is_char_device()


def test_a_fifo_as_output_gets_the_whole_content(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE) as reader:
        write_text_atomically(fifo, "whole")
        assert reader.stdout is not None
        assert reader.stdout.read() == b"whole"
    assert fifo.is_fifo()


def test_the_error_of_a_read_only_folder_is_not_hidden_by_the_clearing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system", str(self))

    def write() -> None:
        with atomic_path(tmp_path / "out"):
            raise UsageError("the error to tell")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UsageError, match="the error to tell"):
        write()


def test_errors_of_the_machine_are_told_from_those_of_the_content():
    assert is_of_machine(OSError(5, "Input/output error"))
    assert is_of_machine(MemoryError())
    assert not is_of_machine(OSError("Couldn't deserialize thrift"))
    assert not is_of_machine(ValueError())

    def fail(error: Exception) -> None:
        with reading("events.parquet"):
            raise error

    with pytest.raises(MachineError, match=r"events\.parquet: cannot read: Input/output error"):
        fail(OSError(5, "Input/output error"))
    with pytest.raises(OSError, match="thrift"):
        fail(OSError("Couldn't deserialize thrift"))


def test_a_failing_disk_of_another_folder_is_not_blamed_on_the_output(tmp_path: Path):
    def fail() -> None:
        with disk_errors(tmp_path / "out"):
            raise PermissionError(13, "Permission denied", "/elsewhere/file")

    with pytest.raises(PermissionError):
        fail()


def test_a_device_may_be_both_input_and_output():
    refuse_same_file(Path("/dev/null"), Path("/dev/null"))
