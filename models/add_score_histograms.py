"""Adds histograms of scores to the models in the package, by which a campaign sees whether its events are like theirs.

Run: python models/add_score_histograms.py [--events 100000]
Fresh events of each process that a model was trained on are generated and scored; weights, calibration and policy stay
as they are. `make_models.py` makes models that have their histograms from training.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from make_models import RECIPES

from smartbkg.conditions.location import packaged_folder
from smartbkg.conditions.packaged import DEFAULT_PAYLOAD, DEFAULT_TAG, build_packaged_store
from smartbkg.conditions.store import ConditionsStore
from smartbkg.experiment.generator.generate import generate_events
from smartbkg.networks.bundle import load_bundle, save_bundle
from smartbkg.networks.model_file import load_scorer
from smartbkg.scores.histogram import BY_PROCESS, TOGETHER, histograms

#: Payload → its recipe: what it was trained on.
PAYLOADS = {"GATGAPgen.safetensors": "gatgap", "SmartBackground": "smartbackground"}
SEED, RUN = 31, 90_001


def with_histograms(model: Path, processes: Iterable[str], n_events: int) -> dict[str, object]:
    """The model's metrics with histograms of the scores of fresh events, by process and together."""
    scorer, bundle = load_scorer(model), load_bundle(model)
    by_process = {}
    for process in processes:
        batches = generate_events(process, n_events, SEED, experiment=0, run=RUN, first_event=1)
        score = np.concatenate([scorer.scores(batch) for batch in batches]).reshape(-1, len(bundle.skims))
        by_process[process] = histograms(score, np.ones(len(score)), bundle.skims)
    together = {skim: np.sum([found[skim] for found in by_process.values()], axis=0).tolist() for skim in bundle.skims}
    return {**bundle.metrics, TOGETHER: together, BY_PROCESS: by_process}


def main(arguments: Sequence[str]) -> None:
    """Rewrite the models of the packaged store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000, help="of each model, its processes together")
    chosen = parser.parse_args(arguments)
    store = ConditionsStore(packaged_folder(), is_immutable=True)
    recipes = {recipe.name: recipe for recipe in RECIPES}
    with tempfile.TemporaryDirectory() as name:
        files = {}
        for payload in store.payloads(DEFAULT_TAG):
            files[payload.name] = Path(name) / Path(payload.name).with_suffix(
                ".pth" if payload.name == DEFAULT_PAYLOAD else ".safetensors"
            )
            shutil.copyfile(store.path_of(payload), files[payload.name])
        for payload_name, recipe in PAYLOADS.items():
            model, processes = files[payload_name], list(recipes[recipe].training)
            metrics = with_histograms(model, processes, chosen.events // len(processes))
            save_bundle(model, replace(load_bundle(model), metrics=metrics))
            click.echo(f"{payload_name}: scores of {', '.join(processes)}")
        build_packaged_store(files, description="models that come with smartbkg")


if __name__ == "__main__":
    main(sys.argv[1:])
