"""The libraries that the package declares: a command for what is missing, whatever is old or cannot be imported."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from smartbkg.inspection.libraries import (
    PURPOSE_BY_EXTRA,
    Finding,
    check_library,
    declared_libraries,
    needed_libraries,
)


def check(text: str, extra: str = "") -> Finding:
    return check_library(extra, Requirement(text))


def test_what_is_installed_in_a_fitting_version_is_good() -> None:
    found = check("numpy>=1.20")
    assert found.is_good
    assert found.detail == metadata.version("numpy")
    assert found.remedy == ""


@pytest.mark.parametrize(
    ("text", "extra", "detail", "remedy"),
    [
        ("numpy>=999", "", "expected >=999", "pip install 'numpy>=999'"),
        ("no-such-distribution", "train", "not installed", "pip install 'smartbkg[train]'"),
    ],
)
def test_what_is_missing_or_old_names_the_command(text: str, extra: str, detail: str, remedy: str) -> None:
    found = check(text, extra)
    assert not found.is_good
    assert found.is_needed is (extra == "")
    assert detail in found.detail
    assert found.remedy == remedy
    assert PURPOSE_BY_EXTRA[extra] in found.subject


def test_a_distribution_that_cannot_be_imported_is_not_called_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "cannot be imported" in check("numpy").detail


def test_names_that_differ_from_their_module_are_known() -> None:
    for text in ("PyYAML", "scikit-learn"):
        assert check(text).is_good, check(text).detail


def test_every_extra_of_the_project_has_a_purpose_in_words() -> None:
    extras = set(metadata.metadata("smartbkg").get_all("Provides-Extra") or [])
    assert extras - set(PURPOSE_BY_EXTRA) <= {"all"}


def test_what_the_package_needs_is_what_no_extra_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["numpy>=1.20", "old>=1; python_version < '3.0'", "torch>=2; extra == 'train'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: declared)
    assert [finding.subject for finding in needed_libraries()] == ["numpy (the package itself)"]


def test_a_package_that_only_lies_on_the_path_declares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", absent)
    assert declared_libraries() == []
