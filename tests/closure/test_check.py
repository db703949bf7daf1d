"""Closure passes where weights are right at its stated false-alarm rate, and fails where they are not."""

import json

import numpy as np
import pytest

from smartbkg.closure.check import ClosureReport, ClosureSettings, check_closure, check_samples, check_subset
from smartbkg.errors import DatasetError, PolicyError, UsageError
from smartbkg.sampling import Costs, solve_optimal
from smartbkg.sampling.draw import draw

FAST = ClosureSettings(n_replicas=300, n_coverage_seeds=0)


class Campaign:
    """Generated events with four variables, scored, filtered, simulated, skimmed."""

    def __init__(self, seed: int, n: int = 60_000, bias: float = 0.0, *, with_weights: bool = False) -> None:
        generator = np.random.default_rng(seed)
        logit = generator.normal(-3.5, 1.8, n)
        p = 1 / (1 + np.exp(-logit))
        passes = generator.random(n) < p
        claimed = solve_optimal(p, Costs()).keep_probability(p).clip(max=0.8)
        variables = {
            "Mbc": generator.normal(size=n) + 0.3 * logit,
            "deltaE": generator.exponential(size=n),
            "multiplicity": generator.integers(0, 6, n).astype(float),
            "R2": logit + generator.normal(size=n),
        }
        # A biased filter keeps some events more often than it says: here those of high Mbc.
        actual = (claimed * (1 + bias * (variables["Mbc"] > -0.5))).clip(0, 1)
        kept = draw(actual, seed, 0, 0, np.arange(n))
        weight = generator.normal(1, 0.3, n) if with_weights else np.ones(n)
        self.variables = {name: values[passes] for name, values in variables.items()}
        self.q, self.kept, self.weight = claimed[passes], kept[passes], weight[passes]

    @property
    def kept_variables(self) -> dict[str, np.ndarray]:
        return {name: values[self.kept] for name, values in self.variables.items()}

    @property
    def kept_weight(self) -> np.ndarray:
        return np.asarray((self.weight / self.q)[self.kept])

    def closure(self, settings: ClosureSettings = FAST) -> ClosureReport:
        return check_closure(self.variables, self.q, self.kept, self.weight, settings)

    def subset(self, settings: ClosureSettings = FAST) -> ClosureReport:
        return check_subset(self.variables, self.kept, self.weight / self.q, self.q, self.weight, settings)

    def samples(self, reference: "Campaign", settings: ClosureSettings = FAST) -> ClosureReport:
        return check_samples(
            reference.variables, self.kept_variables, self.kept_weight, reference.weight, settings,
            keep_probability=self.q[self.kept],
        )  # fmt: skip


def test_closure_of_a_right_filter_passes() -> None:
    report = Campaign(1).closure(ClosureSettings())
    assert report.is_compatible
    assert "no bias seen" in report.verdict
    assert report.n_tests == 4 + 4 + 6 + 1
    for variable in report.variables:
        assert variable.chi2_p_value > 0.001
        assert np.nanstd(variable.pull) == pytest.approx(1, abs=0.6)
        assert variable.kl < 5 * variable.kl_expected


@pytest.mark.parametrize("with_weights", [False, True])
def test_closure_fails_on_a_biased_filter(with_weights: bool) -> None:
    campaign, reference = Campaign(2, bias=0.3, with_weights=with_weights), Campaign(3, 200_000)
    for report in (campaign.closure(), campaign.subset(), campaign.samples(reference)):
        assert not report.is_compatible
        assert "BIASED" in report.verdict
        assert "Mbc" in report.worst_test or report.worst_test == "total"


def test_closure_fails_where_one_variable_alone_is_biased_at_an_unchanged_total() -> None:
    campaign = Campaign(4, 120_000)
    variable = campaign.variables["deltaE"]
    actual = campaign.q * np.where(variable > np.median(variable), 0.8, 1.2)
    kept = np.random.default_rng(5).random(actual.size) < actual
    report = check_closure(campaign.variables, campaign.q, kept, settings=FAST)
    assert not report.is_compatible
    assert "deltaE" in report.worst_test


def test_closure_fails_where_only_a_correlation_is_biased() -> None:
    campaign = Campaign(6, 200_000)
    x, y = (campaign.variables[name] for name in ("deltaE", "multiplicity"))
    same_side = (x > np.median(x)) == (y > 2)
    report = check_closure(
        campaign.variables,
        campaign.q,
        np.random.default_rng(7).random(x.size) < campaign.q * np.where(same_side, 0.85, 1.15),
        settings=FAST,
    )
    assert not report.is_compatible
    assert report.worst_test == "χ² of deltaE × multiplicity"


def test_forgetting_the_weights_is_seen() -> None:
    campaign = Campaign(8)
    ones = np.ones(len(campaign.q))
    assert not check_subset(campaign.variables, campaign.kept, ones, campaign.q, None, FAST).is_compatible
    report = check_closure(campaign.variables, campaign.q, campaign.kept, settings=FAST, kept_weight=ones)
    assert not report.is_compatible


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["closure", "subset", "samples"])
def test_right_filters_fail_as_often_as_stated(kind: str) -> None:
    """At a significance of 10 %, 200 right filters give 20 ± 4 false alarms; outside [5, 36] is beyond 3.5 σ."""
    settings = ClosureSettings(n_replicas=100, n_coverage_seeds=0, significance=0.1)
    failures = 0
    for seed in range(200):
        campaign = Campaign(1000 + seed, 12_000, with_weights=seed % 2 == 1)
        if kind == "closure":
            report = campaign.closure(settings)
        elif kind == "subset":
            report = campaign.subset(settings)
        else:
            report = campaign.samples(Campaign(5000 + seed, 12_000), settings)
        failures += not report.is_compatible
    assert 5 <= failures <= 36, failures


def test_a_kept_event_of_probability_one_that_is_missing_is_a_bias() -> None:
    x = np.linspace(0, 1, 500)
    kept = np.arange(500) != 17
    assert not check_closure({"x": x}, np.ones(500), kept, settings=FAST).is_compatible
    assert check_closure({"x": x}, np.ones(500), np.ones(500, bool), settings=FAST).global_p_value == 1.0


def test_missing_values_are_left_out_and_counted() -> None:
    campaign = Campaign(9)
    campaign.variables["Mbc"][::4] = np.nan
    report = campaign.closure()
    assert report.is_compatible
    assert report.variables[0].missing_fraction == pytest.approx(0.25, abs=0.001)
    all_missing = {"x": campaign.variables["deltaE"], "nothing": np.full(campaign.q.size, np.nan)}
    assert len(check_closure(all_missing, campaign.q, campaign.kept, settings=FAST).variables) == 1


def test_histograms_hold_every_event_once() -> None:
    campaign = Campaign(10)
    for variable in campaign.closure().variables:
        assert variable.all_sum.sum() == pytest.approx(campaign.weight.sum())
        assert variable.kept_sum.sum() == pytest.approx(campaign.kept_weight.sum())
        assert len(variable.edges) == variable.n_bins + 1


def test_the_report_is_plain_json() -> None:
    content = json.loads(json.dumps(Campaign(11).closure().to_dict(), allow_nan=False))
    assert content["verdict"] == "compatible"
    assert {"global_p_value", "n_tests", "variables", "pairs", "coverage", "kl_target"} <= set(content)
    assert content["variables"][0]["name"] == "Mbc"


def test_the_same_seed_gives_the_same_report() -> None:
    assert Campaign(12).closure().to_dict() == Campaign(12).closure().to_dict()


@pytest.mark.parametrize(
    ("variables", "q", "kept", "message"),
    [
        ({}, [0.5], [True], "at least one variable"),
        ({"x": []}, [], [], "needs passing events"),
        ({"x": [1.0, 2.0]}, [0.5, 0.5], [False, False], "none of 2 passing events was kept"),
        ({"x": [1.0]}, [0.5, 0.5], [True, True], "'x' has shape"),
        ({"x": [1.0, np.inf]}, [0.5, 0.5], [True, True], "infinite in event 1"),
        ({"x": [1.0, 1.0]}, [0.5, 0.5], [True, True], "every variable is constant"),
        ({"x": [1.0, 2.0]}, [0.5, 0.5], [True], "do not fit"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    variables: dict[str, list[float]], q: list[float], kept: list[bool], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        check_closure(variables, q, kept)


def test_a_threshold_is_refused_with_the_way_out() -> None:
    with pytest.raises(PolicyError, match="smartbkg reweight"):
        check_closure({"x": [1.0, 2.0]}, [1.0, 0.0], [True, False])
    with pytest.raises(PolicyError, match="keep probability is 0"):
        check_closure({"x": [1.0, 2.0]}, [1.0, 0.0], [True, True])


def test_different_variables_are_refused() -> None:
    with pytest.raises(DatasetError, match="variables differ"):
        check_samples({"x": [1.0]}, {"y": [1.0]}, [1.0])


@pytest.mark.parametrize("significance", [0.0, 1.0, -0.1])
def test_a_significance_that_is_no_p_value_is_refused(significance: float) -> None:
    settings = ClosureSettings(n_replicas=100, n_coverage_seeds=0, significance=significance)
    with pytest.raises(UsageError, match="expected a p-value between 0 and 1"):
        Campaign(1, 2000).closure(settings)
