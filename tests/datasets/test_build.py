from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.combine import merge_datasets
from smartbkg.datasets.header import read_header
from smartbkg.errors import DatasetError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io.parquet import ParquetReader


def read_all(path: Path) -> EventBatch:
    with ParquetReader(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


@pytest.fixture
def events() -> EventBatch:
    return EventBatch.concatenate([toy_events(900, 1), toy_events(700, 2, process="charged", run=2)])


@pytest.fixture
def sample(events: EventBatch, tmp_path: Path) -> tuple[Path, Path]:
    return write_events(tmp_path / "F.parquet", events), write_flags(tmp_path / "R.parquet", toy_flags(events))


def test_labels_follow_the_event_not_its_row(events: EventBatch, tmp_path: Path) -> None:
    flags = toy_flags(events)
    order = np.random.default_rng(0).permutation(len(events))
    write_flags(tmp_path / "R.parquet", {name: column[order] for name, column in flags.items()})
    write_events(tmp_path / "F.parquet", events)
    build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet")
    written = read_all(tmp_path / "T.parquet")
    np.testing.assert_array_equal(written.event["label_kaons"], flags["passes_kaons"])
    np.testing.assert_allclose(written.event["var_Mbc"], flags["Mbc"], rtol=1e-6)
    np.testing.assert_array_equal(written.event["var_nTracks"], events.counts)
    np.testing.assert_array_equal(written.particle["px"], events.particle["px"])


def test_events_of_equal_number_in_different_runs_keep_their_own_flags(tmp_path: Path) -> None:
    two_runs = EventBatch.concatenate([toy_events(300, 1, run=1), toy_events(300, 2, run=2)])
    flags = toy_flags(two_runs)
    flags["passes_kaons"] = two_runs.event["run"] == 2
    write_flags(tmp_path / "R.parquet", flags)
    write_events(tmp_path / "F.parquet", two_runs)
    options = DatasetOptions(("kaons",))
    build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet", options)
    written = read_all(tmp_path / "T.parquet")
    np.testing.assert_array_equal(written.event["label_kaons"], written.event["run"] == 2)
    np.testing.assert_array_equal(written.event["label"], written.event["label_kaons"])


def test_join_through_temporary_files_equals_the_join_in_memory(sample: tuple[Path, Path], tmp_path: Path) -> None:
    in_memory = build_dataset([sample[0]], [sample[1]], tmp_path / "A.parquet")
    spilled = build_dataset([sample[0]], [sample[1]], tmp_path / "B.parquet", DatasetOptions(flags_in_memory=200))
    assert in_memory == spilled
    first, second = read_all(tmp_path / "A.parquet"), read_all(tmp_path / "B.parquet")
    order = np.lexsort([second.event["evtNum"], second.event["run"]])
    second = second.select(order)
    for name, column in first.event.items():
        np.testing.assert_array_equal(column, second.event[name])
    for name, column in first.particle.items():
        np.testing.assert_array_equal(column, second.particle[name])
    assert not list(tmp_path.glob(".smartbkg*"))


@pytest.mark.parametrize("options", [DatasetOptions(max_failing=300), DatasetOptions(failing_per_passing=1.0)])
def test_thinned_failing_events_carry_the_weight_of_those_left_out(
    sample: tuple[Path, Path], tmp_path: Path, options: DatasetOptions
) -> None:
    summary = build_dataset([sample[0]], [sample[1]], tmp_path / "T.parquet", options)
    written = read_all(tmp_path / "T.parquet")
    weight = written.event["sampling_weight"]
    passes_any = written.event["label_kaons"] | written.event["label_muons"]
    assert len(written) == summary.total.n_written < summary.total.n_events == 1600
    assert (weight[passes_any] == 1).all()
    assert weight.sum() == pytest.approx(1600, rel=0.15)
    retention = np.average(written.event["label_kaons"], weights=weight)
    assert retention == pytest.approx(summary.total.retention("kaons"), rel=0.15)
    header = read_header(tmp_path / "T.parquet")
    assert header.summary.total.retention("kaons") == summary.total.retention("kaons")
    assert set(header.summary.counts) == {"mixed", "charged"}


def test_soft_labels_stay_fractions(events: EventBatch, tmp_path: Path) -> None:
    flags = toy_flags(events, soft=True)
    write_flags(tmp_path / "R.parquet", flags)
    write_events(tmp_path / "F.parquet", events)
    build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet")
    written = read_all(tmp_path / "T.parquet")
    np.testing.assert_allclose(written.event["label_kaons"], flags["pass_fraction_kaons"], rtol=1e-6)
    assert read_header(tmp_path / "T.parquet").is_soft


def test_list_of_passing_events_labels_all_others_as_failing(events: EventBatch, tmp_path: Path) -> None:
    flags = toy_flags(events)
    passing = {name: flags[name][flags["passes_kaons"]] for name in ("experiment", "run", "evtNum")}
    write_flags(tmp_path / "R.parquet", passing)
    write_events(tmp_path / "F.parquet", events)
    options = DatasetOptions(("kaons",))
    build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet", options)
    np.testing.assert_array_equal(read_all(tmp_path / "T.parquet").event["label"], flags["passes_kaons"])
    with pytest.raises(DatasetError, match="name it with one --skim"):
        build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet")


def test_events_with_labels_of_their_own_need_no_flags(events: EventBatch, tmp_path: Path) -> None:
    flags = toy_flags(events)
    write_events(tmp_path / "F.parquet", events.with_event_columns(label=flags["passes_kaons"]))
    build_dataset([tmp_path / "F.parquet"], [], tmp_path / "T.parquet", DatasetOptions(("kaons",)))
    np.testing.assert_array_equal(read_all(tmp_path / "T.parquet").event["label_kaons"], flags["passes_kaons"])


def refused(folder: Path, flags: dict[str, np.ndarray], events: EventBatch, *, match: str, **settings: object) -> None:
    write_flags(folder / "R.parquet", flags)
    write_events(folder / "F.parquet", events)
    with pytest.raises(DatasetError, match=match) as caught:
        build_dataset(
            [folder / "F.parquet"],
            [folder / "R.parquet"],
            folder / "T.parquet",
            DatasetOptions(**settings),  # type: ignore[arg-type]
        )
    assert "\n" not in str(caught.value)
    assert not (folder / "T.parquet").exists()


def test_flags_of_another_sample_are_refused(events: EventBatch, tmp_path: Path) -> None:
    other = toy_flags(toy_events(100, 3, run=77))
    refused(tmp_path, other, events, match="flags of another sample")


def test_missing_flags_are_refused_unless_told_otherwise(events: EventBatch, tmp_path: Path) -> None:
    flags = {name: column[5:] for name, column in toy_flags(events).items()}
    refused(tmp_path, flags, events, match=r"5 of 1600 events have no flags, first \(0, 1, 0\)")
    for missing, n_rows in (("failing", 1600), ("drop", 1595)):
        options = DatasetOptions(missing=missing)  # type: ignore[arg-type]
        build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], tmp_path / "T.parquet", options)
        assert pq.ParquetFile(tmp_path / "T.parquet").metadata.num_rows == n_rows


def test_duplicates_are_refused(events: EventBatch, tmp_path: Path) -> None:
    flags = toy_flags(events)
    refused(tmp_path, flags, EventBatch.concatenate([events, events.slice(7, 8)]), match=r"\(0, 1, 7\) occurs more")
    doubled = {name: np.concatenate([column, column[:3]]) for name, column in flags.items()}
    refused(tmp_path, doubled, events, match="3 events have more than one row of flags")


def test_unknown_skim_says_which_exist(events: EventBatch, tmp_path: Path) -> None:
    refused(
        tmp_path, toy_flags(events), events, match="no flags of the skim 'kaon': did you mean 'kaons'", skims=("kaon",)
    )


@pytest.mark.parametrize(("value", "phrase"), [(True, "every event passes"), (False, "no event passes")])
def test_one_class_only_is_refused(events: EventBatch, tmp_path: Path, value: bool, phrase: str) -> None:
    flags = toy_flags(events)
    flags["passes_kaons"][:] = value
    refused(tmp_path, flags, events, match=f"{phrase} the skim 'kaons'", skims=("kaons",))


def test_one_class_of_a_part_of_a_larger_sample_is_no_mistake(tmp_path: Path) -> None:
    paths = []
    for run in (1, 2):
        events = toy_events(300, run, run=run)
        flags = toy_flags(events)
        flags["passes_kaons"] &= run == 2
        write_events(tmp_path / "F.parquet", events)
        write_flags(tmp_path / "R.parquet", flags)
        paths.append(tmp_path / f"T{run}.parquet")
        options = DatasetOptions(("kaons",), is_part=True)
        build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], paths[-1], options)
    assert merge_datasets(paths, tmp_path / "M.parquet").total.passing["kaons"] > 0
    with pytest.raises(DatasetError, match="--part where it will be trained on together"):
        merge_datasets(paths[:1], tmp_path / "N.parquet")


def test_flags_without_run_are_refused(events: EventBatch, tmp_path: Path) -> None:
    flags = toy_flags(events)
    del flags["run"]
    refused(tmp_path, flags, events, match="without the column run")


def test_contradicting_sampling_options_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="exclude one another"):
        DatasetOptions(max_failing=3, failing_per_passing=2.0)


def test_merged_data_sets_add_their_counts_and_refuse_shared_events(tmp_path: Path) -> None:
    summaries = []
    for number in (1, 2):
        sample = toy_events(400, number, run=number)
        write_events(tmp_path / "F.parquet", sample)
        write_flags(tmp_path / "R.parquet", toy_flags(sample))
        target = tmp_path / f"T{number}.parquet"
        summaries.append(build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], target))
    paths = [tmp_path / "T1.parquet", tmp_path / "T2.parquet"]
    merged = merge_datasets(paths, tmp_path / "M.parquet")
    assert merged.total.passing["kaons"] == sum(part.total.passing["kaons"] for part in summaries)
    assert len(read_all(tmp_path / "M.parquet")) == 800
    with pytest.raises(DatasetError, match="400 events occur more than once"):
        merge_datasets([paths[0], paths[0]], tmp_path / "N.parquet")


def test_a_file_that_is_no_data_set_says_how_to_make_one(sample: tuple[Path, Path]) -> None:
    with pytest.raises(DatasetError, match="make one with 'smartbkg dataset'"):
        read_header(sample[0])
