from __future__ import annotations

from pathlib import Path

import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.header import read_header
from smartbkg.datasets.on_the_way import data_sets
from smartbkg.errors import UsageError


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, Path]:
    events = toy_events(300, 1)
    return write_events(tmp_path / "gen.v1.parquet", events), write_flags(tmp_path / "R.parquet", toy_flags(events))


def test_a_data_set_made_of_events_and_flags_lives_as_long_as_the_block(sample, tmp_path):
    before = set(tmp_path.iterdir())
    with data_sets((), sample[:1], sample[1:], ("kaons",), tmp_path / "model.safetensors") as paths:
        assert read_header(paths[0]).summary.skims == ("kaons",)
        assert paths[0].name == "gen-with-flags.parquet"
        assert paths[0].parent.parent == tmp_path, "beside the output, where there is room for it"
    assert set(tmp_path.iterdir()) == before


def test_data_sets_that_were_given_are_taken_as_they_are(tmp_path):
    with data_sets([tmp_path / "T.parquet"], (), (), (), None) as paths:
        assert paths == [tmp_path / "T.parquet"]


@pytest.mark.parametrize("given", [True, False])
def test_neither_or_both_of_data_set_and_events_is_one_line(given, sample, tmp_path):
    expected = "not both" if given else "give a data set, or --events with --flags"
    events = sample[:1] if given else ()
    with pytest.raises(UsageError, match=expected), data_sets([tmp_path / "T"] * given, events, sample[1:], (), None):
        pass
