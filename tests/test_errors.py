"""Errors name what, where and the nearest valid choice, and exit with the right code."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg import errors
from smartbkg.errors import EventError, MissingDependencyError, SmartBKGError, UsageError, nearest


def test_every_error_of_this_package_is_one_that_the_command_line_prints() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert len(kinds) >= 10
    assert all(issubclass(kind, SmartBKGError) for kind in kinds)
    assert {kind.exit_code for kind in kinds if kind is not UsageError} == {1}
    assert UsageError.exit_code == 2


@pytest.mark.parametrize(
    ("source", "event", "text"),
    [
        ("", None, "broken"),
        ("a.root", None, "a.root: broken"),
        ("", (1, 2, 3), "event (1, 2, 3): broken"),
        ("a.root", 0, "a.root: event 0: broken"),
    ],
)
def test_an_event_error_says_where_it_was_as_far_as_it_knows(source: str, event: object, text: str) -> None:
    error = EventError("broken", source=source, event=event)
    assert str(error) == text
    assert (error.source, error.event) == (source, event)


def test_one_missing_library_or_several_name_each_extra_once() -> None:
    one = str(MissingDependencyError("torch", "train", "training"))
    assert one == "training needs torch, which is not installed: pip install 'smartbkg[train]'"
    two = str(MissingDependencyError(["onnx", "onnxruntime"], ["onnx", "train"], "export"))
    assert two == "export needs onnx and onnxruntime, which are not installed: pip install 'smartbkg[onnx,train]'"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6))
def test_a_valid_name_is_its_own_nearest(names: list[str]) -> None:
    assert nearest(names[0], names).startswith(f"did you mean '{names[0]}'? valid: ")


def test_nothing_close_lists_all_in_order_and_nothing_at_all_says_none() -> None:
    assert nearest("zzz", ["mixed", "charged"]) == "valid: charged, mixed"
    assert nearest("a", []) == "valid: (none)"
