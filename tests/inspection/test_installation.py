"""The diagnosis: every declared requirement once, and a command for what is missing."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from smartbkg.inspection import installation
from smartbkg.inspection.installation import PURPOSE_BY_EXTRA, Finding, as_json_text, diagnose


def check(text: str, extra: str = "") -> Finding:
    return installation._check_requirement(extra, Requirement(text))


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


def test_the_diagnosis_is_json_and_needs_nothing_here() -> None:
    findings = diagnose()
    content = json.loads(as_json_text(findings))
    assert json.dumps(content).count('"subject"') == len(findings)
    assert [one.subject for one in findings if one.is_needed and not one.is_good] == []
    assert len({one.subject for one in findings}) == len(findings)
