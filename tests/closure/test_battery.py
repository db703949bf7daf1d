"""The tests of a closure check are known by their names, whatever their order and number."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.closure.battery import CHI2, KL, KS, PAIR, TOTAL, Battery, StatisticName
from smartbkg.closure.deviations import Deviations, fine_binning, histogram_binning, pair_binning


def battery(*, is_shape_only: bool) -> tuple[Battery, Deviations]:
    random = np.random.default_rng(2)
    values = {name: random.normal(size=400) for name in ("x", "y")}
    weight, q = np.ones(400), np.full(400, 0.5)
    kept = random.random(400) < q
    deviations = Deviations.of_part(weight, kept) if is_shape_only else Deviations.of_draw(weight, q, kept, weight / q)
    coarse = [histogram_binning(name, column, deviations, 8) for name, column in values.items()]
    fine = [fine_binning(name, column, deviations) for name, column in values.items()]
    cells = [pair_binning(("x", "y"), (values["x"], values["y"]), deviations, 3)]
    return Battery(coarse, fine, cells, deviations), deviations


@pytest.mark.parametrize("is_shape_only", [False, True])
def test_each_row_of_the_statistics_has_a_name_of_its_own(is_shape_only: bool) -> None:
    tests, deviations = battery(is_shape_only=is_shape_only)
    rows = tests.statistics(deviations.observed[:, None])
    assert len(rows) == len(tests.names) == len(set(tests.names))
    assert len(set(map(str, tests.names))) == len(tests.names), "names in reports differ as well"
    assert (tests.total is None) == is_shape_only
    if tests.total is not None:
        assert rows[tests.total, 0] == pytest.approx(abs(deviations.observed.sum()))


def test_results_are_those_of_the_rows_of_their_names() -> None:
    tests, deviations = battery(is_shape_only=False)
    observed = tests.statistics(deviations.observed[:, None])[:, 0]
    replicas = np.concatenate([tests.statistics(block) for block in deviations.replicas(20, 1)], axis=1)
    found = tests.results(observed, replicas, np.linspace(0, 1, len(observed)))
    for row, name in enumerate(tests.names):
        assert found[name].value == observed[row]
        assert found[name].expected == pytest.approx(replicas[row].mean())
    binned = deviations.binned(tests._coarse[1], deviations.observed[:, None])
    assert found[StatisticName(CHI2, "y")].value == pytest.approx(tests._coarse[1].chi2(binned)[0])


def test_the_divergence_is_reported_and_does_not_count_twice() -> None:
    tests, _ = battery(is_shape_only=False)
    silent = {name for name, counts in zip(tests.names, tests.counts_in_verdict, strict=True) if not counts}
    assert silent == {StatisticName(KL, "x"), StatisticName(KL, "y")}


def test_names_read_as_a_sentence() -> None:
    shown = [str(StatisticName(kind, "x")) for kind in (CHI2, KS, KL, TOTAL)]
    assert shown == ["χ² of x", "KS of x", "KL of x", "total"]
    assert str(StatisticName(PAIR, "x × y")) == "χ² of x × y"
