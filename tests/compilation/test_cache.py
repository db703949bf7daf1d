"""Kernels are compiled once: damaged, unwritable and contested caches, and code that is shipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("compiled_sum.py")
RESULT = "10.0 11.0"


def start(cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(cache: Path) -> str:
    """What a process says on stderr; its result is right."""
    process = start(cache)
    output, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    assert output.strip() == RESULT
    return messages


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the kernel is kept."""
    folder = tmp_path_factory.mktemp("cache")
    assert run(folder).count("compiling total") == 2
    return folder


def files(cache: Path) -> list[Path]:
    return sorted((cache / "kernels").iterdir())


def test_a_second_process_compiles_nothing(full: Path) -> None:
    assert run(full) == ""
    assert len(files(full)) == 2


def test_a_damaged_file_is_made_anew(full: Path) -> None:
    victim = files(full)[0]
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 2])
    assert run(full).count("compiling") == 1
    assert run(full) == ""


def test_a_full_cache_that_cannot_be_written_is_read(full: Path) -> None:
    folder = full / "kernels"
    folder.chmod(0o500)
    try:
        assert run(full) == ""
    finally:
        folder.chmod(0o700)


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("a file where the folder should be")
    messages = run(tmp_path)
    assert messages.count("compiling total") == 2
    assert messages.count("cannot be kept") == 1


def test_eight_processes_at_once_on_an_empty_cache_all_succeed(tmp_path: Path) -> None:
    processes = [start(tmp_path) for _ in range(8)]
    for process in processes:
        output, messages = process.communicate(timeout=300)
        assert process.returncode == 0, messages
        assert output.strip() == RESULT
    assert len(files(tmp_path)) == 2
    assert run(tmp_path) == ""
