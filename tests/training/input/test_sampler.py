from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.split import TEST, TRAINING, VALIDATION, assign_split
from smartbkg.errors import DatasetError
from smartbkg.graphs import GraphRule, build_graphs
from smartbkg.training.config import DataSection, SamplingSection
from smartbkg.training.input.data import TrainingData, load_training_data
from smartbkg.training.input.graph_store import GraphStore
from smartbkg.training.input.sampler import Sampler, endless_permutation


def make(folder: Path, *, skims: tuple[str, ...] = ("kaons",), n: int = 3000, **options: object) -> TrainingData:
    events = toy_events(n, 5)
    write_events(folder / "F.parquet", events)
    write_flags(folder / "R.parquet", toy_flags(events))
    build_dataset(
        [folder / "F.parquet"],
        [folder / "R.parquet"],
        folder / "T.parquet",
        DatasetOptions(skims, **options),  # type: ignore[arg-type]
    )
    return load_training_data([folder / "T.parquet"], GraphRule(), folder)


def test_split_of_an_event_does_not_depend_on_the_others() -> None:
    ids = {"experiment": np.zeros(5000, int), "run": np.full(5000, 3), "evtNum": np.arange(5000)}
    whole = assign_split(ids, 0.2, 0.1)
    part = assign_split({name: column[1234:2345][::-1] for name, column in ids.items()}, 0.2, 0.1)
    np.testing.assert_array_equal(whole[1234:2345][::-1], part)
    fractions = np.bincount(whole, minlength=3) / 5000
    np.testing.assert_allclose(fractions[[TRAINING, VALIDATION, TEST]], [0.7, 0.2, 0.1], atol=0.02)
    assert (assign_split(ids, 0.2, 0.1, seed=1) != whole).any()


def test_any_piece_of_the_endless_permutation_is_a_piece_of_the_whole() -> None:
    whole = endless_permutation(10, 0, 50, 7)
    assert all(sorted(whole[start : start + 10]) == list(range(10)) for start in range(0, 50, 10))
    np.testing.assert_array_equal(endless_permutation(10, 13, 38, 7), whole[13:38])


def test_balanced_epochs_show_half_passing_events_and_in_time_all_failing_ones(tmp_path: Path) -> None:
    data = make(tmp_path)
    sampler = Sampler(data, SamplingSection(events_per_epoch=1000), seed=1)
    seen = set()
    for epoch in range(12):
        shown = sampler.epoch(epoch)
        assert data.label[shown, 0].sum() == 500
        assert (data.split[shown] == TRAINING).all()
        seen |= set(shown.tolist())
    assert seen == set(data.part(TRAINING).tolist())
    np.testing.assert_array_equal(sampler.epoch(3), Sampler(data, SamplingSection(events_per_epoch=1000), 1).epoch(3))


@pytest.mark.parametrize("mode", ["balanced", "natural"])
@pytest.mark.parametrize("thinning", [None, 400])
def test_importance_weights_give_back_the_natural_retention(tmp_path: Path, mode: str, thinning: int | None) -> None:
    data = make(tmp_path, skims=("kaons", "muons"), max_failing=thinning)
    sampler = Sampler(data, SamplingSection(mode=mode, events_per_epoch=40_000), seed=2)  # type: ignore[arg-type]
    shown = sampler.epoch(0)
    mean = np.average(data.label[shown], weights=sampler.weight[shown], axis=0)
    np.testing.assert_allclose(mean, sampler.retention, rtol=0.03)
    np.testing.assert_allclose(data.label[shown].mean(axis=0), sampler.training_fraction, rtol=0.03)
    assert sampler.weight[shown].mean() == pytest.approx(1, rel=0.03)


def test_graphs_come_back_from_memory_and_disk_as_they_went_in(tmp_path: Path) -> None:
    events, rule = toy_events(400, 3), GraphRule()
    graphs = build_graphs(events, rule)
    wanted = np.random.default_rng(0).permutation(400)[:170]
    expected = build_graphs(events.select(wanted), rule)
    for memory in (10**9, 30_000):
        with GraphStore(len(rule.features), tmp_path, memory) as store:
            for batch in events.chunks(64):
                store.append(build_graphs(batch, rule))
            store.finish()
            assert store.is_in_memory == (memory > 10**6)
            fetched = store.fetch(wanted)
        for name in ("offsets", "token", "feature", "mother"):
            np.testing.assert_array_equal(getattr(fetched, name), getattr(expected, name))
    assert graphs.n_events == 400
    assert not list(tmp_path.iterdir())


def test_processes_are_weighted_to_their_cross_sections(tmp_path: Path) -> None:
    paths = []
    for run, (process, n) in enumerate((("mixed", 2000), ("charged", 1000)), start=1):
        events = toy_events(n, run, process=process, run=run)
        write_events(tmp_path / "F.parquet", events)
        write_flags(tmp_path / "R.parquet", toy_flags(events))
        paths.append(tmp_path / f"T{run}.parquet")
        build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], paths[-1])
    settings = DataSection(cross_sections={"mixed": 0.51, "charged": 0.54})
    data = load_training_data(paths, GraphRule(), tmp_path, settings)
    total = np.bincount(data.process, weights=data.weight)
    assert total[0] / total[1] == pytest.approx(0.51 / 0.54)
    assert data.weight.sum() == pytest.approx(3000)
    with pytest.raises(DatasetError, match="no cross-section of the process 'mixed': did you mean 'mixd'"):
        load_training_data(paths, GraphRule(), tmp_path, DataSection(cross_sections={"mixd": 1.0}))
