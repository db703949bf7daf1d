"""The double of basf2, importable for the time of a test, and everything that remembers it forgotten afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from smartbkg.conditions.cache import FOLDER_VARIABLE
from smartbkg.conditions.location import BELLE2_VARIABLE, PLACES_VARIABLE

DOUBLE = Path(__file__).parent / "basf2_double"

_NAMES = {path.stem for path in DOUBLE.iterdir()} | {"smartBKG"}


def _forget() -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in _NAMES or name.startswith(("smartbkg.b2modules", "smartbkg.NN_filter_module")):
            del sys.modules[name]


@pytest.fixture
def basf2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The double as the module `basf2`, with an empty conditions store of the user."""
    _forget()
    monkeypatch.syspath_prepend(DOUBLE)
    monkeypatch.setenv(PLACES_VARIABLE, str(tmp_path / "conditions"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(BELLE2_VARIABLE, raising=False)
    import basf2 as framework

    framework.set_random_seed("tests")
    yield framework
    _forget()


@pytest.fixture
def mdst(reference_data: Path) -> Path:
    """100 events of an mDST."""
    return reference_data / "belle2" / "mdst.root"


@pytest.fixture
def reference_model(reference_data: Path) -> Path:
    """Upstream's architecture with the weights for which reference logits exist."""
    return reference_data / "gatgap" / "reference.pth"
