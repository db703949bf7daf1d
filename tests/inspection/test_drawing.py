"""Decay trees as text and picture: every particle once, safe names, and what matters to a network."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from synthetic import random_events
from training.toys import write_events

from smartbkg.errors import EventError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.inspection.drawing import (
    DecayTree,
    draw_event,
    find_event,
    influence,
    particle_name,
    tree_svg,
    tree_text,
)

BATCH = random_events(6, seed=2, first_event=10)


def text_of(tree: DecayTree, **options: int) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(tree_text(tree, **options))
    return console.export_text()


def test_a_tree_holds_each_particle_at_its_mother() -> None:
    tree = DecayTree.of(BATCH, 3)
    n = int(BATCH.counts[3])
    assert tree.event == BATCH.event_id(3)
    assert len(tree.names) == n
    assert sorted(place for group in tree.children() for place in group) == list(range(n))


def test_mothers_by_number_that_are_no_positions_are_found_and_circles_of_one_are_roots() -> None:
    particle = {**BATCH.particle, "arrayIndex": BATCH.particle["arrayIndex"] + 100}
    particle["motherIndex"] = np.where(BATCH.particle["motherIndex"] < 0, -1, BATCH.particle["motherIndex"] + 100)
    moved = EventBatch(BATCH.offsets, BATCH.event, particle)
    np.testing.assert_array_equal(DecayTree.of(moved, 2).mother, DecayTree.of(BATCH, 2).mother)
    own = {**BATCH.particle, "motherIndex": BATCH.particle["arrayIndex"]}
    assert (DecayTree.of(EventBatch(BATCH.offsets, BATCH.event, own), 2).mother == -1).all()


def test_text_shows_all_particles_or_says_how_many_are_left() -> None:
    index = int(BATCH.counts.argmax())
    tree = DecayTree.of(BATCH, index)
    n = len(tree.names)
    lines = text_of(tree).strip().splitlines()
    assert len(lines) == n + 1
    assert f"... and {n - 3} more" in text_of(tree, largest=3)


def test_a_picture_has_a_circle_per_particle_and_escapes_its_title() -> None:
    tree = DecayTree.of(BATCH, 3)
    picture = tree_svg(tree, title="<a&b>")
    assert picture.count("<circle") == len(tree.names)
    assert picture.count("<path") == int((tree.mother >= 0).sum())
    assert "&lt;a&amp;b&gt;" in picture
    with pytest.raises(UsageError, match=r"highlight of shape \(2,\), expected"):
        tree_svg(tree, np.ones(2))


def test_the_particle_that_matters_most_is_red_and_the_least_grey() -> None:
    tree = DecayTree.of(BATCH, int(BATCH.counts.argmax()))
    share = np.zeros(len(tree.names))
    share[1] = 3.0
    colours = re.findall(r'fill="(#[0-9a-f]{6})" stroke="#444"', tree_svg(tree, share))
    assert colours[1] == "#b2182b"
    assert set(colours) == {"#b2182b", "#dedede"}


def test_influence_is_the_change_without_the_particle() -> None:
    event = BATCH.select(np.array([int(BATCH.counts.argmax())]))

    def logits(batch: EventBatch) -> np.ndarray:
        energy = np.where(batch.particle["status"] & ParticleStatus.VIRTUAL, 0.0, batch.particle["energy"])
        total = np.bincount(batch.event_index, weights=energy, minlength=len(batch))
        return np.stack([total, -2 * total], axis=1).astype(np.float32)

    np.testing.assert_allclose(influence(logits, event), 2 * event.particle["energy"], rtol=1e-4, atol=1e-4)


def test_an_event_is_found_by_its_number_or_the_numbers_are_named(tmp_path: Path) -> None:
    path = write_events(tmp_path / "e.parquet", BATCH)
    assert find_event(path, 13, batch_size=2).event["evtNum"].tolist() == [13]
    assert find_event(path).event["evtNum"].tolist() == [10]
    with pytest.raises(EventError, match="not in the file; its numbers are 10 to 15"):
        find_event(path, 99, batch_size=2)
    draw_event(path, tmp_path / "e.svg", 13)
    assert "event 13" in (tmp_path / "e.svg").read_text()
    with pytest.raises(UsageError, match=r"cannot draw '\.png', valid: \.svg"):
        draw_event(path, tmp_path / "e.png", 13)


def test_names_are_those_of_the_particle_data_group_and_strangers_keep_their_code() -> None:
    assert particle_name(-421) == "D~0"
    assert particle_name(99) == "99"
