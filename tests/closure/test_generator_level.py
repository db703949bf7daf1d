"""Generated events as closure reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events
from training.toys import write_events

from smartbkg.closure.generator_level import read_generated
from smartbkg.errors import FileFormatError
from smartbkg.events.generator_level import generator_variables


def test_ids_weights_and_variables_are_those_of_the_events_in_their_order(tmp_path: Path) -> None:
    batch = random_events(50, seed=4).with_event_columns(weight=np.linspace(-1, 2, 50))
    table, variables = read_generated(write_events(tmp_path / "e.parquet", batch))
    np.testing.assert_array_equal(table["evtNum"], batch.event["evtNum"])
    np.testing.assert_allclose(table["weight"], batch.event["weight"])
    for name, values in generator_variables(batch).items():
        np.testing.assert_array_equal(variables[name], values)


def test_of_kept_events_the_weight_before_the_filter_counts(tmp_path: Path) -> None:
    batch = random_events(20, seed=4).with_event_columns(
        weight=np.full(20, 4.0), keep_probability=np.full(20, 0.5), generator_weight=np.full(20, 2.0)
    )
    table, _ = read_generated(write_events(tmp_path / "e.parquet", batch))
    np.testing.assert_allclose(table["weight"], 2.0)


def test_a_file_without_events_is_refused(tmp_path: Path) -> None:
    empty = write_events(tmp_path / "e.parquet", random_events(1).select(np.zeros(1, dtype=bool)))
    with pytest.raises(FileFormatError, match="holds no event"):
        read_generated(empty)
