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
        array = ak.zip(content, depth_limit=1)  # uproot before 5.6.4 makes no RNTuple of a dict
        file.mkrntuple("events", array.layout.form)
        file["events"].extend(array)


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


def header_file(path: Path, members: dict[str, Any], **collections: dict[str, Any]) -> Path:
    """A TTree with the particles and the header collections given, each with one entry per event unless lists."""
    content: dict[str, Any] = {
        f"MCParticles.{name}": column for name, column in members.items() if name != "parents"
    } | {"_MCParticles_parents.index": members["parents"]}
    for collection, columns in collections.items():
        for name, values in columns.items():
            key = f"{collection}.{name}" if name else collection
            content[key] = values if isinstance(values, ak.Array) else ak.unflatten(ak.Array(values), 1)
    with uproot.recreate(path) as file:
        file.mktree("events", {key: value.type.content for key, value in content.items()})
        file["events"].extend(content)
    return path


def numbers(first: int = 1, weight: float = 1.0) -> dict[str, Any]:
    return {
        "eventNumber": np.arange(first, first + N_EVENTS, dtype=np.uint64),
        "runNumber": np.full(N_EVENTS, 5, dtype=np.uint32),
        "weight": np.full(N_EVENTS, weight),
    }


def test_the_event_header_is_the_one_of_that_name_whatever_else_is_there(
    tmp_path: Path, members: dict[str, Any]
) -> None:
    path = header_file(
        tmp_path / "e.root", members, AnotherHeader=numbers(900, 9.0), EventHeader=numbers(), Zeta=numbers(300)
    )
    with open_events(path) as reader:
        batch = next(iter(reader.batches()))
        assert reader.warnings == []
    assert batch.event["evtNum"].tolist() == list(range(1, N_EVENTS + 1))
    assert set(batch.event["weight"]) == {1.0}
    assert set(batch.event["run"]) == {5}


def test_headers_of_other_names_are_taken_in_the_order_of_the_file(tmp_path: Path, members: dict[str, Any]) -> None:
    path = header_file(tmp_path / "e.root", members, Zeta=numbers(300), Alpha=numbers(900))
    with open_events(path) as reader:
        assert next(iter(reader.batches())).event["evtNum"][0] == 300


@pytest.mark.parametrize(
    ("column", "number", "message"),
    [("eventNumber", 2**63 + 7, "evtNum of entry 3 is 9223372036854775815"), ("runNumber", 2**31, "run of entry 3 is")],
)
def test_a_number_that_does_not_fit_is_refused_and_never_wrapped(
    tmp_path: Path, members: dict[str, Any], column: str, number: int, message: str
) -> None:
    header = numbers()
    header[column][3] = number
    path = header_file(tmp_path / "e.root", members, EventHeader=header)
    with pytest.raises(FileFormatError, match=message), open_events(path) as reader:
        list(reader.batches())
    largest = numbers(2**63 - N_EVENTS)
    with open_events(header_file(tmp_path / "l.root", members, EventHeader=largest)) as reader:
        assert next(iter(reader.batches())).event["evtNum"][-1] == 2**63 - 1


@pytest.mark.parametrize("size", [1, 5, 100])
def test_numbers_that_are_all_0_become_positions_whatever_the_size_of_batches(
    tmp_path: Path, members: dict[str, Any], size: int
) -> None:
    header = numbers() | {"eventNumber": np.zeros(N_EVENTS, dtype=np.uint64)}
    with open_events(header_file(tmp_path / "e.root", members, EventHeader=header)) as reader:
        found = [int(number) for batch in reader.batches(size) for number in batch.event["evtNum"]]
        assert found == list(range(N_EVENTS))
        assert "numbered by their position" in reader.warnings[0]


def test_empty_headers_are_no_headers_and_a_missing_one_is_named(tmp_path: Path, members: dict[str, Any]) -> None:
    def listed(counts: list[int]) -> dict[str, Any]:
        flat = {name: values[: sum(counts)] for name, values in numbers().items()}
        return {name: ak.unflatten(ak.Array(values), counts) for name, values in flat.items()}

    with open_events(header_file(tmp_path / "e.root", members, EventHeader=listed([0] * N_EVENTS))) as reader:
        assert next(iter(reader.batches())).event["evtNum"].tolist() == list(range(N_EVENTS))
        assert "empty" in reader.warnings[0]
    some = [1] * N_EVENTS
    some[4] = 0
    path = header_file(tmp_path / "m.root", members, EventHeader=listed(some))
    with pytest.raises(FileFormatError, match="entry 4 has 0 event headers"), open_events(path) as reader:
        list(reader.batches())


def test_further_weights_of_the_header_are_columns(tmp_path: Path, members: dict[str, Any]) -> None:
    zero, two = np.zeros(N_EVENTS, dtype=np.uint32), np.full(N_EVENTS, 2, dtype=np.uint32)
    weights = ak.Array([[0.5, 10.0 + k] for k in range(N_EVENTS)])
    header = numbers(weight=0.25) | {"weights_begin": zero, "weights_end": two}
    path = header_file(tmp_path / "w.root", members, EventHeader=header, _EventHeader_weights={"": weights})
    with open_events(path) as reader:
        event = next(iter(reader.batches())).event
    assert [name for name in event if name.startswith("weight_")] == ["weight_nominal", "weight_0", "weight_1"]
    assert set(event["weight_nominal"]) == {0.25}
    assert event["weight_1"].tolist() == [10.0 + k for k in range(N_EVENTS)]


def test_names_of_weights_and_the_cross_section_are_read(tmp_path: Path, members: dict[str, Any]) -> None:
    """Parameters as podio's ``RNTupleWriter.cc`` writes them, members as EDM4hep's ``edm4hep.yaml`` has them."""
    write_ntuple(tmp_path / "plain.root", members, header=False)
    with uproot.open(tmp_path / "plain.root") as file:
        particles = {name: file["events"][name].array() for name in ("MCParticles", "_MCParticles_parents")}
    n = np.arange(N_EVENTS)
    header = {"eventNumber": n, "runNumber": n, "weight": 0.5 + n, "weights_begin": 0 * n, "weights_end": 0 * n + 2}
    parameters = {"crossSections_begin": 0 * n, "crossSections_end": 0 * n + 1}
    content = particles | {
        "EventHeader": ak.unflatten(ak.zip(header), 1),
        "_EventHeader_weights": ak.Array([[2.0 * k, 3.0 * k] for k in range(N_EVENTS)]),
        "GeneratorEventParameters": ak.unflatten(ak.zip(parameters), 1),
        "_GeneratorEventParameters_crossSections": ak.Array([[100.0 + k] for k in range(N_EVENTS)]),
        "_GeneratorEventParameters_crossSectionErrors": ak.Array([[0.5] for _ in range(N_EVENTS)]),
    }
    with uproot.recreate(tmp_path / "a.edm4hep.root") as file:
        array = ak.zip(content, depth_limit=1)  # uproot before 5.6.4 makes no RNTuple of a dict
        file.mkrntuple("events", array.layout.form)
        file["events"].extend(array)
        keys = {"GPStringKeys": ak.Array([["EventWeightNames"]]), "GPStringValues": ak.Array([[["up", "down"]]])}
        array = ak.zip(keys, depth_limit=1)
        file.mkrntuple("metadata", array.layout.form)
        file["metadata"].extend(array)
    with open_events(tmp_path / "a.edm4hep.root") as reader:
        batch = next(iter(reader.batches()))
        assert reader.cross_section == (100.0 + N_EVENTS - 1, 0.5)
    assert [name for name in batch.event if name.startswith("weight")] == [
        "weight", "weight_nominal", "weight_up", "weight_down",
    ]  # fmt: skip
    np.testing.assert_array_equal(batch.event["weight"], 0.5 + n)
    np.testing.assert_array_equal(batch.event["weight_down"], 3.0 * n)
