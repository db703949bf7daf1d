"""What training holds of its data sets, and what it refuses before any step is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.split import TEST, TRAINING, VALIDATION
from smartbkg.errors import DatasetError
from smartbkg.graphs import GraphRule
from smartbkg.training.config import DataSection
from smartbkg.training.input.data import LEAST_PASSING, TrainingData, load_training_data


def dataset(folder: Path, run: int = 1, n: int = 1500, skims: tuple[str, ...] = ("all",), **changes: object) -> Path:
    events = toy_events(n, run, run=run, process="mixed" if run == 1 else "charged")
    flags = toy_flags(events, run)
    output = folder / f"T{run}.parquet"
    build_dataset(
        [write_events(folder / f"F{run}.parquet", events)], [write_flags(folder / f"R{run}.parquet", flags)], output,
        DatasetOptions(skims, **changes),  # type: ignore[arg-type]
    )  # fmt: skip
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    dataset(path, 1)
    dataset(path, 2, skims=("muons",))
    return path


def load(folder: Path, *runs: int, variables: tuple[str, ...] = (), **settings: object) -> TrainingData:
    paths = [folder / f"T{run}.parquet" for run in runs]
    return load_training_data(paths, GraphRule(), folder, DataSection(**settings), variables)  # type: ignore[arg-type]


def test_a_skim_that_was_not_run_on_a_file_is_masked_there(folder: Path) -> None:
    data = load(folder, 1, 2)
    assert set(data.skims) == {"kaons", "muons"}
    of_second = data.process == data.process_names.index("charged")
    assert np.isnan(data.label[of_second, data.skims.index("kaons")]).all()
    assert np.isfinite(data.label[~of_second]).all()
    everything = np.arange(len(data))
    retention = data.retention(everything)[data.skims.index("kaons")]
    assert retention == pytest.approx(data.label[~of_second, data.skims.index("kaons")].mean())


def test_parts_cover_every_event_once_and_the_split_seed_moves_them(folder: Path) -> None:
    data = load(folder, 1, validation_fraction=0.3, test_fraction=0.2)
    parts = [data.part(which) for which in (TRAINING, VALIDATION, TEST)]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(data)))
    assert (load(folder, 1, validation_fraction=0.3, split_seed=1).split != data.split).any()


def test_the_digest_changes_with_labels_not_with_the_split(folder: Path) -> None:
    data = load(folder, 1)
    assert load(folder, 1, split_seed=9).digest == data.digest
    assert load(folder, 1, skims=("kaons",)).digest != data.digest


def test_wanted_variables_are_kept_and_unknown_ones_named(folder: Path) -> None:
    data = load(folder, 1, variables=("Mbc",))
    assert set(data.variables) == {"Mbc"}
    assert data.variables["Mbc"].shape == (len(data),)
    with pytest.raises(DatasetError, match="no event-level variable 'Mbb': did you mean 'Mbc'"):
        load(folder, 1, variables=("Mbb",))


def test_unknown_skims_and_other_graph_rules_are_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match="no labels of the skim 'kaon': did you mean 'kaons'"):
        load(folder, 1, skims=("kaon",))


def test_events_that_come_twice_would_be_in_two_parts(folder: Path) -> None:
    with pytest.raises(DatasetError, match="1500 events occur more than once, so that training, validation and test"):
        load(folder, 1, 1)


def test_too_few_passing_events_are_refused_before_training(tmp_path: Path) -> None:
    dataset(tmp_path, 1, n=60, skims=("kaons",))
    with pytest.raises(DatasetError, match=rf"for (training|validation), at least {LEAST_PASSING} of each are needed"):
        load(tmp_path, 1)


def test_a_mixture_by_cross_section_keeps_the_number_of_events(folder: Path) -> None:
    data = load(folder, 1, 2, cross_sections={"mixed": 3.0, "charged": 1.0}, skims=("muons",))
    total = np.bincount(data.process, weights=data.weight)
    ratio = total[data.process_names.index("mixed")] / total[data.process_names.index("charged")]
    assert ratio == pytest.approx(3.0)
    assert data.weight.sum() == pytest.approx(len(data))
