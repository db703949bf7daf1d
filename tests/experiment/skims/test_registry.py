"""The registry of skims: names once, any module's function, and the order in which a module registers."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import numpy as np
import pytest

from smartbkg.errors import UsageError
from smartbkg.experiment.skims import registry
from smartbkg.experiment.skims.belle2 import BELLE2_SKIMS
from smartbkg.experiment.skims.registry import Skim, find_skim, register_skim, skim, skim_names, skims_of_module


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    skim_names()
    before = dict(registry._REGISTRY)
    yield
    registry._REGISTRY.clear()
    registry._REGISTRY.update(before)


def test_a_module_names_its_skims_in_the_order_of_their_registration() -> None:
    assert BELLE2_SKIMS[0] == "feiHadronicB0"
    assert len(BELLE2_SKIMS) == len(set(BELLE2_SKIMS)) == 10
    assert skims_of_module("no.such.module") == ()

    @skim("secondOfMine", kinds=["B0"])
    def second(events):  # type: ignore[no-untyped-def]
        """Nothing."""
        return np.zeros(len(events), bool)

    @skim("firstOfMine")
    def first(events):  # type: ignore[no-untyped-def]
        return np.zeros(len(events), bool)

    assert skims_of_module(__name__) == ("secondOfMine", "firstOfMine")
    found = find_skim("secondOfMine")
    assert found.documentation == "Nothing."
    assert found.kinds == frozenset({"B0"})
    assert found.column == "passes_secondOfMine"


def test_the_same_skim_twice_is_one_and_another_of_its_name_is_refused() -> None:
    mine = Skim("mine", len)  # type: ignore[arg-type]
    assert register_skim(mine) is register_skim(mine)
    with pytest.raises(UsageError, match="already a skim 'mine'"):
        register_skim(Skim("mine", sum))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'not a name' is not an identifier"):
        register_skim(Skim("not a name", len))  # type: ignore[arg-type]


def test_a_registered_function_is_found_by_its_module_under_its_registered_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def select(events):  # type: ignore[no-untyped-def]
        return events

    module = types.ModuleType("my_module")
    module.select = select  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_module", module)
    assert find_skim("my_module:select").name == "select"
    register_skim(Skim("named", select))
    assert find_skim("my_module:select").name == "named"
    with pytest.raises(UsageError, match="skim 'number' is a int, expected a function"):
        find_skim("my_module:number")
    with pytest.raises(UsageError, match="my_module has no 'selct': did you mean 'select'"):
        find_skim("my_module:selct")
    with pytest.raises(UsageError, match="cannot import no_such_module"):
        find_skim("no_such_module:x")
