"""The names that users import do not change by accident, and importing the package costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import smartbkg


def test_public_names_are_these():
    assert smartbkg.__all__ == [
        "__version__", "EventBatch", "EventFilter", "GraphRule", "SkimClassifier", "SmartBKGError", "create_events",
        "dataset", "evaluate", "filter", "flag", "generate", "load_model", "merge", "open_events", "parse_policy",
        "plan", "policy_from_dict", "score", "simulate", "train", "validate",
    ]  # fmt: skip
    assert dir(smartbkg) == [
        "SkimClassifier", "__version__", "dataset", "evaluate", "filter", "flag", "generate", "load_model", "merge",
        "open_events", "plan", "score", "simulate", "train", "validate",
    ]  # fmt: skip
    for name in smartbkg.__all__:
        assert getattr(smartbkg, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'filtre'"):
        _ = smartbkg.filtre


def test_importing_the_package_or_its_hot_path_needs_no_torch():
    names = ("load_model", "EventFilter", "open_events", "filter", "train", "generate")
    program = "import sys, smartbkg; " + "".join(f"smartbkg.{name}; " for name in names)
    subprocess.run([sys.executable, "-c", program + "assert 'torch' not in sys.modules"], check=True)
