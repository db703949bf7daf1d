"""One training from data sets to a model file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from smartbkg.datasets.split import VALIDATION
from smartbkg.errors import DatasetError, UsageError, nearest
from smartbkg.graphs import GraphRule
from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
from smartbkg.networks.architectures import architecture_named
from smartbkg.networks.bundle import state_of
from smartbkg.networks.config import ModelConfig, processes_of
from smartbkg.scores.fit import fit_calibration
from smartbkg.scores.histogram import histogram_metrics
from smartbkg.seeds import derive_seed
from smartbkg.storage.atomic import refuse_same_file, sole_writer
from smartbkg.storage.kinds import SCHEMA_VERSIONS, TRAINING
from smartbkg.storage.provenance import digest_of, inputs_of, record
from smartbkg.training.checkpoint import checkpoint_path, load_checkpoint
from smartbkg.training.config import TrainingConfig
from smartbkg.training.distributed import Workers, join_workers, leave_workers, own_device
from smartbkg.training.fine_tuning import ancestors_of, load_start, start_from
from smartbkg.training.input.data import TrainingData, load_training_data
from smartbkg.training.loop import Trainer
from smartbkg.training.progress.reporting import EpochMetrics, Reporter
from smartbkg.training.progress.tensorboard import TensorBoard
from smartbkg.training.validation import SkimMetrics, full_metrics, predict, solve_policy


@dataclass(frozen=True)
class TrainingOutcome:
    """What came of a training.

    Attributes
    ----------
    bundle : the model that was written.
    metrics : of each skim on the validation part, calibrated.
    history : a line per epoch.
    n_training, n_validation : events of each part.
    """

    bundle: ModelBundle
    metrics: tuple[SkimMetrics, ...]
    history: tuple[EpochMetrics, ...]
    n_training: int
    n_validation: int


def train(
    paths: Sequence[Path],
    output: Path,
    config: TrainingConfig | None = None,
    *,
    resume: Literal["auto", "never"] = "auto",
    init_from: Path | None = None,
    reporter: Reporter | None = None,
) -> TrainingOutcome:
    """Train a network on data sets and write the model.

    Parameters
    ----------
    paths : data sets of `smartbkg dataset`.
    output : model file; the log and, until the end, the checkpoint lie beside it.
    resume : ``auto`` goes on from a checkpoint of the same configuration and data, ``never`` begins anew.
    init_from : model whose weights to start from; skims in common keep their output.

    Raises
    ------
    DatasetError, ModelError, UsageError
        Whatever is wrong with data, start model or configuration, before any training where possible.
    """
    config = config or TrainingConfig()
    reporter = reporter or Reporter()
    if config.run.tensorboard is not None:
        reporter = TensorBoard(config.run.tensorboard, reporter)
    check_output(output, paths)
    start = None if init_from is None else load_start(init_from, config)
    rule = config.graph_rule
    device = own_device(choose_device(config.run.device))
    with _torch_settings(config, device):
        workers = join_workers(device)
        try:
            with contextlib.ExitStack() as stack:
                if workers.is_first:
                    stack.enter_context(sole_writer(output))
                data = load_training_data(paths, rule, output.parent, config.data, config.loss.decorrelate)
                stack.callback(data.store.close)
                check_names(config, data)
                torch.manual_seed(derive_seed(config.run.seed, "weights"))
                network = network_config(config, rule, data, start)
                model = build_model(network).to(device)
                if start is not None:
                    start_from(model, start, data.skims)
                trainer = _trainer(model, network, data, config, device, workers, output, init_from, reporter)
                _begin(trainer, resume)
                stack.callback(reporter.end)
                history = trainer.run()
                outcome = finish(trainer, network, rule, paths, init_from, history)
                if workers.is_first:
                    save_bundle(output, outcome.bundle)
                    trainer.checkpoint.unlink(missing_ok=True)
                return outcome
        finally:
            leave_workers(workers)


def _trainer(
    model: torch.nn.Module,
    network: ModelConfig,
    data: TrainingData,
    config: TrainingConfig,
    device: torch.device,
    workers: Workers,
    output: Path,
    init_from: Path | None,
    reporter: Reporter,
) -> Trainer:
    return Trainer(
        model,
        data,
        config,
        network=network,
        device=device,
        workers=workers,
        output=output,
        checkpoint=checkpoint_path(output),
        identity=identity_of(config, network, data, init_from),
        reporter=reporter if workers.is_first else Reporter(),
    )


def check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise `UsageError` where the model could not be written in the end, or would replace a data set."""
    refuse_same_file(output, *inputs)
    if output.is_dir() or not output.parent.is_dir():
        what = "is a folder, expected a file name" if output.is_dir() else "its folder does not exist"
        raise UsageError(f"{output}: {what}")


def check_names(config: TrainingConfig, data: TrainingData) -> None:
    """Raise `UsageError` for importances of skims that are not learned."""
    for skim, value in config.loss.importance.items():
        if skim not in data.skims:
            raise UsageError(f"loss.importance: unknown skim '{skim}': {nearest(skim, data.skims)}")
        if value < 0:
            raise UsageError(f"loss.importance: {skim} = {value}, expected a number of at least 0")


def network_config(
    config: TrainingConfig, rule: GraphRule, data: TrainingData, start: ModelBundle | None
) -> ModelConfig:
    """The configuration of the network, with what follows from the data filled in."""
    content: dict[str, Any] = dict(config.network)
    if start is not None and set(content) <= {"architecture"}:
        content = start.config.model_dump()
    content.setdefault("architecture", "gatgap")
    known = architecture_named(str(content["architecture"])).load("config").model_fields
    content |= {"n_skims": len(data.skims), "num_features": len(rule.features)}
    if "features" in known:
        content["features"] = rule.features
    if len(rule.tokens) - 1 > content.get("num_pdg", known["num_pdg"].default):
        content["num_pdg"] = len(rule.tokens) - 1
    return parse_config(content)


def identity_of(
    config: TrainingConfig, network: ModelConfig, data: TrainingData, init_from: Path | None
) -> dict[str, str]:
    """Digests of everything that decides the result: a checkpoint of another identity is not continued."""
    settings = config.model_dump(mode="json", exclude={"run", "calibration"})
    settings |= {"seed": config.run.seed, "precision": config.run.precision}
    settings["network"] = network.model_dump(mode="json")
    settings["init_from"] = None if init_from is None else inputs_of([init_from])
    return {"configuration": digest_of(settings), "data": data.digest}


def _begin(trainer: Trainer, resume: str) -> None:
    """Say what begins, and go on from the checkpoint where there is a fitting one."""
    data, sampler = trainer.data, trainer.sampler
    n_parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    rates = ", ".join(f"{skim} {100 * rate:.3g} %" for skim, rate in zip(data.skims, sampler.retention, strict=True))
    trainer.reporter.begin(
        f"{len(data)} events, {rates}; {n_parameters} weights on {trainer.device}; "
        f"{sampler.n_events} events per epoch, graphs {'in memory' if data.store.is_in_memory else 'on disk'}",
        trainer.config.optimiser.epochs,
    )
    if data.n_unknown_codes:
        trainer.reporter.note(f"{data.n_unknown_codes} particles have a PDG code that the token table does not know")
    if resume == "never" or not trainer.checkpoint.exists():
        return
    state = load_checkpoint(trainer.checkpoint)
    if state.identity != trainer.identity:
        changed = [name for name in trainer.identity if state.identity.get(name) != trainer.identity[name]]
        trainer.reporter.note(f"{trainer.checkpoint} is of another {' and '.join(changed)}: beginning anew")
        return
    trainer.restore(state)
    trainer.reporter.note(f"going on after epoch {trainer.position.epoch}, step {trainer.position.step}")


def finish(
    trainer: Trainer,
    network: ModelConfig,
    rule: GraphRule,
    paths: Sequence[Path],
    init_from: Path | None,
    history: Sequence[EpochMetrics],
) -> TrainingOutcome:
    """Calibrate on the validation part, solve the policy, measure, and put all of it into a bundle."""
    data, config = trainer.data, trainer.config
    events = data.part(VALIDATION)
    logits = predict(trainer.model, network, data, events, trainer.processes, trainer.device).astype(np.float64)
    if not np.isfinite(logits).all():
        raise DatasetError("the trained network gives numbers that are not finite on validation events")
    label, weight = data.label[events].astype(np.float64), data.weight[events]
    process = np.array(data.process_names)[data.process[events]]
    calibration = fit_calibration(
        logits, label, weight, data.retention(events), config.calibration.method,
        process if config.calibration.per_process else None,
    )  # fmt: skip
    score = calibration.apply(logits, process)
    costs, generator_weight = config.policy.costs, data.generator_weight[events]
    policy = solve_policy(score, weight, costs, config.policy.max_weight, trainer.importance, generator_weight)
    metrics = full_metrics(score, label, weight, policy, costs, data.skims, generator_weight)
    n_training = int((data.split == 0).sum())
    training = record(
        TRAINING, SCHEMA_VERSIONS[TRAINING], _reproducible(config),
        [*paths, *([] if init_from is None else [init_from])],
        history=[row.reproducible() for row in history], n_training=n_training, n_validation=len(events),
        retention=dict(zip(data.skims, trainer.sampler.retention.tolist(), strict=True)),
        split=config.data.model_dump(include={"validation_fraction", "test_fraction", "split_seed"}),
        costs=costs.to_dict(), membership=data.membership.to_list(),
        **({"ancestors": ancestors} if (ancestors := ancestors_of(init_from)) else {}),
    )  # fmt: skip
    bundle = ModelBundle(
        config=network,
        state=state_of(trainer.model),
        graph_rule=rule,
        skims=data.skims,
        processes=processes_of(network),
        calibration=calibration,
        policy=policy.to_dict(),
        metrics={
            "validation": {skim.skim: skim.to_dict() for skim in metrics},
            **histogram_metrics(score, weight, data.skims, process),
        },
        training=training,
    )
    return TrainingOutcome(bundle, tuple(metrics), tuple(history), n_training, len(events))


def _reproducible(config: TrainingConfig) -> dict[str, Any]:
    """The configuration without what does not change the result."""
    exclude = {"run": {"checkpoint_minutes", "tensorboard", "threads", "device"}}
    return config.model_dump(mode="json", exclude=exclude)


def choose_device(name: str) -> torch.device:
    """The device of that name.

    Raises
    ------
    UsageError
        There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{name}' cannot be used here: {str(error).splitlines()[0]}") from error
    return device


@contextlib.contextmanager
def _torch_settings(config: TrainingConfig, device: torch.device) -> Iterator[None]:
    """Threads and random state as configured, and as they were before afterwards."""
    threads = torch.get_num_threads()
    devices = [device] if device.type == "cuda" else []
    try:
        if config.run.threads is not None:
            torch.set_num_threads(config.run.threads)
        with torch.random.fork_rng(devices):
            yield
    finally:
        torch.set_num_threads(threads)
