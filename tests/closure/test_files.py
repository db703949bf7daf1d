"""Closure of files: which way of looking the files allow, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filtered_sample import Chain, make_chain

from smartbkg.closure.check import ClosureSettings
from smartbkg.closure.files import (
    choose_flags,
    event_variables,
    is_systematic,
    read_kept,
    validate_files,
    write_report,
)
from smartbkg.closure.generator_level import read_generated
from smartbkg.errors import DatasetError, FileFormatError, UsageError
from smartbkg.io.tables import Table, read_table

FAST = ClosureSettings(n_replicas=500, n_coverage_seeds=0, with_pairs=False)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("closure") / "chain", 3000)


def test_scores_flags_and_events_together_find_nothing_wrong(chain: Chain, tmp_path: Path) -> None:
    found = validate_files(chain.kept, chain.flags, "first", scores=chain.scores, events=chain.events, settings=FAST)
    assert found.is_compatible
    assert found.passing is not None
    assert found.generated is not None
    assert found.passing.significance == FAST.significance / 2, "two families share the significance"
    assert {variable.name for variable in found.passing.variables} == {"Mbc", "R2", "nTracks"}
    assert "score" in {variable.name for variable in found.generated.variables}
    assert found.generated.n_all == 3000
    write_report(found, tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["verdict"] == "compatible"
    assert content["generated"]["n_all"] == 3000


def test_flags_alone_leave_the_generated_events_open_and_say_so(chain: Chain) -> None:
    found = validate_files(chain.kept, chain.flags, "first", variables=("Mbc",), settings=FAST)
    assert found.generated is None
    assert any("were not looked at" in note for note in found.notes)
    assert found.passing is not None
    assert found.passing.significance == FAST.significance
    assert [variable.name for variable in found.passing.variables] == ["Mbc"]


def test_flags_without_variables_are_compared_at_the_generator_level(chain: Chain, tmp_path: Path) -> None:
    flags = pq.read_table(chain.flags)
    bare = flags.select(["experiment", "run", "evtNum", "passes_first"]).take(np.arange(len(flags))[::-1])
    pq.write_table(bare, tmp_path / "flags.parquet")
    found = validate_files(chain.kept, tmp_path / "flags.parquet", events=chain.events, settings=FAST)
    assert found.is_compatible
    assert found.passing is not None
    assert {one.name for one in found.passing.variables} <= set(read_generated(chain.events)[1])
    assert len(found.passing.variables) > 5
    with pytest.raises(DatasetError, match=r"no event-level variable.*give --events"):
        validate_files(chain.kept, tmp_path / "flags.parquet", scores=chain.scores, settings=FAST)


def test_doubled_weights_are_wrong_in_the_inventory_and_in_the_statistics(chain: Chain, tmp_path: Path) -> None:
    table = pq.read_table(chain.kept)
    doubled = pa.array(2 * table["weight"].to_numpy())
    wrong = table.set_column(table.column_names.index("weight"), "weight", doubled)
    pq.write_table(wrong, tmp_path / "kept.parquet")
    found = validate_files(tmp_path / "kept.parquet", chain.flags, "first", scores=chain.scores, settings=FAST)
    assert not found.is_compatible
    assert next(one.name for one in found.inventory if one.state == "wrong").startswith("weight · keep")
    assert not any(report.is_compatible for report in found.reports)


def test_the_draw_of_a_kept_file_is_repeated_from_its_record(chain: Chain) -> None:
    kept = read_kept(chain.kept)
    assert kept.chance is not None
    assert (kept.chance < kept.table["keep_probability"]).all()
    assert not is_systematic(kept.table.metadata)


def test_a_systematic_draw_is_told_by_its_record_and_not_repeated(tmp_path: Path) -> None:
    kept = read_kept(make_chain(tmp_path / "chain", 300, draw="systematic").kept)
    assert is_systematic(kept.table.metadata)
    assert kept.chance is None


def test_events_that_no_filter_kept_are_refused(chain: Chain) -> None:
    with pytest.raises(FileFormatError, match="no column 'keep_probability'"):
        read_kept(chain.events)


def test_nothing_to_compare_with_is_refused(chain: Chain) -> None:
    with pytest.raises(UsageError, match="give flags, --scores or --events"):
        validate_files(chain.kept, None)


def test_the_skim_of_several_must_be_named(chain: Chain) -> None:
    table = read_table(chain.flags)
    assert choose_flags(table, "second") == "second"
    with pytest.raises(UsageError, match="several skims, name one: first, second"):
        choose_flags(table, None)
    with pytest.raises(DatasetError, match="did you mean 'first'"):
        choose_flags(table, "frist")
    with pytest.raises(DatasetError, match="no column 'passes_<skim>'"):
        choose_flags(Table({"R2": np.zeros(1)}, {}, "t"), None)


def test_variables_are_the_numbers_that_are_no_ids_flags_or_weights() -> None:
    columns = {
        "experiment": np.zeros(2, int), "run": np.zeros(2, int), "evtNum": np.arange(2), "weight": np.ones(2),
        "generator_weight": np.ones(2), "keep_probability": np.ones(2), "is_kept": np.ones(2, bool),
        "passes_a": np.ones(2, bool), "pass_fraction_a": np.ones(2), "process": np.array(["a", "b"]),
        "Mbc": np.ones(2), "nTracks": np.ones(2, np.int32),
    }  # fmt: skip
    assert event_variables(Table(columns, {}, "t")) == ("Mbc", "nTracks")
    columns.pop("Mbc")
    columns.pop("nTracks")
    with pytest.raises(DatasetError, match="no event-level variable"):
        event_variables(Table(columns, {}, "t"))


def test_a_reference_of_other_events_compares_shapes_alone(chain: Chain, tmp_path: Path) -> None:
    other = make_chain(tmp_path / "other", 3000, first_event=50_000, model=chain.model)
    kept_flags = read_table(chain.flags)
    ids = read_kept(chain.kept).table["evtNum"]
    rows = np.isin(kept_flags["evtNum"], ids)
    own = tmp_path / "own.parquet"
    pq.write_table(pa.table({name: column[rows] for name, column in kept_flags.columns.items()}), own)
    found = validate_files(chain.kept, own, "first", reference=other.flags, settings=FAST)
    assert found.passing is not None
    assert found.passing.total_pull is None
    assert found.passing.is_compatible
