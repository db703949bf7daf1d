"""Configurations: what a user wrote comes back, and a mistake says where, what and the nearest valid key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.errors import UsageError
from smartbkg.storage.configuration import (
    Section,
    as_yaml,
    parse_assignments,
    parse_configuration,
    read_yaml,
    with_overrides,
)


class Inner(Section):
    """How it learns."""

    rate: float = 0.1
    """Size of a step."""
    names: tuple[str, ...] = ("a", "b")
    """Names of things."""


class Outer(Section):
    """All of it."""

    seed: int = 3
    """Where chance begins."""
    inner: Inner = Inner()
    """Of the inside."""
    limit: float | None = None
    """No more than this."""


@pytest.mark.parametrize("commented", [True, False])
def test_what_is_written_is_read_again(commented: bool) -> None:
    config = Outer(seed=5, inner=Inner(rate=2.5, names=("x",)))
    assert parse_configuration(Outer, yaml.safe_load(as_yaml(config, commented=commented)), "here") == config


def test_the_commented_form_explains_each_key_beside_it() -> None:
    text = as_yaml(Outer(), commented=True)
    assert text.startswith("# Where chance begins.\nseed: 3\n")
    assert "# How it learns.\ninner:\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("  rate:")]
    assert line.endswith("# Size of a step.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sed": 1}, "here: unknown key 'sed': did you mean 'seed'?"),
        ({"inner": {"rat": 1}}, "here: unknown key 'inner.rat': did you mean 'rate'?"),
        ({"seed": "many"}, "here: seed = 'many': "),
        ({"inner": {"names": "x"}}, r"inner.names = 'x': expected a list, as \[a, b\]"),
        ({"inner": {"rate": float("nan")}}, "inner.rate = nan: .*finite"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(content: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_configuration(Outer, content, "here")
    assert "\n" not in str(caught.value)


def test_values_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer().seed = 4  # type: ignore[misc]


def test_an_empty_file_is_an_empty_configuration_and_anything_but_a_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("")
    assert read_yaml(path) == {}
    for text, message in (("[1, 2]", "holds a list"), ("a: [", "no valid YAML"), ("a: 'x\n", "no valid YAML")):
        path.write_text(text)
        with pytest.raises(UsageError, match=message) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UsageError, match="cannot read"):
        read_yaml(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_yaml(tmp_path / "absent.yaml")


def test_overrides_reach_deep_and_leave_the_original_as_it_was() -> None:
    content = {"a": {"b": 1, "c": 2}, "d": 3}
    changed = with_overrides(content, {"a.b": 9, "e.f.g": 4})
    assert changed == {"a": {"b": 9, "c": 2}, "d": 3, "e": {"f": {"g": 4}}}
    assert content == {"a": {"b": 1, "c": 2}, "d": 3}
    with pytest.raises(UsageError, match=r"'d.x': 'd' is a value, not a section"):
        with_overrides(content, {"d.x": 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("5", 5), ("0.5", 0.5), ("true", True), ("[1, 2]", [1, 2]), ("one_cycle", "one_cycle"),
     ("", None), ("a=b", "a=b"), ("yes", True), ("'7'", "7")],
)  # fmt: skip
def test_values_of_assignments_are_yaml_with_numbers_as_everybody_writes_them(text: str, value: object) -> None:
    found = parse_assignments([f"x.y={text}"])
    assert found == {"x.y": value}
    assert type(found["x.y"]) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_as_that_number(number: float) -> None:
    assert parse_assignments([f"x={number!r}"])["x"] == number


@pytest.mark.parametrize("text", ["novalue", "=3", "a=[1, 2"])
def test_assignments_without_key_or_value_show_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match="--set "):
        parse_assignments([text])
