"""Events as ROOT n-tuples: what uproot reads is what the columns held."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from synthetic import random_events

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events.totals import Totals
from smartbkg.io import create_events, open_events
from smartbkg.storage.provenance import record


@pytest.mark.parametrize("name", ["kept.root", "kept.rntuple.root"])
def test_events_come_back_column_by_column(tmp_path: Path, name: str) -> None:
    events = random_events(20, seed=3)
    events = events.with_event_columns(keep_probability=np.linspace(0.1, 1, 20))
    totals = Totals.of(np.ones(50), events.event["weight"])
    with create_events(tmp_path / name, record("kept", 1, {})) as writer:
        for part in events.chunks(7):
            writer.write(part)
        writer.add_totals(totals)
    with uproot.open(tmp_path / name) as file:
        tree = file["events"]
        assert tree.num_entries == 20
        for column in ("experiment", "run", "evtNum", "weight", "keep_probability"):
            np.testing.assert_array_equal(tree[column].array(library="np"), events.event[column])
        assert tree["process"].array().tolist() == events.event["process"].tolist()
        for column, values in events.particle.items():
            # the group as a whole: uproot 5.6.1 loses the lists of single members
            found = tree[f"particle_{column}"].array() if name == "kept.root" else tree["particle"].array()[column]
            np.testing.assert_array_equal(ak.to_numpy(ak.flatten(found)), values, err_msg=column)
        about = json.loads(str(file["smartbkg"]))
    assert Totals.from_dict(about["totals"]) == totals


def test_a_file_without_events_has_the_branches(tmp_path: Path) -> None:
    with create_events(tmp_path / "none.root", record("kept", 1, {})) as writer:
        writer.write(random_events(3).slice(0, 0))
    with uproot.open(tmp_path / "none.root") as file:
        assert file["events"].num_entries == 0
        assert {"weight", "particle_PDG"} <= set(file["events"].keys())
    with pytest.raises(FileFormatError):
        open_events(tmp_path / "none.root")


@pytest.mark.parametrize("name", ["x.hepmc3.tree.root"])
def test_a_name_of_another_layout_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is not written; valid"):
        create_events(tmp_path / name, {})


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with create_events(tmp_path / "x.root", record("kept", 1, {})) as writer:
            writer.write(random_events(3))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
