"""EDM4hep that is written again: every collection, relation and parameter as it was, and another header.

`whole.edm4hep.root` was made by ROOT in podio's layout: see `make_edm4hep_tree.py` beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from synthetic import random_events

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.io import ReadOptions, create_events, open_events, reading_for
from smartbkg.io.convert import convert_events
from smartbkg.io.edm4hep.frames import Frames, pieces
from smartbkg.storage.provenance import record

WHOLE = Path(__file__).parents[1] / "files" / "whole.edm4hep.root"
N_EVENTS = 7
KEPT = np.array([True, False, False, True, True, False, True])


def content(path: Path) -> dict[str, Any]:
    """What uproot reads by itself: members of the collections by their dotted names, as lists."""
    with uproot.open(path) as file:
        tree = file["events"]
        found: dict[str, Any] = {}
        for name in ("EventHeader", "GeneratorEventParameters", "MCParticles", "Tracks", "_Tracks_trackStates"):
            if "RNTuple" in tree.classname:
                _members(found, name, tree[name].array())
            else:
                found |= {
                    str(one.name).split("[")[0]: one.array().to_list() for one in tree[name].branches
                }  # fmt: skip
        for name in ("_MCParticles_parents", "_MCParticles_daughters", "Signal_objIdx"):
            for member in ("index", "collectionID"):
                array = tree[name].array()[member] if "RNTuple" in tree.classname else tree[f"{name}.{member}"].array()
                found[f"{name}.{member}"] = array.to_list()
        for name in ("_EventHeader_weights", "_GeneratorEventParameters_crossSections"):
            found[name] = tree[name].array().to_list()
        for label in ("Int", "Float", "Double", "String"):
            found[label] = [tree[f"GP{label}{part}"].array().to_list() for part in ("Keys", "Values")]
        return found


def _members(found: dict[str, Any], name: str, array: Any) -> None:
    for field in array.fields:
        if array[field].fields:
            _members(found, f"{name}.{field}", array[field])
        else:
            found[f"{name}.{field}"] = array[field].to_list()


def filtered(source: Path, output: Path, size: int = 4096) -> None:
    """Keep some of the events with q = 1/2."""
    with open_events(source, reading_for(output)) as reader, create_events(output, record("kept", 1, {})) as writer:
        for batch in reader.batches(size):
            here = KEPT[int(batch.event["evtNum"][0] - 2**40) :][: len(batch)]
            weight = batch.event["weight"]
            columns = {name: column / 0.5 for name, column in batch.event.items() if name.startswith("weight")}
            columns |= {"generator_weight": weight, "keep_probability": np.full(len(batch), 0.5)}
            writer.write(batch.with_event_columns(**columns).select(here))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copy") / "copy.edm4hep.root"
    convert_events([WHOLE], path, batch_size=3)
    return path


def test_a_converted_file_has_every_collection_relation_and_parameter_unchanged(copy: Path) -> None:
    expected, found = content(WHOLE), content(copy)
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        assert found[name] == values, name


def test_classes_versions_and_the_list_of_collections_are_those_of_the_file(copy: Path) -> None:
    with uproot.open(copy) as file:
        kinds = {one.type_name: one.type_version for one in file["events"].field_records}
        infos = file["podio_metadata"]["events___CollectionTypeInfo"].array()[0].to_list()
        assert list(file["podio_metadata"]["edm4hep___Version"].array()[0]) == [0, 99, 99]
        assert file["podio_metadata"]["EDMDefinitions"].array()[0].to_list() == [("edm4hep", '{"datatypes": {}}')]
        assert file["runs"]["GPStringValues"].array().to_list() == [[["a generator"]]]
        names = file["metadata"]["GPStringKeys"].array().to_list()[0]
        assert [name for name in names if name != "smartbkg"] == ["EventWeightNames", "detector"]
    for kind in ("EventHeaderData", "MCParticleData", "GeneratorEventParametersData", "TrackState", "CovMatrix3f"):
        assert f"edm4hep::{kind}" in kinds
    with uproot.open(WHOLE) as file:
        listed = file["podio_metadata"]["events___CollectionTypeInfo"]
        for member in ("name", "dataType", "storageType", "collectionID", "isSubset", "schemaVersion"):
            assert [one[member] for one in infos] == listed[f"events___CollectionTypeInfo.{member}"].array()[
                0
            ].to_list()


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("kind", ["tree", "ntuple"])
def test_kept_events_differ_in_their_header_alone(tmp_path: Path, copy: Path, size: int, kind: str) -> None:
    source, output = (WHOLE if kind == "tree" else copy), tmp_path / "kept.edm4hep.root"
    filtered(source, output, size)
    expected, found = content(WHOLE), content(output)
    for name, values in expected.items():
        if name.startswith(("EventHeader.weight", "_EventHeader_weights", "Int", "Float", "Double", "String")):
            continue
        assert found[name] == [one for one, is_kept in zip(values, KEPT, strict=True) if is_kept], name
    weights = [one for one, is_kept in zip(expected["_EventHeader_weights"], KEPT, strict=True) if is_kept]
    assert found["EventHeader.weight"] == [[2 * nominal] for nominal, _ in weights]
    assert found["_EventHeader_weights"] == [[2 * w, 2 * w, 2 * up, w, 2.0] for w, up in weights]
    assert found["Float"] == [[["scale"]] * 4, [expected["Float"][1][0]] * 4]
    assert found["Double"][0][0] == ["alpha", "smartbkg_keep_probability"]
    with open_events(output) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
        assert batch.event["keep_probability"].tolist() == [0.5] * 4
        assert batch.event["evtNum"].tolist() == (2**40 + np.flatnonzero(KEPT)).tolist()


def test_files_with_other_collections_do_not_become_one(tmp_path: Path) -> None:
    with create_events(tmp_path / "a.edm4hep.root", record("events", 1, {})) as writer:
        writer.write(random_events(3, seed=1))
    with pytest.raises(EventError, match="other collections than the events before it"):
        convert_events([WHOLE, tmp_path / "a.edm4hep.root"], tmp_path / "b.edm4hep.root")
    assert not (tmp_path / "b.edm4hep.root").exists()


def test_runs_of_files_of_one_layout_are_kept_one_after_the_other(tmp_path: Path) -> None:
    convert_events([WHOLE, WHOLE], tmp_path / "b.edm4hep.root", allow_duplicates=True)
    with uproot.open(tmp_path / "b.edm4hep.root") as file:
        assert file["events"].num_entries == 2 * N_EVENTS
        assert file["runs"]["GPStringValues"].array().to_list() == [[["a generator"]]] * 2


def test_numbers_that_were_given_anew_are_written(tmp_path: Path) -> None:
    convert_events([WHOLE], tmp_path / "b.edm4hep.root", ReadOptions(run=33))
    found = content(tmp_path / "b.edm4hep.root")
    assert found["EventHeader.runNumber"] == [[33]] * N_EVENTS
    assert found["EventHeader.timeStamp"] == content(WHOLE)["EventHeader.timeStamp"]


@pytest.mark.parametrize("suffix", [".parquet", ".hepmc3", ".root"])
def test_a_format_that_holds_no_other_collections_says_what_is_lost(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    convert_events([WHOLE], tmp_path / f"a{suffix}")
    assert "other collections are not kept (GeneratorEventParameters, Signal, Tracks)" in caplog.text


def test_files_of_podio_0_say_what_is_lost(
    reference_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    convert_events([reference_data / "edm4hep" / "fcc_winter2023.root"], tmp_path / "a.edm4hep.root")
    assert "other collections are not kept (" in caplog.text
    assert "written before podio 1" in caplog.text


def test_entries_far_from_each_other_are_not_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartbkg.io.edm4hep.frames.PIECE", 1)
    options = ReadOptions(keep_originals=True, written_as="edm4hep")
    with open_events(WHOLE, options) as reader:
        originals = list(next(reader.batches()).originals or ())
        assert [one.stop - one.start for one in pieces(originals)] == [1] * N_EVENTS
        assert isinstance(originals[0].frames, Frames)
    assert list(pieces([])) == []
