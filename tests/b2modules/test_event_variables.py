"""Event-level variables of an n-tuple: the first candidate of each event, by its id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from smartbkg.b2modules.event_variables import read_ntuple
from smartbkg.errors import DatasetError


@pytest.fixture
def ntuple(tmp_path: Path) -> Path:
    """Two candidates of event 9 with another event between them, and the same number in another run."""
    path = tmp_path / "n.root"
    with uproot.recreate(path) as file:
        file["persistent"] = {"x": np.ones(1)}
        file["variables"] = {
            "__experiment__": np.array([1, 1, 1, 1], dtype=np.int32),
            "__run__": np.array([2, 2, 2, 3], dtype=np.int32),
            "__event__": np.array([9, 4, 9, 9], dtype=np.uint32),
            "Mbc": np.array([5.1, 5.2, 5.3, 5.4]),
            "deltaE": np.array([0.1, 0.2, 0.3, 0.4]),
        }
    return path


def test_the_first_candidate_of_each_event_counts_in_the_order_of_the_file(ntuple: Path) -> None:
    block = read_ntuple(ntuple, "variables", ["Mbc", "deltaE"])
    assert block.ids["evtNum"].tolist() == [9, 4, 9]
    assert block.ids["run"].tolist() == [2, 2, 3]
    np.testing.assert_allclose(block.variables["Mbc"], [5.1, 5.2, 5.4], rtol=1e-6)
    np.testing.assert_allclose(block.variables["deltaE"], [0.1, 0.2, 0.4], rtol=1e-6)


def test_another_number_of_variables_and_a_missing_tree_are_one_line(ntuple: Path) -> None:
    with pytest.raises(DatasetError, match="2 variables, expected 1: Mbc"):
        read_ntuple(ntuple, "variables", ["Mbc"])
    with pytest.raises(DatasetError, match="unreadable n-tuple of basf2"):
        read_ntuple(ntuple, "other", ["Mbc"])
    with pytest.raises(DatasetError, match="no such file"):
        read_ntuple(ntuple.with_name("missing.root"), "variables", ["Mbc"])
