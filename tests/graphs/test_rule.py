"""The rule of a decay graph: cuts are read as written, and what cannot be meant is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.errors import ModelError
from smartbkg.graphs.rule import GRAPH_RULE_VERSION, OPERATORS, SMART_BACKGROUND_RULE, Cut, GraphRule, parse_cut


@given(
    st.sampled_from(["x", "energy", "PDG"]), st.booleans(), st.sampled_from(OPERATORS),
    st.floats(-1e6, 1e6).filter(lambda number: "inf" not in repr(number)), st.sampled_from(["", " ", "  "]),
)  # fmt: skip
def test_a_cut_is_read_as_it_is_written(column: str, is_absolute: bool, operator: str, value: float, gap: str) -> None:
    name = f"abs({gap}{column}{gap})" if is_absolute else column
    assert parse_cut(f"{gap}{name}{gap}{operator}{gap}{value!r}{gap}") == Cut(column, is_absolute, operator, value)


@pytest.mark.parametrize("text", ["x", "x < ", "< 3", "x = 3", "x == 3", "abs x < 3", "x < y", "x < 3 and y < 2", ""])
def test_what_is_no_cut_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ModelError, match="expected for example 'abs"):
        parse_cut(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ("energi",)}, "did you mean 'energy'"),
        ({"cuts": ("abs(w) < 1",)}, "unknown particle column 'w' in 'abs\\(w\\) < 1'"),
        ({"features": ("x",), "relative_to_first": ("prodTime",)}, "'prodTime' is relative to the first particle"),
        ({"version": GRAPH_RULE_VERSION + 1}, "upgrade"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        GraphRule(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", [GraphRule(), SMART_BACKGROUND_RULE, replace(GraphRule(), cuts=())])
def test_a_rule_survives_json(rule: GraphRule) -> None:
    assert GraphRule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule


def test_a_key_of_a_newer_rule_is_not_read_as_an_older_one() -> None:
    with pytest.raises(ModelError, match="unknown key 'cutz': did you mean 'cuts'"):
        GraphRule.from_dict(GraphRule().to_dict() | {"cutz": []})


def test_the_two_rules_name_token_tables_that_are_there() -> None:
    assert len(GraphRule().tokens) > 100
    assert len(SMART_BACKGROUND_RULE.tokens) > 100
    assert SMART_BACKGROUND_RULE.tokens is not GraphRule().tokens
