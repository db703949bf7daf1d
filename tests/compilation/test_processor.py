"""Which machine code a machine can run."""

from __future__ import annotations

import platform

from smartbkg.compilation.processor import LEVELS, levels_of, levels_of_this_machine

AVX2 = dict.fromkeys(LEVELS[1].features, True)


def names(machine: str, features: dict[str, bool]) -> list[str]:
    return [level.name for level in levels_of(machine, features)]


def test_the_best_level_comes_first_and_lower_ones_follow() -> None:
    assert names("x86_64", AVX2) == ["x86-64-v3", "x86-64-v2"]


def test_a_feature_that_is_switched_off_excludes_its_levels() -> None:
    assert names("x86_64", AVX2 | {"fma": False}) == ["x86-64-v2"]
    assert names("x86_64", {}) == []


def test_code_of_another_architecture_is_never_chosen() -> None:
    assert names("aarch64", AVX2 | {"neon": True}) == ["armv8"]
    assert names("riscv64", AVX2) == []


def test_levels_of_this_machine_are_of_its_architecture() -> None:
    assert {level.machine for level in levels_of_this_machine()} <= {platform.machine()}
