"""A sample through every ordered pair of verbs that can follow one another: each time the totals that the truth has.

The verbs that read and write events are filter, convert, merge and dataset; those that only read them are score,
ntuple, validate and plan. Whatever came before, an event stands for `weight` of the generated weights, and a row of a
data set for `sampling_weight` generated events of the generator's weight. So sums and retention can be told from any
file, and compared with the truth within their own error.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot
from synthetic import random_events
from verb_chains import VERBS, WEIGHTS, MomentumScorer, N, Sample, after_filter, check, generated

from smartbkg.closure.check import ClosureSettings
from smartbkg.closure.files import validate_files
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.combine import merge_datasets
from smartbkg.events import EventBatch
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import filter_file, score_file
from smartbkg.filtering.merge import merge_files
from smartbkg.filtering.ntuples import table_to_ntuple
from smartbkg.io import open_events
from smartbkg.io.tables import read_table, write_table
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.optimal import solve_optimal
from smartbkg.sampling.plan import make_plan
from smartbkg.sampling.policies import OptimalPolicy
from smartbkg.sampling.weights import generator_weights, sampling_weights
from smartbkg.storage.provenance import record


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("first", "second"), list(itertools.product(VERBS, VERBS)))
def test_two_verbs_one_after_the_other_keep_totals_and_retention(
    first: str, second: str, weights: str, tmp_path: Path
) -> None:
    sample = generated(tmp_path, weights)
    sample = VERBS[first](sample, tmp_path / f"{first}_1.parquet")
    check(sample)
    check(VERBS[second](sample, tmp_path / f"{second}_2.parquet"))


@pytest.mark.parametrize("second", ["filter", "convert", "dataset", "merge"])
def test_what_follows_a_merge_keeps_totals(second: str, tmp_path: Path) -> None:
    parts = [after_filter(generated(tmp_path, "lognormal", f"e{k}", k), tmp_path / f"k{k}.parquet") for k in (1, 2, 3)]
    merge_files([parts[0].path, parts[1].path], tmp_path / "merged.parquet")
    flags = tmp_path / "all_flags.parquet"
    if second == "merge":
        merge_files([tmp_path / "merged.parquet", parts[2].path], tmp_path / "second.parquet")
        last, n, total = tmp_path / "second.parquet", 3 * N, sum(part.sum_weight for part in parts)
    else:
        tables = [read_table(part.flags) for part in parts[:2]]
        write_table(
            flags,
            {name: np.concatenate([table[name] for table in tables]) for name in tables[0].columns},
            record("flags", 1, {}),
        )
        merged = Sample(tmp_path / "merged.parquet", flags, 0.0, 0.0)
        last = VERBS[second](merged, tmp_path / "second.parquet").path
        n, total = 2 * N, sum(part.sum_weight for part in parts[:2])
    with open_events(last) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    stands_for, w = sampling_weights(batch.event), generator_weights(batch.event)
    for values, truth in ((stands_for * w, total), (stands_for, float(n))):
        assert abs(values.sum() - truth) < 5 * np.sqrt((values**2 * (1 - 1 / stands_for)).sum())


CHAINS = ["filter", "filter filter", "filter convert", "convert filter", "filter convert filter"]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("chain", CHAINS)
def test_verbs_that_read_a_filtered_sample_find_the_truth(chain: str, weights: str, tmp_path: Path) -> None:
    first = sample = generated(tmp_path, weights)
    for number, verb in enumerate(chain.split()):
        sample = VERBS[verb](sample, tmp_path / f"{verb}_{number}.parquet")
    flags = read_table(sample.flags)
    with open_events(first.path) as reader:
        w = np.concatenate([batch.event["weight"] for batch in reader.batches()])
    truth = float(w[flags["passes_tag"]].sum())

    table_to_ntuple(sample.flags, [sample.path], tmp_path / "n.root")
    with uproot.open(tmp_path / "n.root") as file:
        tree = file["events"].arrays(["weight", "keep_probability", "passes_tag"], library="np")
    passes = tree["passes_tag"].astype(bool)
    values, q = tree["weight"][passes], tree["keep_probability"][passes]
    assert abs(values.sum() - truth) < 5 * np.sqrt((values**2 * (1 - q)).sum()) + 1e-6 * abs(truth)

    score_file(sample.path, tmp_path / "scores.parquet", MomentumScorer(), settings={})
    scores = read_table(tmp_path / "scores.parquet")
    assert len(scores) == len(tree["weight"])

    found = validate_files(
        sample.path,
        sample.flags,
        "tag",
        events=first.path,
        settings=ClosureSettings(n_replicas=400, n_coverage_seeds=0),
    )
    assert found.is_compatible, found


def plan_of(path: Path) -> tuple[float, OptimalPolicy]:
    with open_events(path) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    scorer = MomentumScorer()
    events = LabelledEvents.from_arrays(
        scorer.calibrate(scorer.logits(batch)),
        batch.event["label"],
        weight=generator_weights(batch.event),
        multiplicity=sampling_weights(batch.event),
    )
    plan = make_plan(events, Costs(1.0, 1.0, 100.0), n_replicas=20)
    return plan.outlooks[0].speed_up.value, plan.recommended


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_plan_on_kept_events_finds_the_speed_up_of_all(weights: str, tmp_path: Path) -> None:
    sample = generated(tmp_path, weights)
    build_dataset([sample.path], [sample.flags], tmp_path / "all.parquet")
    kept = after_filter(sample, tmp_path / "kept.parquet")
    again = after_filter(kept, tmp_path / "again.parquet")
    build_dataset([again.path], [again.flags], tmp_path / "of_again.parquet", DatasetOptions(missing="drop"))
    build_dataset([kept.path], [kept.flags], tmp_path / "of_kept.parquet", DatasetOptions(missing="drop"))
    (whole, policy), (part, of_kept) = plan_of(tmp_path / "all.parquet"), plan_of(tmp_path / "of_kept.parquet")
    assert part == pytest.approx(whole, rel=0.1)
    assert of_kept.lambda_ == pytest.approx(policy.lambda_, rel=0.1)
    of_again, twice = plan_of(tmp_path / "of_again.parquet")
    assert of_again == pytest.approx(whole, rel=0.2)
    assert twice.lambda_ == pytest.approx(policy.lambda_, rel=0.2)


def test_the_unit_of_generator_weights_changes_no_decision(tmp_path: Path) -> None:
    kept = []
    for weights in ("0.01", "1", "100"):
        (tmp_path / weights).mkdir()
        sample = generated(tmp_path / weights, weights)
        build_dataset([sample.path], [sample.flags], tmp_path / weights / "d.parquet")
        _, policy = plan_of(tmp_path / weights / "d.parquet")
        event_filter = EventFilter(MomentumScorer(), policy, seed=0)
        filter_file(sample.path, tmp_path / weights / "kept.parquet", event_filter, settings={"seed": 0})
        with open_events(tmp_path / weights / "kept.parquet") as reader:
            kept.append(EventBatch.concatenate(list(reader.batches())).event["evtNum"].tolist())
    assert kept[0] == kept[1] == kept[2]
    assert 0 < len(kept[0]) < N


def test_scaling_all_weights_changes_nothing_where_they_differ(tmp_path: Path) -> None:
    batch = random_events(N, seed=1)
    w = np.random.default_rng(1).lognormal(0, 0.5, N)
    score = MomentumScorer().calibrate(MomentumScorer().logits(batch))[:, 0]
    q = [solve_optimal(score, Costs(), weight=s * w).keep_probability(score, weight=s * w) for s in (0.01, 1.0, 100.0)]
    np.testing.assert_allclose(q[0], q[1], rtol=1e-9)
    np.testing.assert_allclose(q[2], q[1], rtol=1e-9)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_data_set_thinned_twice_still_stands_for_all_events(weights: str, tmp_path: Path) -> None:
    """The second choice of failing events must not go by the numbers of the first, whatever their seeds."""
    sample = generated(tmp_path, weights)
    flags = [sample.flags]
    build_dataset([sample.path], flags, tmp_path / "once.parquet", DatasetOptions(failing_per_passing=1.5))
    twice = tmp_path / "dataset_twice.parquet"
    build_dataset([tmp_path / "once.parquet"], [], twice, DatasetOptions(failing_per_passing=0.7))
    with open_events(twice) as reader:
        n_failing = int(sum((~batch.event["label"]).sum() for batch in reader.batches()))
    assert n_failing == pytest.approx(0.7 * sample.retention * N, rel=0.2)
    check(replace(sample, path=twice))


def test_merged_data_sets_remember_the_draws_of_their_events(tmp_path: Path) -> None:
    """Filtered by the same numbers again, the events of a merged data set would be biased."""
    samples = [generated(tmp_path, "1", f"e{k}", k) for k in (1, 2)]
    parts = []
    for number, sample in enumerate(samples):
        kept = after_filter(sample, tmp_path / f"k{number}.parquet")
        parts.append(tmp_path / f"d{number}.parquet")
        build_dataset([kept.path], [sample.flags], parts[-1], DatasetOptions(missing="drop"))
    merge_datasets(parts, tmp_path / "merged.parquet")
    merged = Sample(tmp_path / "merged.parquet", samples[0].flags, sum(s.sum_weight for s in samples), 0.0)
    again = after_filter(merged, tmp_path / "again.parquet")
    with open_events(again.path) as reader:
        assert len(reader.metadata["draws"]) == 2
        weight = np.concatenate([batch.event["weight"] for batch in reader.batches()])
        assert reader.totals is not None
        assert reader.totals.n_events == 2 * N
    assert abs(weight.sum() - 2 * N) < 5 * np.sqrt((weight**2).sum())
