"""Totals of samples: exact sums, cross-sections, and the record in files."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events.totals import Totals, exact_sum, sidecar_of

DOUBLES = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150)


@settings(max_examples=60, deadline=None)
@given(st.lists(DOUBLES, max_size=40))
def test_a_sum_is_exact_whatever_the_sizes_of_the_numbers(values: list[float]) -> None:
    assert exact_sum(values) == sum((Fraction(value) for value in values), Fraction(0))


@settings(max_examples=40, deadline=None)
@given(st.lists(DOUBLES, min_size=1, max_size=40), st.integers(min_value=0, max_value=40))
def test_totals_of_parts_add_up_to_those_of_the_whole(weights: list[float], cut: int) -> None:
    kept = [2 * weight for weight in weights[::3]]
    parts = Totals.of(weights[:cut], kept) + Totals.of(weights[cut:], [])
    assert parts == Totals.of(weights, kept)
    assert Totals.of(weights[cut:], []) + Totals.of(weights[:cut], kept) == parts


@settings(max_examples=40, deadline=None)
@given(st.lists(DOUBLES, max_size=20))
def test_totals_come_back_from_json_to_the_last_bit(weights: list[float]) -> None:
    totals = Totals.of(weights, weights[:3]).with_cross_section(41.7, 0.3)
    assert Totals.from_dict(json.loads(json.dumps(totals.to_dict()))) == totals


def test_small_weights_beside_large_ones_are_not_lost() -> None:
    values = np.array([1e16, 1.0, -1e16])
    assert float(exact_sum(values)) == 1.0 == math.fsum(values)


def test_cross_sections_are_weighted_by_their_events() -> None:
    first = Totals.of(np.ones(100), []).with_cross_section(10.0, 1.0)
    second = Totals.of(np.ones(300), []).with_cross_section(14.0, 0.5)
    silent = Totals.of(np.ones(5), [])
    both = first + second + silent
    assert both.cross_section == 13.0
    assert both.cross_section_error == pytest.approx(math.sqrt(100**2 + 150**2) / 400)
    assert silent.cross_section is None
    assert silent.cross_section_error is None


def test_an_empty_sample_has_totals_and_no_efficiency() -> None:
    empty = Totals.of([], [])
    assert empty == Totals()
    assert empty.filter_efficiency is None
    assert Totals.of([1.0, 1.0], [4.0]).filter_efficiency == 0.5


def test_a_sidecar_is_written_beside_the_output(tmp_path: Path) -> None:
    path = sidecar_of(tmp_path / "kept.hepmc3")
    assert path.name == "kept.hepmc3.totals.json"
    Totals.of([0.1, 0.2], [0.7]).write(path)
    assert Totals.read(path) == Totals.of([0.1, 0.2], [0.7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "kept"}, "kind is 'kept'"),
        ({"schema_version": 2}, "schema 2"),
        ({"sum_weight": 4.0}, "sum_weight is 4.0, and exactly 1.0"),
        ({"n_events": None}, "cannot be read"),
        ({"exact": {}}, "cannot be read"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(Totals.of([1.0], []).to_dict() | change))
    with pytest.raises(FileFormatError, match=message):
        Totals.read(path)


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_file_that_holds_no_record_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"a\.json"):
        Totals.read(path)
    with pytest.raises(FileFormatError, match="cannot read"):
        Totals.read(tmp_path / "missing.json")


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UsageError, match="nan"):
        exact_sum([1.0, float("nan")])
