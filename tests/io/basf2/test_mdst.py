"""basf2 files: every number is the one uproot gives, in all releases of the test files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from io_events import write_mdst

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.graphs.decay_tree import GraphRule, build_graphs
from smartbkg.io import ReadOptions, open_events
from smartbkg.io.basf2.extra_info import extra_columns
from smartbkg.io.records import charges

FILES = {"mdst.root": 100, "mdst-v06-00-00.root": 10, "Btonunubar.root": 5}
MEMBERS = {
    "PDG": "m_pdg", "status": "m_status", "energy": "m_energy", "px": "m_momentum_x", "py": "m_momentum_y",
    "pz": "m_momentum_z", "mass": "m_mass", "prodTime": "m_productionTime", "x": "m_productionVertex_x",
    "y": "m_productionVertex_y", "z": "m_productionVertex_z",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_those_uproot_gives(reference_data: Path, name: str) -> None:
    path = reference_data / "belle2" / name
    with open_events(path) as reader:
        assert reader.n_events == FILES[name]
        assert reader.metadata["release"].startswith(("release", "master"))
        batch = EventBatch.concatenate(list(reader.batches(7)))
    with uproot.open(path) as file:
        tree = file["tree"]
        for column, member in MEMBERS.items():
            expected = np.concatenate(tree[f"MCParticles.{member}"].array(library="np"))
            np.testing.assert_array_equal(batch.particle[column], expected)
        mothers = np.concatenate(tree["MCParticles.m_mother"].array(library="np"))
        np.testing.assert_array_equal(batch.particle["motherIndex"], mothers - 1)
        for column, member in {"experiment": "m_experiment", "run": "m_run", "evtNum": "m_event",
                               "production": "m_production", "weight": "m_generatedWeight"}.items():  # fmt: skip
            np.testing.assert_array_equal(batch.event[column], tree[f"EventMetaData/{member}"].array(library="np"))
    assert set(np.unique(batch.particle["charge"])) <= {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_graphs_of_the_reference_are_reproduced(reference_data: Path) -> None:
    with open_events(reference_data / "belle2" / "mdst.root") as reader:
        graphs = build_graphs(EventBatch.concatenate(list(reader.batches(30))), GraphRule())
    reference = np.load(reference_data / "gatgap" / "reference.npz")
    np.testing.assert_array_equal(np.diff(graphs.offsets), reference["counts"])
    np.testing.assert_array_equal(graphs.token, reference["token"])
    np.testing.assert_array_equal(graphs.feature, reference["feature"])
    np.testing.assert_array_equal(graphs.mother, reference["mother"])


def test_production_time_offset_does_not_reach_the_graph(reference_data: Path) -> None:
    with open_events(reference_data / "belle2" / "mdst-v06-00-00.root") as reader:
        batch = next(iter(reader.batches()))
    assert batch.particle["prodTime"][0] > 3.9
    graphs = build_graphs(batch, GraphRule())
    assert (graphs.feature[graphs.offsets[:-1], 0] == 0).all()


def test_derived_columns_follow_from_the_tree(reference_data: Path) -> None:
    with open_events(reference_data / "belle2" / "Btonunubar.root") as reader:
        batch = next(iter(reader.batches()))
    for index in range(len(batch)):
        here = slice(int(batch.offsets[index]), int(batch.offsets[index + 1]))
        mother, code = batch.particle["motherIndex"][here], batch.particle["PDG"][here]
        expected = [int((mother == place).sum()) for place in range(len(mother))]
        assert batch.particle["nDaughters"][here].tolist() == expected
        assert batch.particle["motherPDG"][here].tolist() == [code[m] if m >= 0 else 0 for m in mother]


def test_options_give_what_the_file_has_not(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, 3), (1, 2, 4)])
    with open_events(tmp_path / "m.root", ReadOptions(run=9, process="charged")) as reader:
        batch = next(iter(reader.batches()))
    assert batch.event_id(1) == (1, 9, 4)
    assert batch.event["process"].tolist() == ["charged"] * 2
    assert batch.event["production"].tolist() == [12, 12]
    assert batch.event["weight"].tolist() == [0.5, 0.5]
    assert batch.particle["motherPDG"].tolist() == [0, 300553, 300553] * 2


def test_a_file_without_particles_says_so(tmp_path: Path) -> None:
    write_mdst(tmp_path / "data.root", [(1, 2, 3)], with_particles=False)
    with pytest.raises(FileFormatError, match=r"no branch MCParticles\.m_pdg"):
        open_events(tmp_path / "data.root")


def test_another_root_file_is_of_no_known_format(reference_data: Path) -> None:
    with pytest.raises(FileFormatError, match="no known event format"):
        open_events(reference_data / "belle2" / "MultiplicityPlotsMixed.root")


class _Branch:
    """A branch whose whole content is given."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def array(self, entry_start: int, entry_stop: int) -> Any:
        return ak.Array(self._values)[entry_start:entry_stop]


def test_event_type_and_weights_of_extra_info_are_read() -> None:
    """Maps as ROOT splits them: a branch of names and one of values."""
    name, number = "EventExtraInfo/eventExtraInfo/eventExtraInfo", "NN_prediction"
    text = "EventExtraInfo/eventExtraStringInfo/eventExtraStringInfo"
    kept, rejected = [0.25, 8.0, 3.0], [0.5, 0.0, 0.0]
    names = [f"{number}_keep_probability", f"{number}_weight", "weight_feiHadronic"]
    tree = {
        f"{name}.first": _Branch([names, names, []]),
        f"{name}.second": _Branch([kept, rejected, []]),
        f"{text}.first": _Branch([["eventType"], ["eventType"], []]),
        f"{text}.second": _Branch([["mixed"], [""], []]),
    }
    columns = extra_columns(tree, np.array([2.0, 2.0, 5.0]), 0, 3, "file")
    assert columns["process"].tolist() == ["mixed", "", ""]
    assert columns["keep_probability"].tolist() == [0.25, 0.5, 1.0]
    assert columns["weight"].tolist() == [8.0, 0.0, 5.0]
    assert columns["generator_weight"].tolist() == [2.0, 2.0, 5.0]
    np.testing.assert_array_equal(columns["weight_feiHadronic"], [3.0, 0.0, np.nan])
    assert extra_columns({}, np.ones(3), 0, 3, "file") == {}


def test_charges_of_evtgens_own_codes_are_its_tables() -> None:
    """The digits of these codes say nothing, or something else."""
    codes = [44, -44, 84, 85, 86, -87, 30353, -30353, 9052513, -9152513, 99513, 99523, 211, 22]
    expected = [1, -1, 2 / 3, -1 / 3, 2 / 3, 1 / 3, 1, -1, 1, -1, 0, 1, 1, 0]
    np.testing.assert_allclose(charges(codes), expected, rtol=1e-6)
