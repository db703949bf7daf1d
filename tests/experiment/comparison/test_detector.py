"""Both simulations in numbers: counts per event, efficiencies with errors, and who disagrees."""

from __future__ import annotations

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.experiment.comparison.detector import (
    _compared,
    _fraction,
    event_quantities,
    object_quantities,
)

TWO = make_response([
    {"tracks": [{"px": 0.5}, {"px": 0.05}, {"px": 0.5, "d0": 3.0}],
     "clusters": [{"energy": 0.2}, {"energy": 0.05}, {"energy": 1.0, "track": 0}],
     "v0s": [{"code": 310}, {"code": 22}, {"positive": 2, "code": 310}]},
    {"clusters": [{"energy": 0.3, "is_photon": False}], "klm": [{}]},
])  # fmt: skip


def test_quantities_are_counted_per_event() -> None:
    found = event_quantities(TWO)
    assert found["tracks"].tolist() == [3, 0]
    assert found["good tracks"].tolist() == [1, 0]
    assert found["neutral clusters"].tolist() == [2, 1]
    assert found["neutral clusters > 0.1 GeV"].tolist() == [1, 1]
    np.testing.assert_allclose(found["neutral energy"], [0.25, 0.3])
    assert found["photon clusters"].tolist() == [2, 0]
    assert found["matched clusters"].tolist() == [1, 0]
    assert found["V0s"].tolist() == [3, 0]
    assert found["V0 pairs"].tolist() == [2, 0], "hypotheses of one pair are one pair"
    assert found["KLM clusters"].tolist() == [0, 1]


def test_objects_are_those_of_all_events_together() -> None:
    found = object_quantities(TWO)
    assert len(found["track p_T [GeV]"]) == 3
    assert len(found["log10 E of neutral photon clusters [GeV]"]) == 2
    assert len(found["log10 E of matched clusters [GeV]"]) == 1
    assert len(found["V0 mass as K_S [GeV]"]) == 2


@pytest.mark.parametrize(("tolerance", "is_within"), [(None, True), (0.5, True), (0.05, False)])
def test_a_mean_is_compared_with_the_error_of_full_simulation(tolerance: float | None, is_within: bool) -> None:
    random = np.random.default_rng(0)
    full, fast = random.normal(2.0, 1.0, 400), random.normal(2.4, 1.0, 4000)
    one = _compared("x", "x", np.append(full, np.nan), fast, tolerance)
    assert one.ratio == pytest.approx(1.2, abs=0.1)
    assert one.ratio_uncertainty == pytest.approx(one.ratio / full.mean() * full.std(ddof=1) / 20)
    assert one.ks_p_value < 1e-3
    assert one.is_within_tolerance is is_within


def test_an_efficiency_is_the_share_seen_in_each_bin_with_an_error_also_at_its_ends() -> None:
    value = np.array([0.5, 0.5, 1.5, 1.5, 1.5, 9.0])
    found = _fraction("e", "p", (0.0, 1.0, 2.0, 3.0), value, np.array([1.0, 1, 0, 1, 0, 1]), np.full(6, 0.5))
    np.testing.assert_allclose(found.full[:2], [1.0, 1 / 3])
    assert np.isnan(found.full[2])
    assert (found.full_uncertainty[:2] > 0).all(), "a bin where all were seen has an uncertainty"
    np.testing.assert_allclose(found.fast[:2], 0.5)
    assert found.n_particles == 5
    assert found.full_total == pytest.approx(0.6)
    assert found.chi_square_per_bin > 0
