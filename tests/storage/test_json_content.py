"""JSON from files."""

from __future__ import annotations

import pytest

from smartbkg.storage.json_content import from_json


def test_json_that_is_nested_without_end_is_an_ordinary_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        from_json("[" * 1_000_000)


def test_what_is_no_json_is_a_value_error_and_the_rest_is_its_content() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        from_json("{")
    assert from_json(b'{"a": [1, null]}') == {"a": [1, None]}
