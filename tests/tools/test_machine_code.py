"""Machine code ahead of time: which levels can be made, and what is said where the compiler fails."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from smartbkg.compilation.processor import LEVELS
from smartbkg.errors import SmartBKGError, UsageError
from smartbkg.tools import machine_code
from smartbkg.tools.machine_code import CORE_PARTS
from smartbkg.tools.warm_up import PARTS


def test_levels_of_this_machine_are_all_or_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    ours = [level for level in LEVELS if level.machine == "x86_64"]
    assert machine_code._levels(None) == ours
    assert machine_code._levels([ours[-1].name]) == [ours[-1]]
    with pytest.raises(UsageError, match=f"no level 'x86-64-v9' can be made here: did you mean '{ours[0].name[:7]}"):
        machine_code._levels(["x86-64-v9"])


def test_levels_of_another_architecture_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert machine_code._levels(None) == []
    with pytest.raises(UsageError, match=r"valid: \(none\)"):
        machine_code._levels([LEVELS[0].name])


def test_a_compiler_that_fails_is_quoted_by_its_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def run(command: list[str], **options: object) -> SimpleNamespace:
        seen.append((command, options))
        return SimpleNamespace(returncode=1, stderr="first\nthe last line\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SmartBKGError, match=f"{LEVELS[0].name}: cannot make the kernels: the last line"):
        machine_code._run("make", LEVELS[0], tmp_path, tmp_path / "s")
    ((command, options),) = seen
    assert ["--make", LEVELS[0].name] == command[3:5]
    assert options["env"]["NUMBA_CPU_NAME"] == LEVELS[0].cpu  # type: ignore[index]


def test_the_parts_of_the_core_are_parts() -> None:
    assert set(CORE_PARTS) <= set(PARTS)
