"""One event's decay tree, in the terminal and as a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from io_events import write_mdst

from smartbkg.cli.show import command
from smartbkg.errors import EventError, UsageError
from smartbkg.inspection.drawing import DecayTree, find_event, influence, tree_svg

SVG = "{http://www.w3.org/2000/svg}"


def show(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def events(tmp_path: Path) -> Path:
    write_mdst(tmp_path / "m.root", [(1, 2, 3), (1, 2, 4)])
    return tmp_path / "m.root"


def test_the_picture_holds_every_particle_and_edge(events: Path, tmp_path: Path) -> None:
    show(events, "--event", 4, "--output", tmp_path / "t.svg")
    picture = ElementTree.parse(tmp_path / "t.svg").getroot()
    assert len(picture.findall(f".//{SVG}circle")) == 3
    assert len(picture.findall(f".//{SVG}path")) == 2
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts[1:] == ["Upsilon(4S)", "B+", "B-"]
    assert "event 4" in str(texts[0])


def test_the_terminal_shows_the_tree(events: Path) -> None:
    text = show(events)
    assert "event 3" in text
    assert "└── B-" in text


def test_colours_follow_what_matters() -> None:
    tree = DecayTree((0, 0, 1), ("a", "b<", "c"), np.ones(3), np.array([-1, 0, 0]), np.array([True, True, True]))
    picture = ElementTree.fromstring(tree_svg(tree, [0.0, 1.0, -0.5]))
    assert [circle.get("fill") for circle in picture.iter(f"{SVG}circle")] == ["#dedede", "#b2182b", "#c87b84"]
    words = [text.text or "" for text in picture.iter(f"{SVG}text")]
    assert words[1].startswith("colour: change of the network's answer")
    names = {text.text: text for text in picture.iter(f"{SVG}text")}
    assert names["b<"].get("paint-order") == "stroke"  # a line behind a name does not strike through it
    with pytest.raises(UsageError, match="one number per particle"):
        tree_svg(tree, [1.0])


def test_influence_is_the_change_when_a_particle_is_left_out(events: Path) -> None:
    event = find_event(events, 3)

    def energy_of_nodes(batch: object) -> np.ndarray:
        is_node = batch.particle["status"] & 16 == 0  # type: ignore[attr-defined]
        energy = np.where(is_node, batch.particle["energy"], 0)  # type: ignore[attr-defined]
        return np.add.reduceat(energy, batch.offsets[:-1])[:, None]  # type: ignore[attr-defined]

    np.testing.assert_allclose(influence(energy_of_nodes, event), event.particle["energy"], rtol=1e-6)


def test_mistakes_are_named(events: Path, tmp_path: Path) -> None:
    with pytest.raises(EventError, match="event 9: not in the file; its numbers are 3 to 4"):
        show(events, "--event", 9)
    with pytest.raises(UsageError, match=r"a drawing is written, expected a name that ends in \.svg"):
        show(events, "--output", tmp_path / "t.png")
