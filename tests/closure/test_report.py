"""What a closure check says: its verdict in words and as plain JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from smartbkg.closure.report import KL_TARGET, SIGNIFICANCE, ClosureReport, PairClosure, VariableClosure

VARIABLE = VariableClosure(
    "Mbc", np.array([0.0, 1, 2]), np.array([3.0, 4]), np.array([3.0, 4]), np.array([2.0, 5]), np.array([2.0, 5]),
    np.array([np.nan, 1.5]), 2.25, 0.3, 0.1, 0.4, 0.001, 0.002, 0.0, coverage=0.7,
)  # fmt: skip
REPORT = ClosureReport(
    (VARIABLE,), (PairClosure("Mbc", "R2", 3.0, 4, 0.5),), 1.2, 0.3, 0.4, 0.5, "χ² of Mbc", 3, 1000, 7, 5, 4.5, 0.01
)


@pytest.mark.parametrize(("p_value", "is_good"), [(SIGNIFICANCE, True), (SIGNIFICANCE * 0.999, False), (1.0, True)])
def test_a_sample_fails_below_the_significance_and_not_at_it(p_value: float, is_good: bool) -> None:
    report = replace(REPORT, global_p_value=p_value)
    assert report.is_compatible is is_good
    assert report.verdict.startswith("no bias seen" if is_good else "BIASED")
    assert report.to_dict()["verdict"] == ("compatible" if is_good else "biased")


def test_the_verdict_names_the_number_of_tests_the_limit_and_the_worst() -> None:
    assert REPORT.verdict == ("no bias seen: global p-value 0.5 over 3 tests (fails below 0.01); worst: χ² of Mbc")


def test_coverage_is_the_mean_over_variables_where_it_is_known() -> None:
    assert REPORT.coverage == pytest.approx(0.7)
    two = replace(REPORT, variables=(VARIABLE, replace(VARIABLE, coverage=0.6), replace(VARIABLE, coverage=None)))
    assert two.coverage == pytest.approx(0.65)
    assert replace(REPORT, variables=(replace(VARIABLE, coverage=None),)).coverage is None


def test_json_holds_what_json_has_words_for() -> None:
    content = json.loads(json.dumps(REPORT.to_dict(), allow_nan=False))
    assert content["variables"][0]["pull"] == [None, 1.5]
    assert content["variables"][0]["edges"] == [0, 1, 2]
    assert content["pairs"][0] == {"first": "Mbc", "second": "R2", "chi2": 3.0, "n_bins": 4, "p_value": 0.5}
    assert content["kl_target"] == KL_TARGET
    assert content["n_thinned"] is None
    assert VARIABLE.n_bins == 2
