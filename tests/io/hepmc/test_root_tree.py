"""HepMC3 in ROOT trees: the file of `make_hepmc3_tree.py`, written by ROOT with HepMC3's own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from official_hepmc import read_3_2, read_3_3, tree

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.io import ReadOptions, open_events
from smartbkg.io.convert import convert_events
from smartbkg.io.hepmc import root_tree

FILE = Path(__file__).parents[1] / "files" / "two_runs.hepmc3.tree.root"


def read(**options: Any) -> EventBatch:
    with open_events(FILE, ReadOptions(**options)) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def test_particles_weights_and_places_are_those_of_the_file() -> None:
    batch = read()
    assert batch.event["evtNum"].tolist() == [7, 8, 9]
    assert batch.event["weight"].tolist() == [1.5] * 3
    assert batch.event["weight_set up"].tolist() == [210.0, 240.0, 270.0]
    first = batch.select(np.array([0])).particle
    assert first["PDG"].tolist() == [11, 300553, 211, -211, 22]
    assert first["motherIndex"].tolist() == [-1, 0, 1, 1, -1]
    assert first["px"][2] == np.float32(1e-4)  # MeV in the file
    assert first["pz"][3] == np.float32(2e-3 / 7)
    assert first["mass"][1] == pytest.approx(np.sqrt(11.000125**2 - 3.00025**2), rel=1e-7)  # not set: from the momentum
    assert first["z"].tolist() == pytest.approx([0, 0, 0.3, 0.3, 0], rel=1e-7)  # cm in the file
    assert batch.select(np.array([1])).particle["z"][0] == np.float32(0.5)  # the event's position


def test_the_file_says_its_number_of_events_and_its_cross_section() -> None:
    with open_events(FILE) as reader:
        assert reader.n_events == 3
        assert reader.metadata["weights"] == ["nominal", "set up"]
        list(reader.batches())
        assert reader.cross_section == (12.5, 0.25)


def test_the_official_reader_finds_the_same_in_our_text(tmp_path: Path) -> None:
    """`ReaderuprootTree` of HepMC3's bindings, which takes the event's position for 0 in this file."""
    output = tmp_path / "o.hepmc3"
    convert_events([FILE], output)
    expected, found, found_3_2 = read_3_3(FILE, "root"), read_3_3(output), read_3_2(output)
    assert len(expected) == len(found) == len(found_3_2) == 3
    for one, other, third in zip(expected, found, found_3_2, strict=True):
        for name in ("number", "units", "weights"):
            assert one[name] == other[name] == third[name]
        assert {name: text for name, text in other["attributes"].items() if "smartbkg" not in name} == one["attributes"]
        assert other["run"]["seed"] == one["run"]["seed"]
    assert tree(expected[0]) == tree(found[0])
    assert tree(expected[2]) == tree(found[2])
    for one, third in zip(expected, found_3_2, strict=True):
        assert tree(one, has_places=False) == tree(third, has_places=False)


def test_a_run_that_changes_begins_a_listing(tmp_path: Path) -> None:
    output = tmp_path / "o.hepmc3"
    convert_events([FILE], output)
    assert [event["run"]["seed"] for event in read_3_3(output)] == ["11", "11", "22"]
    assert output.read_text().count("START_EVENT_LISTING") == 2


@pytest.mark.parametrize("size", [1, 2, 100])
def test_events_are_the_same_whatever_the_size_of_batches(size: int) -> None:
    with open_events(FILE) as reader:
        found = EventBatch.concatenate(list(reader.batches(size)))
        again = EventBatch.concatenate(list(reader.batches(size)))
    for name, column in read().particle.items():
        assert np.array_equal(column, found.particle[name])
        assert np.array_equal(column, again.particle[name])


def test_a_link_to_nothing_is_named_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = root_tree._Entries._of_event

    def damaged(entries: Any, name: str, start: int, stop: int) -> Any:
        array = whole(entries, name, start, stop)
        if name == "links2" and start <= 1 < stop:
            import awkward as ak

            rows = array.to_list()
            rows[1 - start][1] = 99
            return ak.Array(rows)
        return array

    monkeypatch.setattr(root_tree._Entries, "_of_event", damaged)
    with pytest.raises(FileFormatError, match="a link of entry 1 is to a particle or vertex that is not in the event"):
        read()
    with open_events(FILE, ReadOptions(skip_corrupt=True)) as reader:
        assert [int(n) for batch in reader.batches() for n in batch.event["evtNum"]] == [7, 9]
        assert len(reader.skipped) == 1


def test_a_truncated_file_is_an_error_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "short.hepmc3.tree.root"
    path.write_bytes(FILE.read_bytes()[:8000])
    with pytest.raises(FileFormatError, match=r"short\.hepmc3\.tree\.root") as error, open_events(path) as reader:
        list(reader.batches())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", sorted(FILE.parent.glob("*.root")), ids=lambda path: path.name)
def test_a_file_of_the_tests_knows_no_folder_of_the_machine_that_made_it(path: Path) -> None:
    content = path.read_bytes()
    assert not [folder for folder in (b"/tmp/", b"/home/", b"/root/", b"/work/") if folder in content]
