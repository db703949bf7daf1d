"""EDM4hep that is written: read by our reader, by uproot by hand, and by ROOT where it is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from synthetic import random_events

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.totals import Totals
from smartbkg.io import create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.storage.provenance import record

N_EVENTS = 20


def kept_events() -> EventBatch:
    """Kept events with a nominal weight and a variation."""
    batch = random_events(N_EVENTS, seed=3, first_event=2**40)
    weight, q = np.linspace(-1, 2, N_EVENTS), np.linspace(0.1, 1, N_EVENTS)
    return batch.with_event_columns(
        generator_weight=weight, weight=weight / q, keep_probability=q, score=q / 2,
        weight_nominal=weight / q, weight_up=30 * weight / q,
    )  # fmt: skip


def written(path: Path, *batches: EventBatch) -> Path:
    with create_events(path, record("kept", 1, {"seed": 1})) as writer:
        for batch in batches:
            writer.write(batch)
        writer.add_totals(Totals.of(np.ones(100), np.ones(20)))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    batch = kept_events()
    return written(
        tmp_path_factory.mktemp("edm4hep") / "kept.edm4hep.root", batch.slice(0, 7), batch.slice(7, N_EVENTS)
    )


def test_kept_events_come_back_with_weights_probabilities_and_totals(path: Path) -> None:
    with open_events(path) as reader:
        found, expected = EventBatch.concatenate(list(reader.batches(6))), kept_events()
        assert reader.metadata["kind"] == "kept"
        assert reader.metadata["settings"] == {"seed": 1}
        assert reader.totals == Totals.of(np.ones(100), np.ones(20))
        assert reader.warnings == []
    for name, column in expected.event.items():
        np.testing.assert_array_equal(found.event[name], column, err_msg=name)
    for name in ("PDG", "motherIndex", "status", "px", "py", "pz", "x", "y", "z", "prodTime", "mass", "charge"):
        np.testing.assert_array_equal(found.particle[name], expected.particle[name], err_msg=name)
    np.testing.assert_allclose(found.particle["energy"], expected.particle["energy"], rtol=1e-6)


def test_uproot_finds_the_layout_of_podio(path: Path) -> None:
    batch = kept_events()
    with uproot.open(path) as file:
        events = file["events"]
        kinds = {one.field_name: (one.type_name, one.type_version) for one in events.field_records}
        assert kinds["MCParticles"][0] == "std::vector<edm4hep::MCParticleData>"
        assert kinds["_MCParticles_parents"][0] == "std::vector<podio::ObjectID>"
        assert kinds["EventHeader"][0] == "std::vector<edm4hep::EventHeaderData>"
        assert [
            (one.type_version, one.struct_role)
            for one in events.field_records
            if one.type_name == "edm4hep::MCParticleData"
        ] == [(6, 2)]
        header = events["EventHeader"].array()
        np.testing.assert_array_equal(ak.flatten(header["weight"]), batch.event["weight"])
        np.testing.assert_array_equal(ak.flatten(header["eventNumber"]), batch.event["evtNum"])
        weights = events["_EventHeader_weights"].array()
        names = ["nominal", "up", "smartbkg_generator_weight", "smartbkg"]
        parameters = dict(
            zip(file["metadata"]["GPStringKeys"].array()[0], file["metadata"]["GPStringValues"].array()[0], strict=True)
        )
        assert list(parameters["EventWeightNames"]) == names
        np.testing.assert_array_equal(weights[:, 0], batch.event["weight"])
        np.testing.assert_array_equal(weights[:, 2], batch.event["generator_weight"])
        np.testing.assert_allclose(weights[:, 3], 1 / batch.event["keep_probability"])
        particles = events["MCParticles"].array()
        np.testing.assert_allclose(ak.flatten(particles["vertex"]["x"]), 10.0 * batch.particle["x"].astype(np.float64))
        info = file["podio_metadata"]["events___CollectionTypeInfo"].array()[0]
        assert list(info["dataType"]) == ["edm4hep::EventHeaderCollection", "edm4hep::MCParticleCollection"]


def test_relations_go_both_ways(path: Path) -> None:
    with uproot.open(path) as file:
        particles = file["events"]["MCParticles"].array()
        parents, daughters = (
            file["events"][f"_MCParticles_{name}"].array()["index"] for name in ("parents", "daughters")
        )
    for event, up, down in zip(particles.to_list(), parents.to_list(), daughters.to_list(), strict=True):
        found = set()
        for index, one in enumerate(event):
            found |= {(above, index) for above in up[one["parents_begin"] : one["parents_end"]]}
            assert one["vertex"] != one["endpoint"] or not one["daughters_end"] - one["daughters_begin"]
        assert found == {
            (index, below)
            for index, one in enumerate(event)
            for below in down[one["daughters_begin"] : one["daughters_end"]]
        }
        assert len(found) == len(event) - 1


def test_a_file_without_events_says_its_layout(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.edm4hep.root")
    with open_events(empty) as reader:
        assert list(reader.batches()) == []
        assert reader.totals is not None
        assert reader.totals.n_events == 100


def test_conversion_to_hepmc_and_back_keeps_the_events(path: Path, tmp_path: Path) -> None:
    for name in ("a.hepmc3", "b.edm4hep.root"):
        convert_events([path], tmp_path / name)
        path = tmp_path / name
    with open_events(path) as reader:
        found, expected = EventBatch.concatenate(list(reader.batches())), kept_events()
    for name in ("weight", "generator_weight", "keep_probability", "weight_up", "run"):
        np.testing.assert_allclose(found.event[name], expected.event[name], rtol=1e-15, err_msg=name)
    for name in ("PDG", "motherIndex", "px", "x"):
        np.testing.assert_array_equal(found.particle[name], expected.particle[name], err_msg=name)


def test_weights_of_other_names_and_negative_numbers_are_refused(tmp_path: Path) -> None:
    batch = kept_events()
    with pytest.raises(EventError, match="EDM4hep names them once"):
        written(tmp_path / "a.edm4hep.root", batch, batch.with_event_columns(weight_down=batch.event["weight"]))
    with pytest.raises(EventError, match="no negative numbers"):
        written(tmp_path / "b.edm4hep.root", batch.with_event_columns(evtNum=-np.ones(N_EVENTS, dtype=np.int64)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("ROOT") is None, reason="ROOT is not installed (PyPI: root, 250 MB)")
def test_root_reads_every_particle_as_podio_does(path: Path) -> None:
    """Fields bound to C++ classes by their names, the way `podio::RNTupleReader` does it."""
    macro = Path(__file__).with_name("read_by_root.C")
    command = "import ROOT, sys; ROOT.gROOT.LoadMacro(sys.argv[1]); ROOT.read_by_root(sys.argv[2])"
    run = subprocess.run(
        [sys.executable, "-c", command, str(macro), str(path)], capture_output=True, text=True, timeout=300,
        check=True,
    )  # fmt: skip
    batch = kept_events()
    lines = run.stdout.splitlines()
    assert "category events" in lines
    weights = [float(line.split()[3]) for line in lines if line.startswith("event ")]
    np.testing.assert_array_equal(weights, batch.event["weight"])
    rows = [line.split("|") for line in lines if line.startswith("particle ")]
    numbers = np.array([[float(word) for word in row[0].split()[1:]] for row in rows])
    np.testing.assert_array_equal(numbers[:, 0], batch.particle["PDG"])
    np.testing.assert_array_equal(numbers[:, 3].astype(np.float32), batch.particle["pz"])
    mothers = [int(row[1]) if row[1].strip() else -1 for row in rows]
    np.testing.assert_array_equal(mothers, batch.particle["motherIndex"])
