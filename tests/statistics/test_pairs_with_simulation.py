"""What simulates, trains, evaluates or reweights after other verbs: the totals and shares that the truth has.

A sample is taken through every chain of verbs that may come before, and through the verb in question; what comes out
is compared with what the same verb makes of the generated events themselves. The embedded simulation gives the same
event the same result in both, so that only weights can differ.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from numpy.typing import NDArray
from verb_chains import VERBS, WEIGHTS, MomentumScorer, N, Sample, after_filter, generated

from smartbkg.closure.check import ClosureSettings
from smartbkg.closure.files import validate_files
from smartbkg.closure.reweighting_report import reweight_files
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.header import read_header
from smartbkg.evaluation.evaluate import Evaluation, evaluate
from smartbkg.evaluation.scored_dataset import score_dataset
from smartbkg.events import EventBatch
from smartbkg.events.columns import SAMPLING_WEIGHT
from smartbkg.events.weight_columns import as_kept
from smartbkg.experiment.external import simulate_file_externally
from smartbkg.experiment.simulation import simulate_file
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import score_file
from smartbkg.filtering.merge import merge_files
from smartbkg.filtering.ntuples import table_to_ntuple
from smartbkg.io import open_events
from smartbkg.io.convert import convert_events
from smartbkg.io.tables import Table, read_table
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.policies import OptimalPolicy

SKIM = "BtoXll"
#: What may have happened to events before they are simulated.
CHAINS = ["filter", "convert", "dataset", "filter filter", "filter convert", "filter dataset", "dataset filter"]
COSTS = Costs(1.0, 1.0, 100.0)


def through(sample: Sample, chain: str, folder: Path) -> Sample:
    """The sample after all verbs of a chain."""
    for number, verb in enumerate(chain.split()):
        sample = VERBS[verb](sample, folder / f"{verb}_{number}.parquet")
    return sample


def simulated(sample: Sample, output: Path) -> Table:
    simulate_file(sample.path, output, skims=[SKIM])
    return read_table(output)


def assert_sum(values: NDArray[Any], keep_probability: NDArray[Any], truth: float) -> None:
    """Σ of weights within five standard deviations of the truth."""
    error = float(np.sqrt((values.astype(np.float64) ** 2 * (1 - keep_probability)).sum()))
    assert abs(float(values.sum()) - truth) < 5 * error + 1e-6 * abs(truth), (values.sum(), truth, error)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_flags_of_a_simulation_hold_the_sums_of_all_generated_events(weights: str, tmp_path: Path) -> None:
    sample = generated(tmp_path, weights)
    everything = simulated(sample, tmp_path / "all_flags.parquet")
    for chain in CHAINS:
        (tmp_path / chain).mkdir()
        flags = simulated(through(sample, chain, tmp_path / chain), tmp_path / chain / "flags.parquet")
        q = flags.columns.get("keep_probability", np.ones(len(flags)))
        for name, chosen, of_all in (
            ("all", np.ones(len(flags), bool), np.ones(N, bool)),
            ("passing", flags[f"passes_{SKIM}"], everything[f"passes_{SKIM}"]),
            ("few tracks", flags["nTracks"] < 4, everything["nTracks"] < 4),
        ):
            truth = float(everything["weight"][of_all].sum())
            assert_sum(flags["weight"][chosen], q[chosen], truth), (chain, name)


@pytest.mark.parametrize("suffix", [".hepmc3", ".edm4hep.root", ".parquet"])
@pytest.mark.parametrize("chain", ["filter", "dataset", "filter dataset", "dataset filter"])
def test_other_formats_hold_the_sums_of_all_generated_events(chain: str, suffix: str, tmp_path: Path) -> None:
    sample = generated(tmp_path, "lognormal")
    last = through(sample, chain, tmp_path).path
    converted = tmp_path / f"converted{suffix}"
    convert_events([last], converted)
    with open_events(converted) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    if suffix == ".parquet":  # of a data set the native file is one still
        batch = as_kept(batch)
    assert_sum(batch.event["weight"], batch.event["keep_probability"], sample.sum_weight)


def test_an_external_simulation_keeps_the_weights_of_what_it_is_given(tmp_path: Path) -> None:
    sample = generated(tmp_path, "lognormal")
    program = tmp_path / "simulation.py"
    program.write_text(
        "import sys\n"
        "import pyarrow.parquet as pq\n"
        "events = pq.read_table(sys.argv[1], columns=['experiment', 'run', 'evtNum'])\n"
        "passes = [[int(number % 3 == 0) for number in events['evtNum'].to_pylist()]]\n"
        "pq.write_table(events.append_column('passes', passes), sys.argv[2])\n"
    )
    command = f"{sys.executable} {program} {{input}} {{output}} {{seed}}"
    with open_events(sample.path) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    truth = float(batch.event["weight"][batch.event["evtNum"] % 3 == 0].sum())
    for chain in ("filter", "dataset"):
        (tmp_path / chain).mkdir()
        last = through(sample, chain, tmp_path / chain)
        output = tmp_path / chain / "flags.parquet"
        simulate_file_externally([last.path], output, command, skim=SKIM)
        flags = read_table(output)
        passes = flags[f"passes_{SKIM}"].astype(bool)
        q = flags.columns.get("keep_probability", np.ones(len(flags)))
        assert_sum(flags["weight"][passes], q[passes], truth)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("chain", ["filter", "dataset", "filter filter", "dataset filter"])
def test_what_follows_a_simulation_finds_the_truth(chain: str, weights: str, tmp_path: Path) -> None:
    sample = generated(tmp_path, weights)
    everything = simulated(sample, tmp_path / "all_flags.parquet")
    passes = everything[f"passes_{SKIM}"].astype(bool)
    last = through(sample, chain, tmp_path)
    flags = simulated(last, tmp_path / "flags.parquet")

    build_dataset([last.path], [tmp_path / "flags.parquet"], tmp_path / "of_kept.parquet", DatasetOptions())
    found = read_header(tmp_path / "of_kept.parquet").summary.total
    n_passing = int(flags[f"passes_{SKIM}"].sum())
    assert found.retention(SKIM) == pytest.approx(float(passes.mean()), rel=5 / np.sqrt(n_passing))
    assert found.n_events == pytest.approx(N, rel=0.15)
    if "filter" not in chain:
        return
    truth = float(everything["weight"][passes].sum())
    table_to_ntuple(tmp_path / "flags.parquet", [last.path], tmp_path / "n.root")
    with uproot.open(tmp_path / "n.root") as file:
        tree = file["events"].arrays(["weight", "keep_probability", f"passes_{SKIM}"], library="np")
    chosen = tree[f"passes_{SKIM}"].astype(bool)
    assert_sum(tree["weight"][chosen], tree["keep_probability"][chosen], truth)

    settings = ClosureSettings(n_replicas=400, n_coverage_seeds=0)
    variables = ("nTracks", "visibleEnergy", "E_ECL")
    found_right = validate_files(
        last.path, tmp_path / "all_flags.parquet", SKIM, variables=variables, settings=settings
    )
    assert found_right.is_compatible, found_right


@pytest.mark.parametrize("weights", WEIGHTS)
def test_merged_files_are_simulated_like_their_parts(weights: str, tmp_path: Path) -> None:
    samples = [generated(tmp_path, weights, f"e{k}", k) for k in (1, 2)]
    truth = sum(
        float((table := simulated(one, tmp_path / f"all{k}.parquet"))["weight"][table[f"passes_{SKIM}"]].sum())
        for k, one in enumerate(samples)
    )
    kept = [after_filter(one, tmp_path / f"k{k}.parquet").path for k, one in enumerate(samples)]
    merge_files(kept, tmp_path / "merged.parquet")
    simulate_file(tmp_path / "merged.parquet", tmp_path / "flags.parquet", skims=[SKIM])
    flags = read_table(tmp_path / "flags.parquet")
    passes = flags[f"passes_{SKIM}"].astype(bool)
    assert_sum(flags["weight"][passes], flags["keep_probability"][passes], truth)


def evaluated(path: Path) -> Evaluation:
    settings = ClosureSettings(n_replicas=200, n_coverage_seeds=0, with_pairs=False)
    return evaluate(path, MomentumScorer(), "tag", policy=None, costs=COSTS, settings=settings)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_an_evaluation_of_kept_events_finds_the_speed_up_of_all(weights: str, tmp_path: Path) -> None:
    sample = generated(tmp_path, weights)
    build_dataset([sample.path], [sample.flags], tmp_path / "all.parquet")
    truth = evaluated(tmp_path / "all.parquet")
    for chain in ("filter", "filter dataset", "dataset filter"):
        (tmp_path / chain).mkdir()
        last = through(sample, chain, tmp_path / chain)
        dataset = tmp_path / chain / "d.parquet"
        build_dataset([last.path], [last.flags], dataset, DatasetOptions(missing="drop"))
        found = evaluated(dataset)
        assert found.closure.is_compatible, chain
        for one, other in (
            (found.outlook.speed_up.value, truth.outlook.speed_up.value),
            (found.outlook.kept_fraction, truth.outlook.kept_fraction),
            (found.plan.retention[0], truth.plan.retention[0]),
        ):
            assert one == pytest.approx(other, rel=0.15), chain


@pytest.mark.parametrize("weights", WEIGHTS)
def test_reweighting_of_kept_events_finds_the_shares_of_all(weights: str, tmp_path: Path) -> None:
    sample = generated(tmp_path, weights)
    everything = reweighted(sample, tmp_path)
    kept = through(sample, "filter", tmp_path)
    of_kept = reweighted(kept, tmp_path, "kept_")
    lost = everything.trained.metrics.lost_fraction
    assert of_kept.trained.metrics.lost_fraction == pytest.approx(lost, abs=0.05)
    for mode, other in zip(of_kept.modes, everything.modes, strict=True):
        assert mode.simulated_fraction == pytest.approx(other.simulated_fraction, rel=0.1), mode.mode
        assert mode.effective_per_cost == pytest.approx(other.effective_per_cost, rel=0.25), mode.mode
        assert mode.yield_bias == pytest.approx(other.yield_bias, abs=0.15), mode.mode


def reweighted(sample: Sample, folder: Path, name: str = "all_") -> Any:
    simulated(sample, folder / f"{name}flags.parquet")
    score_file(sample.path, folder / f"{name}scores.parquet", MomentumScorer(), settings={})
    return reweight_files(
        folder / f"{name}flags.parquet", folder / f"{name}scores.parquet", 0.2, SKIM, ("nTracks", "E_ECL"), COSTS
    )


def test_a_model_trained_on_kept_events_knows_the_retention_of_all(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from smartbkg.networks.bundle import load_bundle
    from smartbkg.networks.model_file import load_scorer
    from smartbkg.training.config import TrainingConfig
    from smartbkg.training.run import train

    config = TrainingConfig.model_validate(
        {
            "network": {"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2},
            "optimiser": {"epochs": 1},
            "run": {"threads": 1},
        }
    )
    sample = generated(tmp_path, "lognormal")
    for chain in ("", "filter", "dataset filter"):
        folder = tmp_path / (chain or "all")
        folder.mkdir()
        last = through(sample, chain, folder)
        build_dataset([last.path], [last.flags], folder / "d.parquet", DatasetOptions(missing="drop"))
        train([folder / "d.parquet"], folder / "m.safetensors", config)
        bundle = load_bundle(folder / "m.safetensors")
        assert bundle.training["retention"]["tag"] == pytest.approx(sample.retention, rel=0.15), chain
        # the mean of calibrated scores over all generated events is the share of them that passes
        build = tmp_path / "all_events.parquet"
        build_dataset([sample.path], [sample.flags], build)
        scored = score_dataset(build, load_scorer(folder / "m.safetensors"), training=None)
        assert float(scored.events.score.mean()) == pytest.approx(sample.retention, rel=0.2), chain


def test_rows_that_stand_for_one_event_and_rows_that_stand_for_several_are_filtered_alike(tmp_path: Path) -> None:
    """A data set whose first rows all pass, so that whole batches stand for themselves and others do not."""
    sample = generated(tmp_path, "1")
    flags = read_table(sample.flags)
    order = np.argsort(~flags["passes_tag"], kind="stable")
    with open_events(sample.path) as reader:
        batch = EventBatch.concatenate(list(reader.batches())).select(order)
    stands_for = np.where(flags["passes_tag"][order], 1.0, 2.0)
    event_filter = EventFilter(MomentumScorer(), OptimalPolicy(1.5, 10.0), seed=0)
    batches = [
        part.with_event_columns(**{SAMPLING_WEIGHT: stands_for[start : start + 250]})
        for start in range(0, N, 250)
        for part in [batch.slice(start, start + 250)]
    ]
    kept = [event_filter.kept(one, decision) for one, decision in event_filter.stream(iter(batches))]
    assert len({tuple(sorted(one.event)) for one in kept}) == 1
    total = float(sum(one.event["weight"].sum() for one in kept))
    values = np.concatenate([one.event["weight"] for one in kept])
    q = np.concatenate([one.event["keep_probability"] for one in kept])
    assert abs(total - stands_for.sum()) < 5 * np.sqrt((values**2 * (1 - q)).sum())
