"""The names that users import do not change by accident, and importing the package costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import smartbkg


def test_public_names_are_these():
    assert smartbkg.__all__ == [
        "EventBatch", "EventFilter", "GraphRule", "SmartBKGError", "__version__", "create_events", "load_scorer",
        "open_events", "parse_policy", "policy_from_dict",
    ]  # fmt: skip
    assert dir(smartbkg) == sorted(smartbkg.__all__)
    for name in smartbkg.__all__:
        assert getattr(smartbkg, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'filter'"):
        _ = smartbkg.filter


def test_importing_the_package_or_its_hot_path_needs_no_torch():
    program = "import sys, smartbkg; smartbkg.load_scorer; smartbkg.EventFilter; smartbkg.open_events; "
    subprocess.run([sys.executable, "-c", program + "assert 'torch' not in sys.modules"], check=True)
