"""The gallery and the pages of tutorials show pictures that exist, of every result that draws itself."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest
from command_tree import verbs

from smartbkg.verbs import results

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", ["gallery.md", "tutorials/belle2.md", "tutorials/hepmc.md", "tutorials/python.md"])
def test_every_picture_of_the_page_is_there(page):
    pictures = PICTURE.findall((DOCS / page).read_text())
    assert pictures
    for picture in pictures:
        path = (DOCS / page).parent / picture
        assert path.is_file(), picture
        assert path.stat().st_size > 2000, picture


def test_every_result_that_draws_itself_is_in_the_gallery():
    drawn = [
        name
        for name, result in inspect.getmembers(results, inspect.isclass)
        if issubclass(result, results.Result) and hasattr(result, "plot")
    ]
    text = (DOCS / "gallery.md").read_text()
    titles = {"Planned": "Plan", "Dataset": "Data set"}
    assert [name for name in drawn if f"![{titles.get(name, name)}](" not in text] == []


def test_commands_of_the_how_to_page_have_the_options_that_they_use():
    known = dict(verbs())
    commands = re.findall(r"`(smartbkg [^`]+)`", (DOCS / "how-to.md").read_text())
    assert len(commands) > 10
    for command in commands:
        for part in command.replace("\\|", "|").split(" | "):
            words = shlex.split(part.strip())
            if words[0] != "smartbkg":
                continue
            verb = known[words[1]]
            assert isinstance(verb, click.Command)
            names = {option for parameter in verb.params for option in parameter.opts}
            used = [word for word in words[2:] if word.startswith("-") and word != "-"]
            assert [option for option in used if option not in names] == [], command
