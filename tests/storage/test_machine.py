"""Errors of the machine are never skipped; errors of the content are never blamed on the machine."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from smartbkg.errors import FileFormatError
from smartbkg.storage.machine import MachineError, disk_errors, is_of_machine, reading, reason_of


@pytest.mark.parametrize(
    ("error", "is_machine"),
    [
        (MemoryError(), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (PermissionError(errno.EACCES, "Permission denied"), True),
        (MachineError("x"), True),
        (OSError("not a gzip file"), False),
        (OSError(errno.EINVAL, "Invalid argument"), False),
        (ValueError("x"), False),
        (FileFormatError("x"), False),
    ],
)
def test_what_is_of_the_machine(error: BaseException, is_machine: bool) -> None:
    assert is_of_machine(error) is is_machine


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space"), "no space left on the disk"),
        (OSError(errno.EDQUOT, "Quota"), "no space left on the disk"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (MemoryError(), "not enough memory"),
        (OSError(), "OSError"),
    ],
)
def test_reasons_are_words(error: BaseException, words: str) -> None:
    assert reason_of(error) == words


def test_reading_names_the_file_for_the_machine_and_lets_the_content_speak_for_itself() -> None:
    with pytest.raises(MachineError, match=r"a.root: cannot read: Input/output error"), reading("a.root"):
        raise OSError(errno.EIO, "Input/output error")
    with pytest.raises(MachineError, match=r"a.root: cannot read: not enough memory"), reading("a.root"):
        raise MemoryError
    with pytest.raises(OSError, match="bad magic"), reading("a.root"):
        raise OSError("bad magic")
    with pytest.raises(MachineError, match=r"^inner$"), reading("a.root"):
        raise MachineError("inner")


def test_a_full_disk_says_that_nothing_was_written(tmp_path: Path) -> None:
    refused = pytest.raises(MachineError, match="no space left on the disk; nothing was written")
    with refused, disk_errors(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_refusal_of_another_folder_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    own = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "out.partial"))
    with pytest.raises(MachineError, match="cannot write: Permission denied"), disk_errors(tmp_path / "out"):
        raise own
    other = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/input")
    with pytest.raises(PermissionError), disk_errors(tmp_path / "out"):
        raise other


def test_a_reader_that_went_away_is_no_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), disk_errors(tmp_path / "out"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
