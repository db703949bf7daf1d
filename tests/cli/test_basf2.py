from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from smartbkg.b2modules.environment import check_environment, shim_folder
from smartbkg.cli.basf2 import command

DOUBLE = Path(__file__).resolve().parents[1] / "b2modules" / "basf2_double"


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name in ("basf2", "smartBKG") or name.startswith("smartBKG.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delenv("BELLE2_RELEASE", raising=False)


def test_path_is_the_folder_that_holds_upstreams_package() -> None:
    folder = Path(CliRunner().invoke(command, ["path"]).output.strip())
    assert (folder / "smartBKG" / "b2modules" / "NN_filter_module.py").is_file()


def test_check_without_basf2_says_what_to_do() -> None:
    result = CliRunner().invoke(command, ["check"])
    assert result.exit_code == 1
    assert "works without it" in result.output
    assert "b2setup" in result.output
    assert "finds nothing" in result.output


def test_check_says_which_package_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(DOUBLE)
    (tmp_path / "release" / "smartBKG").mkdir(parents=True)
    (tmp_path / "release" / "smartBKG" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "release")
    result = CliRunner().invoke(command, ["check"])
    assert "basf2's own" in result.output
    assert f'export PYTHONPATH="{shim_folder()}:$PYTHONPATH"' in result.output
    monkeypatch.syspath_prepend(shim_folder())
    result = CliRunner().invoke(command, ["check"])
    assert (result.exit_code, "to do" in result.output) == (0, False)


def test_release_that_another_python_sees_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLE2_RELEASE", "release-10-00-00")
    assert "does not see it" in CliRunner().invoke(command, ["check"]).output


def test_libraries_that_smartbkg_needs_and_the_release_has_not_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip3 install --no-deps smartbkg` brings none of them along."""
    declared = ["numpy>=1.26.4", "nowhere-found>=1.0", "click>=99.1", "of-old-pythons>=1; python_version < '3.0'",
                "of-an-extra>=2; extra == 'basf2'"]  # fmt: skip
    monkeypatch.setattr("importlib.metadata.requires", lambda name: declared)
    finding = {finding.subject: finding for finding in check_environment()}["what smartbkg needs"]
    assert not finding.is_good
    assert finding.detail.startswith("nowhere-found: not installed; click: ")
    assert finding.detail.endswith("expected >=99.1")
    assert finding.remedy.startswith("pip install 'nowhere-found>=1.0'; pip install 'click>=99.1' (and look below")


def test_libraries_of_this_environment_are_enough() -> None:
    finding = {finding.subject: finding for finding in check_environment()}["what smartbkg needs"]
    assert (finding.is_good, finding.detail) == (True, "all there")
