"""A missing optional library becomes the error that names its extra; every other import error stays what it is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from smartbkg.errors import MissingDependencyError
from smartbkg.optional import LIBRARIES, missing_library, needed_for, require

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def test_each_library_is_in_each_extra_that_is_said_to_bring_it() -> None:
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    for library in LIBRARIES.values():
        for extra in library.extras:
            names = {text.split(">")[0].split("[")[0].split("=")[0].split(";")[0].strip().lower().replace("_", "-")
                     for text in extras[extra]}  # fmt: skip
            assert library.name.lower().replace("_", "-") in names, f"{library.name} is not in [{extra}]"


@pytest.mark.parametrize(
    ("name", "extra", "wanted"),
    [("torch", None, "train"), ("sklearn.metrics", None, "train"), ("sklearn", "report", "report"),
     ("torch.nn", "report", "train")],  # an extra that does not bring it is not named
)  # fmt: skip
def test_the_error_names_project_and_extra(name: str, extra: str | None, wanted: str) -> None:
    found = missing_library(ModuleNotFoundError(name=name), "this", extra)
    assert isinstance(found, MissingDependencyError)
    assert str(found).endswith(f"pip install 'smartbkg[{wanted}]'")


def test_a_missing_module_that_no_extra_brings_is_not_explained_away() -> None:
    assert missing_library(ImportError("no name"), "this") is None
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), needed_for("this"):
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401


def test_within_needed_for_a_missing_library_is_told_and_other_errors_pass() -> None:
    with pytest.raises(MissingDependencyError, match="drawing needs matplotlib"), needed_for("drawing"):
        raise ModuleNotFoundError(name="matplotlib.figure")
    with pytest.raises(ValueError, match="other"), needed_for("drawing"):
        raise ValueError("other")


def test_all_missing_libraries_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(name: str) -> None:
        if name in ("jinja2", "sklearn"):
            raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("importlib.import_module", importing)
    require(("torch",), "nothing")
    with pytest.raises(MissingDependencyError, match=r"a report needs jinja2 and scikit-learn.*\[report\]"):
        require(("torch", "jinja2", "sklearn"), "a report", "report")
    with pytest.raises(MissingDependencyError, match=r"\[report,train\]"):
        require(("jinja2", "sklearn"), "a report")


def test_a_library_that_is_broken_inside_is_no_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(name: str) -> None:
        raise ModuleNotFoundError(name="its_own_dependency")

    monkeypatch.setattr("importlib.import_module", importing)
    with pytest.raises(ModuleNotFoundError):
        require(("torch",), "training")
