"""A program that a user names: its words, its run, and what it said when it failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smartbkg.errors import UsageError
from smartbkg.experiment.program import ProgramError, filled, run_program, split_command


def test_words_are_split_as_a_shell_does_and_fields_must_be_there() -> None:
    assert split_command("sim --opt 'a b' {input} {output}", ("{input}", "{output}"), "x") == [
        "sim", "--opt", "a b", "{input}", "{output}",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"simulation: the command has no \{output\}: 'sim \{input\}'"):
        split_command("sim {input}", ("{input}", "{output}"), "simulation")
    with pytest.raises(UsageError, match="cannot read the command"):
        split_command("sim 'open {input}", ("{input}",), "simulation")


def test_fields_are_filled_within_words_and_everything_else_stays() -> None:
    words = ["--in={input}", "{input}{seed}", "{other}", "$HOME"]
    assert filled(words, {"input": Path("/a b"), "seed": 7}) == ["--in=/a b", "/a b7", "{other}", "$HOME"]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_program_that_works_says_nothing(tmp_path: Path) -> None:
    run_program(python("print('words')"), tmp_path, "simulation", "5 events")


def test_a_failure_tells_code_events_and_last_words(tmp_path: Path) -> None:
    code = "import sys; [print(f'line {i}', file=sys.stderr) for i in range(9)]; sys.exit(3)"
    with pytest.raises(ProgramError, match=r"ended with code 3, for 5 events: line 6 \| line 7 \| line 8"):
        run_program(python(code), tmp_path, "simulation", "5 events")


def test_what_a_failure_prints_cannot_move_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(ProgramError) as caught:
        run_program(python("import sys; sys.stderr.write('\\x1b[2J'); sys.exit(1)"), tmp_path, "simulation", "5 events")
    assert "\x1b" not in str(caught.value)


def test_a_program_that_is_not_there_or_takes_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot start '/no/such/program'"):
        run_program(["/no/such/program"], tmp_path, "simulation", "5 events")
    with pytest.raises(ProgramError, match=r"no result after 0\.2 s, for 5 events"):
        run_program(python("import time; time.sleep(60)"), tmp_path, "simulation", "5 events", timeout=0.2)
