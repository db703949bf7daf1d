"""Examples in the help of each verb. They follow one another, from generated events to a weighted n-tuple.

A test runs them all as they stand, in this order and in one folder, which also holds ``analysis.csv``: rows of an
analysis with the columns ``__experiment__``, ``__run__``, ``__event__`` and ``Mbc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

#: verb → commands.
EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("smartbkg demo", "smartbkg demo --events 4000 -o small-demo"),
    "doctor": ("smartbkg doctor",),
    "generate": (
        "smartbkg generate --process mixed --events 4000 --seed 1 -o events.parquet",
        "smartbkg generate --process mixed --events 1000 --seed 1 --run 2 -o fresh.parquet",
    ),
    "simulate": (
        "smartbkg simulate events.parquet --skim feiHadronicB0 --jobs 2 -o flags.parquet",
        "smartbkg simulate fresh.parquet --skim feiHadronicB0 --detector alternative -o fresh-flags.parquet",
    ),
    "oracle": ("smartbkg oracle fresh.parquet --skim feiHadronicB0 --replicas 4 --soft-labels oracle.parquet",),
    "flag": ("smartbkg flag analysis.csv --cut 'Mbc > 5.27' --events events.parquet --skim mine -o mine.parquet",),
    "dataset": (
        "smartbkg dataset events.parquet --flags flags.parquet -o dataset.parquet",
        "smartbkg dataset events.parquet --flags flags.parquet --failing-per-passing 5 -o thinned.parquet",
    ),
    "config init": ("smartbkg config init training.yaml",),
    "config validate": ("smartbkg config validate training.yaml",),
    "config dump": ("smartbkg config dump training.yaml --set optimiser.epochs=5",),
    "config schema": ("smartbkg config schema > training.schema.json",),
    "train": (
        "smartbkg train dataset.parquet --skim feiHadronicB0 --epochs 1 -o model.safetensors",
        "smartbkg train thinned.parquet --config training.yaml --set optimiser.epochs=1 -o other.safetensors",
    ),
    "calibrate": (
        "smartbkg calibrate model.safetensors dataset.parquet --surrogate alternative --replicas 8 -o both.safetensors",
    ),
    "evaluate": ("smartbkg evaluate model.safetensors dataset.parquet --t-sim 30 -o report.html",),
    "plan": (
        "smartbkg plan model.safetensors dataset.parquet --t-gen 0.1 --t-filter 0.01 --t-sim 30 --effective 10000",
        "smartbkg plan model.safetensors dataset.parquet --max-weight 10 -o planned.safetensors",
    ),
    "filter": (
        "smartbkg filter fresh.parquet --model model.safetensors --seed 1 --scores scores.parquet -o kept.parquet",
        "smartbkg filter 'ev*.parquet' --model model.safetensors --seed 1 -o kept-others.parquet",
        "smartbkg convert fresh.parquet - | smartbkg filter - --model model.safetensors --seed 1 -o kept.hepmc3.gz",
    ),
    "campaign init": ("smartbkg campaign init production --process mixed --events 200 --chunk-events 100 --seed 1",),
    "campaign validate": ("smartbkg campaign validate production",),
    "campaign dump": ("smartbkg campaign dump production --set events=1000000",),
    "campaign schema": ("smartbkg campaign schema > campaign.schema.json",),
    "campaign plan": ("smartbkg campaign plan production --events 200",),
    "campaign submit": ("smartbkg campaign submit production --on slurm --array --dry-run",),
    "campaign run": ("smartbkg campaign run production", "smartbkg campaign run production --chunk 0"),
    "campaign status": ("smartbkg campaign status production --page status.html",),
    "campaign retry": ("smartbkg campaign retry production",),
    "campaign report": ("smartbkg campaign report production",),
    "campaign merge": ("smartbkg campaign merge production -o produced.parquet",),
    "score": ("smartbkg score events.parquet --model model.safetensors -o event-scores.parquet",),
    "validate": (
        "smartbkg validate kept.parquet fresh-flags.parquet --scores scores.parquet",
        "smartbkg validate kept.parquet --events fresh.parquet --resamples 200 -o closure.json",
    ),
    "reweight": (
        "smartbkg reweight flags.parquet event-scores.parquet --threshold 0.02 --t-sim 30 -o reweighter.safetensors",
    ),
    "merge": ("smartbkg merge kept.parquet kept-others.parquet -o merged.parquet",),
    "ntuple": ("smartbkg ntuple fresh-flags.parquet kept.parquet -o weighted.root",),
    "convert": ("smartbkg convert fresh.parquet fresh.hepmc3.gz", "smartbkg convert fresh.hepmc3.gz again.parquet"),
    "info": ("smartbkg info kept.parquet", "smartbkg convert fresh.parquet - | smartbkg info - --max-events 100"),
    "show": (
        "smartbkg show events.parquet --event 7",
        "smartbkg show events.parquet --model model.safetensors -o event.svg",
    ),
    "model info": ("smartbkg model info model.safetensors",),
    "model convert": (
        "smartbkg model convert model.safetensors model.pth",
        "smartbkg model convert model.pth converted.safetensors --skim feiHadronicB0",
    ),
    "export": (
        "smartbkg export model.safetensors --onnx model.onnx --config model.json",
        "smartbkg export model.safetensors --onnx batched.onnx --batched",
    ),
    "conditions put": ("smartbkg conditions put models-2025 mine model.safetensors --new --at store",),
    "conditions tags": ("smartbkg conditions tags --at store",),
    "conditions show": ("smartbkg conditions show models-2025 --at store",),
    "conditions get": ("smartbkg conditions get models-2025 mine --at store -o fetched.safetensors",),
    "conditions copy-tag": ("smartbkg conditions copy-tag models-2025 models-2026 --at store",),
    "conditions publish": ("smartbkg conditions publish models-2025 --at store",),
    "conditions verify": ("smartbkg conditions verify --at store",),
    "conditions serve": ("smartbkg conditions serve --at store --port 8765",),
    "basf2 path": ("export PYTHONPATH=$(smartbkg basf2 path):$PYTHONPATH",),
    "basf2 check": ("smartbkg basf2 check", "smartbkg basf2 check --self-test mdst.root"),
}


def add_examples(command: click.Command, name: str) -> None:
    """Put the examples of a verb, or of all verbs of a group, behind its help."""
    if isinstance(command, click.Group):
        for child, verb in command.commands.items():
            add_examples(verb, f"{name} {child}")
        return
    lines = EXAMPLES.get(name, ())
    if lines:
        command.epilog = "\b\n" + "\n".join(["Example:" if len(lines) == 1 else "Examples:", *map(_indented, lines)])


def _indented(line: str) -> str:
    return f"  {line}"


__all__ = ["EXAMPLES", "add_examples"]
