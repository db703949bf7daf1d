"""Every verb with small inputs: the words of each, the files that they read, and the verbs that only print."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from click.testing import CliRunner
from filtered_sample import make_chain, make_model
from small_campaign import small_settings, write_config
from toy_surrogate import passes, toy_events

from smartbkg.campaign.folder import CampaignFolder
from smartbkg.conditions import ConditionsStore, Interval
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.io import create_events
from smartbkg.io.tables import write_table
from smartbkg.sampling import ExponentialPolicy
from smartbkg.scores.calibration import Affine
from smartbkg.storage.configuration import as_yaml
from smartbkg.storage.kinds import EVENTS, FLAGS, SCORES
from smartbkg.storage.provenance import record
from smartbkg.training.config import TrainingConfig

N_EVENTS: Final = 400

_NETWORK: Final = "--epochs 1 --threads 1 --network gatgap --set network.units=8 --set network.n_layers=2"
_FILTER: Final = "filter {events} --model {model} --skim first --policy score --seed 1"

#: Verb → its words; ``{out}`` is the folder that a fault concerns, ``{name}`` the stem of the output there.
WRITING: Final[Mapping[str, str]] = {
    "generate": "generate --process taupair --events 5 --seed 1 --output {out}/{name}.parquet",
    "simulate": "simulate {events} --skim TauGeneric --output {out}/{name}.parquet",
    "simulate by a program": "simulate {events} --skim mine --simulation {program} --output {out}/{name}.parquet",
    "oracle": "oracle {few} --skim TauGeneric --replicas 4 --soft-labels {out}/{name}.parquet",
    "flag": "flag {csv} --skim first --output {out}/{name}.parquet",
    "dataset": "dataset {events} --flags {flags} --skim all --output {out}/{name}.parquet",
    "config": "config init {out}/{name}.yaml",
    "train": "train {toy} --output {out}/{name}.safetensors " + _NETWORK,
    "calibrate": "calibrate {toy} --surrogate {program} --replicas 4 --skim mine --output {out}/{name}.safetensors",
    "evaluate": "evaluate {model} {dataset} --skim first --output {out}/{name}.html",
    "plan": "plan {model} {dataset} --skim first --resamples 2 --output {out}/{name}.safetensors",
    "plan with a picture": "plan {model} {dataset} --skim first --resamples 2 --picture {out}/{name}.svg",
    "filter": _FILTER + " --output {out}/{name}.parquet",
    "filter to text": _FILTER + " --output {out}/{name}.hepmc3.gz",
    "filter with scores": _FILTER + " --output {elsewhere}/k.parquet --scores {out}/{name}.parquet",
    "score": "score {events} --model {model} --output {out}/{name}.parquet",
    "validate": "validate {kept} {flags} --skim first --resamples 100 --no-pairs --significance 0.05 "
    "--json {out}/{name}.json",
    "reweight": "reweight {many_flags} {many_scores} --threshold 0.5 --skim mine --output {out}/{name}.safetensors",
    "merge": "merge {kept} {kept_too} --output {out}/{name}.parquet",
    "ntuple": "ntuple {flags} {kept} --output {out}/{name}.root",
    "convert": "convert {events} {out}/{name}.hepmc3.zst",
    "convert to Parquet": "convert {events} {out}/{name}.parquet",
    "show": "show {events} --output {out}/{name}.svg",
    "model convert": "model convert {model_of_one} {out}/{name}.pth",
    "export": "export {model_of_one} --onnx {out}/{name}.onnx",
    "export for basf2": "export {for_basf2} --basf2 {codes} --output {out}/{name}",
    "conditions get": "conditions get SmartBKG_GATGAP GATGAPgen.pth --at package --output {out}/{name}.pth",
    "conditions put": "conditions put New model {model} --new --at {out}/{name}",
    "conditions copy-tag": "conditions copy-tag Main Copy --at {out}/{name}",
    "conditions publish": "conditions publish Main --at {out}/{name}",
    "campaign init": "campaign init {out}/{name} --events 100",
    "campaign run": "campaign run {out}/{name} --chunk 0",
    "campaign submit": "campaign submit {out}/{name} --on slurm --array --dry-run",
    "campaign retry": "campaign retry {out}/{name}",
    "campaign merge": "campaign merge {campaign} --output {out}/{name}.parquet",
    "campaign status": "campaign status {campaign} --page {out}/{name}.html",
    "demo": "demo --events 4000 --output {out}/{name} --threads 1",
}
#: Verb → its words; it writes to standard output.
PRINTING: Final[Mapping[str, str]] = {
    "info": "info {events}",
    "show": "show {events}",
    "model": "model info {model}",
    "plan": "plan {model} {dataset} --skim first --resamples 2",
    "validate": "validate {kept} {flags} --skim first --resamples 100 --no-pairs --significance 0.05",
    "config dump": "config dump",
    "config schema": "config schema",
    "conditions tags": "conditions tags --at package",
    "conditions show": "conditions show SmartBKG_GATGAP --at package",
    "conditions verify": "conditions verify --at package",
    "conditions serve": "conditions serve --port 0 --at package",
    "campaign plan": "campaign plan {campaign}",
    "campaign status": "campaign status {campaign}",
    "campaign status for programs": "campaign status {campaign} --json",
    "campaign report": "campaign report {campaign}",
    "campaign dump": "campaign dump {campaign}",
    "campaign validate": "campaign validate {campaign}",
    "campaign schema": "campaign schema",
    "config validate": "config validate {config}",
    "filter": _FILTER + " --output -",
    "convert": "convert {events} -",
    "basf2": "basf2 path",
    "doctor": "doctor",
    "doctor for programs": "doctor --json",
    "help": "--help",
    "version": "--version",
}
#: Verbs that read events, which may come from standard input.
PIPED: Final = (
    "score", "convert", "info", "show", "filter", "simulate", "oracle", "dataset", "evaluate", "plan", "train",
    "calibrate",
)  # fmt: skip

_PROGRAM: Final = """#!{python}
import sys
import pyarrow.parquet as pq
events = pq.read_table(sys.argv[1], columns=["experiment", "run", "evtNum"]).to_pylist()
with open(sys.argv[2], "w") as file:
    file.write("experiment,run,evtNum,passes_mine\\n")
    for event in events:
        file.write("%d,%d,%d,%d\\n" % (*event.values(), hash(tuple(event.values())) % 3 == 0))
"""


def _parts(word: str, given: str) -> list[str]:
    """A word as it is, or as several where it stands for options."""
    return word.split() if given == "{codes}" else [word]


class Materials:
    """Inputs of all verbs in a folder."""

    def __init__(self, folder: Path) -> None:
        model = make_model(folder / "model.safetensors")
        chain = make_chain(folder, N_EVENTS, model=model)
        too = make_chain(folder / "too", N_EVENTS, model=model, first_event=N_EVENTS)
        program = folder / "program"
        program.write_text(_PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        self._files = {name: str(path) for name, path in chain._asdict().items()}
        build_dataset([chain.events], [chain.flags], chain.dataset, DatasetOptions(skims=("first", "second")))
        self._files |= {"kept_too": str(too.kept), "few": str(_few_events(folder / "few.parquet"))}
        self._files |= {"program": f"{program} {{input}} {{output}}.csv", "toy": str(_toy_dataset(folder))}
        self._files |= {name: str(path) for name, path in _many(folder).items()}
        self._files |= {"model_of_one": str(_model_of_one(folder / "one.safetensors"))}
        self._files |= _for_basf2(folder / "basf2.safetensors")
        (folder / "config.yaml").write_text(as_yaml(TrainingConfig()))
        self._files |= {"config": str(folder / "config.yaml")}
        self._files |= {"campaign": str(_finished_campaign(folder / "campaign"))}
        store = ConditionsStore(folder / "store")
        store.put("Main", "model", model, Interval(0, 0, -1, -1), is_new=True)
        self._store = store.folder
        self._folder = folder

    def words(self, template: str, out: Path, elsewhere: Path, name: str = "out") -> list[str]:
        """The words of a command, as `smartbkg.cli.main` takes them."""
        csv = elsewhere / "passing.csv"
        csv.write_text("experiment,run,evtNum\n" + "".join(f"0,1,{number}\n" for number in range(20)))
        places = {"out": str(out), "elsewhere": str(elsewhere), "name": name, "csv": str(csv)}
        found = [word.format(**self._files, **places) for word in template.split()]
        return [part for word, given in zip(found, template.split(), strict=True) for part in _parts(word, given)]

    def prepare(self, verb: str, out: Path, name: str = "out") -> None:
        """Put what a verb works on in place, before the fault."""
        if verb in ("conditions copy-tag", "conditions publish"):
            shutil.copytree(self._store, out / name)
        elif verb in ("campaign run", "campaign submit", "campaign retry"):
            write_config(out / name, small_settings(self._folder / "campaign", 1))
        if verb == "campaign retry":
            failure = CampaignFolder.of(out / name).failure(0, "attempt")
            failure.parent.mkdir(parents=True)
            failure.write_text('{"error": "made for a test"}')

    def path(self, name: str) -> Path:
        """One of the files."""
        return Path(self._files[name])


def _few_events(path: Path) -> Path:
    from synthetic import random_events

    with create_events(path, record(EVENTS, 1, {})) as writer:
        writer.write(random_events(60))
    return path


def _toy_dataset(folder: Path) -> Path:
    batch = toy_events(300)
    with create_events(folder / "teach.parquet", record(EVENTS, 1, {})) as writer:
        writer.write(batch)
    flags = {name: batch.event[name] for name in ("experiment", "run", "evtNum")}
    flags["passes_mine"] = passes(batch, 1, 0, shift=1.0)
    write_table(folder / "toy-flags.parquet", flags, record(FLAGS, 1, {}))
    output = folder / "toy.parquet"
    build_dataset([folder / "teach.parquet"], [folder / "toy-flags.parquet"], output, DatasetOptions(skims=("mine",)))
    return output


def _many(folder: Path) -> dict[str, Path]:
    """Flags and scores of events without particles, enough of them to train a reweighter."""
    generator = np.random.default_rng(1)
    n_events = 1500
    ids = {"experiment": np.zeros(n_events, int), "run": np.ones(n_events, int), "evtNum": np.arange(n_events)}
    score = generator.random(n_events)
    variable = {"Mbc": 5.27 + 0.01 * generator.normal(size=n_events) + 0.01 * score}
    flags, scores = folder / "many-flags.parquet", folder / "many-scores.parquet"
    write_table(flags, ids | {"passes_mine": generator.random(n_events) < score} | variable, record(FLAGS, 1, {}))
    write_table(scores, ids | {"score": score}, record(SCORES, 1, {}))
    return {"many_flags": flags, "many_scores": scores}


def _model_of_one(path: Path) -> Path:
    from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
    from smartbkg.networks.bundle import state_of

    policy = ExponentialPolicy(0.5, -0.5)
    config = parse_config({"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2})
    bundle = ModelBundle(config, state_of(build_model(config)), skims=("mine",), policy=policy.to_dict())
    save_bundle(path, replace(bundle, calibration=Affine((1.0,), (0.0,))))
    return path


def _for_basf2(path: Path) -> dict[str, str]:
    """A model that basf2's module would run, and the options that it needs."""
    from networks.onnx.test_basf2_payloads import CODES, bundle

    from smartbkg.networks import save_bundle

    save_bundle(path, bundle())
    return {"for_basf2": str(path), "codes": " ".join(f"--skim-code {skim}={code}" for skim, code in CODES.items())}


def _finished_campaign(folder: Path) -> Path:
    from smartbkg.cli.campaign import command

    write_config(folder, small_settings(folder, 1))
    done = CliRunner().invoke(command, ["run", str(folder), "--chunk", "0"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder


__all__ = ["N_EVENTS", "PIPED", "PRINTING", "WRITING", "Materials"]
