"""EDM4hep as TTree and as RNTuple: units, parents, headers, collections of any name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from smartbkg.errors import FileFormatError
from smartbkg.io import ReadOptions, open_events

N_EVENTS = 12


@pytest.fixture(scope="module")
def members(reference_data: Path) -> dict[str, Any]:
    with uproot.open(reference_data / "edm4hep" / "fcc_winter2023.root") as file:
        tree = file["events"]
        found = {
            name.split(".", 1)[1]: tree["Particle"][name].array(entry_stop=N_EVENTS)
            for name in list(tree["Particle"].keys())
        }
        found["parents"] = tree["Particle#0"]["Particle#0.index"].array(entry_stop=N_EVENTS)
    return found


def write_ntuple(
    path: Path, members: dict[str, Any], names: tuple[str, ...] = ("MCParticles",), header: bool = True
) -> None:
    """A file of podio 1 as an RNTuple."""
    flat = {name: column for name, column in members.items() if "." not in name and name != "parents"}
    for group in ("vertex", "momentum"):
        flat[group] = ak.zip({axis: members[f"{group}.{axis}"] for axis in "xyz"})
    content: dict[str, Any] = {}
    for name in names:
        content[name] = ak.zip(flat, depth_limit=2)
        content[f"_{name}_parents"] = ak.zip({"index": members["parents"], "collectionID": members["parents"]})
    if header:
        columns = {
            "eventNumber": np.arange(N_EVENTS) + 100,
            "runNumber": np.full(N_EVENTS, 7),
            "weight": np.full(N_EVENTS, 0.5),
        }
        content["EventHeader"] = ak.unflatten(ak.zip(columns), 1)
    with uproot.recreate(path) as file:
        file.mkrntuple("events", content)


def test_real_file_equals_uproot(reference_data: Path, members: dict[str, Any]) -> None:
    with open_events(reference_data / "edm4hep" / "fcc_winter2023.root") as reader:
        assert reader.n_events == 100
        assert reader.metadata["collection"] == "Particle"
        assert "no event header" in reader.warnings[0]
        batch = next(iter(reader.batches(N_EVENTS)))
    flat = {name: ak.to_numpy(ak.flatten(column)) for name, column in members.items() if name != "parents"}
    np.testing.assert_array_equal(batch.particle["PDG"], flat["PDG"])
    for axis in "xyz":
        np.testing.assert_allclose(batch.particle[f"p{axis}"], flat[f"momentum.{axis}"], rtol=1e-6)
        np.testing.assert_allclose(batch.particle[axis], 0.1 * flat[f"vertex.{axis}"], rtol=1e-6, atol=1e-12)
    energy = np.sqrt(flat["mass"] ** 2 + sum(flat[f"momentum.{axis}"].astype(float) ** 2 for axis in "xyz"))
    np.testing.assert_allclose(batch.particle["energy"], energy, rtol=1e-6)
    np.testing.assert_array_equal(batch.particle["charge"], flat["charge"])
    assert batch.event["evtNum"].tolist() == list(range(N_EVENTS))


def test_mothers_are_the_nearest_parents_that_are_particles(reference_data: Path, members: dict[str, Any]) -> None:
    with open_events(reference_data / "edm4hep" / "fcc_winter2023.root") as reader:
        batch = next(iter(reader.batches(N_EVENTS)))
    for index in range(N_EVENTS):
        here = slice(int(batch.offsets[index]), int(batch.offsets[index + 1]))
        mother, virtual = batch.particle["motherIndex"][here], batch.particle["status"][here] & 16 != 0
        first, last, parents = (members[name][index].tolist() for name in ("parents_begin", "parents_end", "parents"))
        for place in range(len(mother)):
            expected, at = -1, place
            while expected < 0 and first[at] < last[at]:
                its = parents[first[at] : last[at]]
                expected = next((p for p in its if virtual[place] or not virtual[p]), -1)
                at = its[0]
            assert mother[place] == expected


def test_ntuple_with_header_is_read_like_the_tree(
    tmp_path: Path, reference_data: Path, members: dict[str, Any]
) -> None:
    write_ntuple(tmp_path / "r.root", members)
    with open_events(tmp_path / "r.root") as reader:
        assert reader.warnings == []
        again = next(iter(reader.batches()))
    with open_events(reference_data / "edm4hep" / "fcc_winter2023.root") as reader:
        batch = next(iter(reader.batches(N_EVENTS)))
    for name, column in batch.particle.items():
        np.testing.assert_array_equal(again.particle[name], column)
    assert again.event_id(2) == (0, 7, 102)
    assert again.event["weight"].tolist() == [0.5] * N_EVENTS


def test_the_collection_is_chosen(tmp_path: Path, members: dict[str, Any]) -> None:
    write_ntuple(tmp_path / "one.root", members, ("Odd",))
    write_ntuple(tmp_path / "two.root", members, ("Odd", "Even"))
    with open_events(tmp_path / "one.root") as reader:
        assert reader.metadata["collection"] == "Odd"
    with open_events(tmp_path / "two.root", ReadOptions(collection="Even")) as reader:
        assert sum(map(len, reader.batches())) == N_EVENTS
    with pytest.raises(FileFormatError, match="several collections, choose one: Even, Odd"):
        open_events(tmp_path / "two.root")
    with pytest.raises(FileFormatError, match="no collection 'Evn': did you mean 'Even'"):
        open_events(tmp_path / "two.root", ReadOptions(collection="Evn"))
