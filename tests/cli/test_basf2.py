from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from smartbkg.b2modules.environment import shim_folder
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
