"""Figures in files: the suffix chooses the format, and a refusal leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartbkg.errors import UsageError
from smartbkg.plots.curves import new_figure
from smartbkg.plots.files import SUFFIXES, save_figure

HEAD = {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_suffix_gives_its_format(tmp_path: Path, suffix: str) -> None:
    save_figure(new_figure()[0], tmp_path / f"plot{suffix}")
    assert (tmp_path / f"plot{suffix}").read_bytes().startswith(HEAD[suffix])


def test_other_suffixes_name_the_nearest_and_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot draw as '\.pgn': did you mean '\.png'"):
        save_figure(new_figure()[0], tmp_path / "plot.pgn")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_figure_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    written = []
    for name in ("one", "two"):
        figure, axes = new_figure()
        axes.plot([1, 2, 4], label="points")
        axes.legend()
        save_figure(figure, tmp_path / f"{name}{suffix}")
        written.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert written[0] == written[1]
    assert b"CreationDate" not in written[0]
    assert b"dc:date" not in written[0]
