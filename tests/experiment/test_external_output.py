"""What a program wrote of its events: which passed, which it lost, and none that it was not given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.experiment.external_output import PASSES_COLUMN, StrangerError, read_output

LISTED = (PASSES_COLUMN, None)


@pytest.fixture
def batch() -> EventBatch:
    events = random_events(4, first_event=10)
    events.event["run"] = np.array([1, 1, 2, 2], dtype=events.event["run"].dtype)
    return events


def written(folder: Path, *rows: str) -> Path:
    path = folder / "passing.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_list_names_the_events_that_passed_and_the_rest_failed(batch: EventBatch, tmp_path: Path) -> None:
    found = read_output(written(tmp_path, "experiment,run,evtNum,Mbc", "7,2,13,5.2", "7,1,10,5.1"), batch, LISTED)
    assert found.passes.tolist() == [True, False, False, True]
    assert found.is_simulated.all()
    np.testing.assert_allclose(found.variables["Mbc"], [5.1, np.nan, np.nan, 5.2])


def test_with_a_column_of_flags_what_is_not_in_the_table_is_lost(batch: EventBatch, tmp_path: Path) -> None:
    path = written(tmp_path, "experiment,run,evtNum,passes", "7,1,10,1", "7,1,11,0", "7,2,13,0")
    found = read_output(path, batch, LISTED)
    assert found.passes.tolist() == [True, False, False, False]
    assert found.is_simulated.tolist() == [True, True, False, True]


def test_experiment_and_run_may_be_left_out_where_all_events_share_them(batch: EventBatch, tmp_path: Path) -> None:
    path = written(tmp_path, "evtNum", "11")
    assert read_output(path, batch.slice(0, 2), LISTED).passes.tolist() == [False, True]
    with pytest.raises(FileFormatError):
        read_output(path, batch, LISTED)


def test_an_event_that_was_not_given_is_refused(batch: EventBatch, tmp_path: Path) -> None:
    with pytest.raises(StrangerError, match=r"\(7, 1, 13\)"):
        read_output(written(tmp_path, "experiment,run,evtNum", "7,1,13"), batch, LISTED)


def test_events_with_one_id_cannot_be_told_apart(batch: EventBatch, tmp_path: Path) -> None:
    twins = EventBatch.concatenate([batch, batch])
    with pytest.raises(EventError, match="cannot be told apart"):
        read_output(written(tmp_path, "experiment,run,evtNum", "7,1,10"), twins, LISTED)


def test_weights_and_scores_are_no_variables(batch: EventBatch, tmp_path: Path) -> None:
    path = written(tmp_path, "experiment,run,evtNum,weight,score,p", "7,1,10,2.0,0.3,1.5")
    assert set(read_output(path, batch, LISTED).variables) == {"p"}
    assert read_output(path, batch, LISTED, with_variables=False).variables == {}
