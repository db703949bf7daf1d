"""Threshold, reweighted threshold and sampling side by side: who is biased, and what each costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filtered_sample import make_chain

from smartbkg.closure.reweighting_report import ReweightingReport, apply_reweighter, compare_modes, reweight_files
from smartbkg.errors import DatasetError
from smartbkg.events.columns import EVENT_ID
from smartbkg.io.tables import read_table, write_table
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.reweighting import ReweighterSettings
from smartbkg.storage.provenance import record

SMALL = ReweighterSettings(n_trees=10)


@pytest.fixture(scope="module")
def report() -> ReweightingReport:
    random = np.random.default_rng(0)
    n = 8000
    score = random.beta(0.5, 6, n)
    passes = random.random(n) < score
    variables = {"x": score + 0.05 * random.normal(size=n), "noise": random.normal(size=n)}
    return compare_modes(variables, score, passes, 0.1, costs=Costs(0.1, 0.5, 100.0), settings=SMALL)


def test_a_threshold_loses_yield_and_shifts_what_depends_on_the_score(report: ReweightingReport) -> None:
    threshold, reweighted, sampling = report.modes
    assert [mode.mode for mode in report.modes] == ["threshold", "threshold, reweighted", "sampling, optimal"]
    assert threshold.yield_bias < -0.1
    assert threshold.mean_bias > 0.1
    assert abs(sampling.yield_bias) < 5 / np.sqrt(sampling.effective)
    assert sampling.mean_bias < threshold.mean_bias
    assert abs(reweighted.yield_bias) < abs(threshold.yield_bias)


def test_threshold_and_reweighted_simulate_the_same_events(report: ReweightingReport) -> None:
    threshold, reweighted, _ = report.modes
    assert threshold.simulated_fraction == reweighted.simulated_fraction
    assert threshold.largest_weight == 1.0
    assert reweighted.effective <= threshold.effective, "unequal weights cost effective events"


def test_the_warning_names_what_is_lost_for_ever(report: ReweightingReport) -> None:
    lost = report.trained.metrics.lost_fraction
    assert 0 < lost < 1
    assert f"loses {lost:.1%} of the passing events" in report.warning
    assert "prefer sampling" in report.warning


def test_without_a_passing_event_there_is_nothing_to_compare() -> None:
    with pytest.raises(DatasetError, match="none of 3 events passes"):
        compare_modes({"x": np.zeros(3)}, np.full(3, 0.5), np.zeros(3, dtype=bool), 0.5)


def test_files_are_joined_by_event_and_weights_written_for_each_kept_event(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "chain", 4000)
    report = reweight_files(chain.flags, chain.scores, 0.06, "first", ("Mbc", "R2"))
    assert report.modes[0].simulated_fraction == pytest.approx((read_table(chain.scores)["score"] >= 0.06).mean())
    flags = read_table(chain.flags)
    rows = np.flatnonzero(flags["passes_first"])[:40]
    source = tmp_path / "passed.parquet"
    columns = {name: flags[name][rows] for name in (*EVENT_ID, "Mbc", "R2")} | {"weight": np.full(len(rows), 2.0)}
    write_table(source, columns, record("flags", 1, {}))
    assert apply_reweighter(report.trained.reweighter, source, tmp_path / "weights.parquet") == len(rows)
    written = read_table(tmp_path / "weights.parquet")
    factors = report.trained.reweighter.factors({name: columns[name] for name in ("Mbc", "R2")})
    np.testing.assert_allclose(written["weight"], 2 * factors)
    np.testing.assert_array_equal(written["evtNum"], columns["evtNum"])
