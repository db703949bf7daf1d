"""PYTHIA's part: decays conserve momentum, seeds decide, and a missing library names its extra."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from smartbkg.errors import MissingDependencyError
from smartbkg.experiment.generator import pythia


def test_without_pythia_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises((MissingDependencyError, ImportError), match="pythia8mc"):
        pythia.import_pythia()


def test_continuum_events_depend_on_their_seed_alone_and_conserve_charge() -> None:
    pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")
    first, again, other = (pythia.generate_continuum("ccbar", 5, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.code, again.code)
    np.testing.assert_array_equal(first.momentum.px, again.momentum.px)
    assert len(other.code) != len(first.code) or (other.code != first.code).any()
    assert len(first.offsets) == 6
    is_charm = np.isin(np.abs(first.code) // 100 % 10, (4,)) | np.isin(np.abs(first.code) // 1000 % 10, (4,))
    for start, stop in zip(first.offsets[:-1], first.offsets[1:], strict=True):
        assert is_charm[start:stop].any(), "an event of charm without a charmed hadron"
