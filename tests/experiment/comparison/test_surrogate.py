"""A surrogate against full simulation: the area under its curve, with its error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from smartbkg.experiment.comparison.surrogate import _area, compare_surrogate
from smartbkg.experiment.detector.parameters import BELLE2
from smartbkg.experiment.embedded_surrogate import EmbeddedSurrogate


def test_the_area_is_that_of_the_roc_curve_with_ties_at_one_half() -> None:
    random = np.random.default_rng(1)
    passing, failing = random.integers(0, 9, 40) / 8, random.integers(0, 7, 60) / 8
    expected = roc_auc_score(np.repeat([1, 0], [40, 60]), np.concatenate([passing, failing]))
    found = _area(passing, failing)
    assert found is not None
    assert found.value == pytest.approx(expected)


def test_the_error_is_that_of_repeated_samples() -> None:
    random = np.random.default_rng(2)
    areas = [_area(random.normal(1, 1, 30), random.normal(0, 1, 50)) for _ in range(300)]
    values = np.array([area.value for area in areas if area is not None])
    errors = np.array([area.error for area in areas if area is not None])
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_one_class_has_no_area_and_perfect_ranks_have_no_error() -> None:
    assert _area(np.empty(0), np.ones(3)) is None
    assert _area(np.ones(3), np.empty(0)) is None
    perfect = _area(np.ones(3), np.zeros(3))
    assert perfect is not None
    assert (perfect.value, perfect.error) == (1.0, 0.0)


def test_the_embedded_simulation_expects_about_as_many_passing_events_as_full_simulation_has(
    reference_data: Path,
) -> None:
    """100 events of an mDST; skims that pass some tenths, for on a rare one so few events say nothing."""
    skims = ("InclusiveLambda", "feiSLB0")
    found = compare_surrogate(reference_data / "belle2" / "mdst.root", EmbeddedSurrogate(BELLE2), 8, skims)
    assert [one.skim for one in found] == list(skims)
    for one in found:
        assert one.n_events == 100
        assert abs(one.expected.value - one.n_found) < 5 * max(one.expected.error, 2.0), one
