"""The training loop: steps, validation, early stopping, checkpoints, and rolling back when the loss diverges."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from smartbkg.datasets.split import VALIDATION
from smartbkg.errors import ModelError, SmartBKGError
from smartbkg.graphs import DecayGraphs
from smartbkg.networks.config import ModelConfig, positions_of, processes_of
from smartbkg.seeds import derive_seed
from smartbkg.training.checkpoint import Checkpoint, save_checkpoint
from smartbkg.training.config import TrainingConfig
from smartbkg.training.decorrelation import distance_correlation
from smartbkg.training.distributed import Workers
from smartbkg.training.input.batches import Batch, LoaderClock, batches
from smartbkg.training.input.data import TrainingData
from smartbkg.training.input.sampler import Sampler
from smartbkg.training.input.symmetries import Symmetries, earlier_showings
from smartbkg.training.interruption import Interruption
from smartbkg.training.losses import make_loss
from smartbkg.training.position import Position
from smartbkg.training.progress.reporting import EpochMetrics, Reporter, write_logs
from smartbkg.training.schedule import step_size
from smartbkg.training.validation import calibrated_where_possible, predict, quick_metrics, subsample

#: How often a diverging loss is answered with half the step before training gives up.
MOST_RECOVERIES: Final = 4


class _DivergedError(Exception):
    """The loss or its gradient is not finite."""


class Trainer:
    """Trains one network on one data set.

    Parameters
    ----------
    model : on its device.
    data : with at least training and validation parts.
    network : configuration of the model.
    output : file of the model; logs and checkpoint lie beside it.
    identity : of configuration and data, for the checkpoint.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        data: TrainingData,
        config: TrainingConfig,
        *,
        network: ModelConfig,
        device: torch.device,
        workers: Workers,
        output: Path,
        checkpoint: Path,
        identity: dict[str, str],
        reporter: Reporter,
    ) -> None:
        self.model, self.network, self.data, self.config = model, network, data, config
        self.device, self.workers, self.reporter = device, workers, reporter
        self.output, self.checkpoint, self.identity = output, checkpoint, identity
        self.processes = positions_of(data.process_names, processes_of(network))
        seed = derive_seed(config.run.seed, "training")
        self.sampler = Sampler(data, config.sampling, seed)
        self.symmetries = Symmetries(config.sampling.symmetries, config.graph_rule, seed)
        self.importance = np.array([config.loss.importance.get(skim, 1.0) for skim in data.skims])
        self.loss = make_loss(
            config.loss.name,
            self._on_device(self.importance),
            self._on_device(self.sampler.retention),
            self._on_device(self.sampler.training_fraction),
            config.policy.costs,
            config.policy.max_weight,
            config.loss.cross_entropy_share,
        )
        self.learning_rate = config.learning_rate_of(network.architecture)
        # Not the fused form: it rounds by where the weights lie in memory, and a resumed run must be the same.
        self.optimiser = torch.optim.AdamW(
            model.parameters(), lr=self.learning_rate, weight_decay=config.optimiser.weight_decay, foreach=True
        )
        self.position = Position()
        self.best: dict[str, torch.Tensor] = self._weights()
        self._validation = subsample(data, data.part(VALIDATION), config.optimiser.validation_events)
        self._interruption = Interruption()

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch."""
        return -(-self.sampler.n_events // self.config.optimiser.batch_size)

    def _on_device(self, values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def run(self) -> list[EpochMetrics]:
        """Train to the end, from wherever it is; afterwards the network has the weights of the best epoch.

        Raises
        ------
        ModelError
            The loss diverges again and again.
        KeyboardInterrupt
            Ctrl-C or SIGTERM, after the state has been saved.
        """
        settings = self.config.optimiser
        started = time.monotonic()
        last_good = self._state()
        with self._interruption:
            while self.position.epoch < settings.epochs and not self.position.progress.is_over(settings):
                try:
                    self._epoch()
                except _DivergedError as divergence:
                    self._recover(last_good, divergence)
                    continue
                last_good = self._state()
                self._stop_if_wanted()
                minutes = (time.monotonic() - started) / 60
                if self._is_time_over(minutes):
                    self.reporter.note(f"time is over after epoch {self.position.epoch}")
                    break
        self.model.load_state_dict(self.best)
        self.model.eval()
        return self.position.history

    def _stop_if_wanted(self) -> None:
        if self._interruption.is_wanted:
            if self._save():
                self.reporter.note("state saved: the same command goes on from here")
            raise KeyboardInterrupt

    def _is_time_over(self, minutes: float) -> bool:
        limit = self.config.run.max_minutes
        return bool(self.workers.from_first([float(limit is not None and minutes >= limit)])[0])

    def _epoch(self) -> None:
        position = self.position
        began = time.perf_counter()
        order = self.sampler.epoch(position.epoch)
        repeat = earlier_showings(order)
        places = self._places(len(order))
        shares = [order[place] for place in places]
        clock = LoaderClock()
        last_save = time.monotonic()
        self.model.train()
        rate = 0.0

        def transform(graphs: DecayGraphs, number: int) -> DecayGraphs:
            return self.symmetries.apply(graphs, shares[number], position.epoch, repeat[places[number]])

        with contextlib.closing(batches(self.data, shares, self.processes, self.device, clock, transform)) as stream:
            for batch in stream:
                rate = self._set_rate(self.steps_per_epoch)
                position.loss_sum += self._step(batch)
                position.step += 1
                if self.workers.is_first:
                    part = position.step / self.steps_per_epoch
                    self.reporter.step(position.epoch + 1, part, position.loss_sum / position.step)
                self._stop_if_wanted()
                if time.monotonic() - last_save > 60 * self.config.run.checkpoint_minutes:
                    self._save()
                    last_save = time.monotonic()
        self._finish_epoch(position.loss_sum / self.steps_per_epoch, rate, began, clock)

    def _places(self, n_events: int) -> list[NDArray[np.int64]]:
        """Where in the order of the epoch the events of each step still to do stand, for this process's share."""
        size = self.config.optimiser.batch_size
        steps = [np.arange(start, min(start + size, n_events)) for start in range(0, n_events, size)]
        return [step[self.workers.share(len(step))] for step in steps[self.position.step :]]

    def _set_rate(self, steps_per_epoch: int) -> float:
        settings, position = self.config.optimiser, self.position
        step = position.epoch * steps_per_epoch + position.step
        largest = self.learning_rate * position.progress.factor * position.damping
        rate = step_size(settings.schedule, largest, step, settings.epochs * steps_per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _step(self, batch: Batch) -> float:
        """One step; returns the loss.

        Raises
        ------
        _DivergedError
            Loss or gradient is not finite; the weights are then as before.
        """
        label = self._on_device(self.data.label[batch.events])
        weight = self._on_device(self.sampler.weight[batch.events])
        is_mixed = self.config.run.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_mixed):
            logits = self.model(batch.graphs).float()
        loss = self.loss(logits, label, weight, self.workers.sum)
        if self.config.loss.decorrelate:
            loss = loss + self._decorrelation(logits, label, weight, batch.events)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.workers.sum_gradients(self.model.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.gradient_norm)
        value = float(loss.detach())
        if not math.isfinite(float(norm)) or not math.isfinite(value):
            raise _DivergedError(f"loss {value} at step {self.position.step + 1} of epoch {self.position.epoch + 1}")
        self.optimiser.step()
        return value

    def _decorrelation(
        self, logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor, events: NDArray[np.int64]
    ) -> torch.Tensor:
        """Distance correlation of failing events' scores with the chosen variables, for this process's share."""
        settings = self.config.loss
        total = logits.new_zeros(())
        for name in settings.decorrelate:
            variable = self._on_device(np.nan_to_num(self.data.variables[name][events]))
            for skim in range(logits.shape[1]):
                failing = weight * (label[:, skim] < 1)
                if int((failing > 0).sum()) > 1:
                    total = total + distance_correlation(logits[:, skim], variable, failing)
        n_terms = len(settings.decorrelate) * logits.shape[1] * self.workers.size
        return settings.decorrelation_strength * total / n_terms

    def _finish_epoch(self, training_loss: float, rate: float, began: float, clock: LoaderClock) -> None:
        position = self.position
        metrics = (0.0, 0.0, 0.0)
        if self.workers.is_first:
            metrics = self._validate()
        loss, auc, speed_up = self.workers.from_first(metrics)
        if not math.isfinite(loss):
            raise _DivergedError(f"validation loss {loss} after epoch {position.epoch + 1}")
        position.progress = position.progress.after(position.epoch, loss, self.config.optimiser)
        is_best = position.progress.best_epoch == position.epoch
        if is_best:
            self.best = self._weights()
        row = EpochMetrics(
            position.epoch + 1,
            training_loss,
            loss,
            auc,
            speed_up,
            rate,
            is_best,
            time.perf_counter() - began,
            clock.share,
        )
        position.history.append(row)
        position.epoch, position.step, position.loss_sum = position.epoch + 1, 0, 0.0
        if self.workers.is_first:
            self.reporter.epoch(row)
        self._save()
        self._write_logs()

    def _validate(self) -> tuple[float, float, float]:
        """(loss, AUC, speed-up) on validation events."""
        chosen = self._validation
        logits = predict(self.model, self.network, self.data, chosen.events, self.processes, self.device)
        if not np.isfinite(logits).all():
            return math.nan, math.nan, math.nan
        label = self.data.label[chosen.events]
        with torch.no_grad():
            weight = self._on_device(chosen.weight / chosen.weight.mean())
            loss = float(self.loss(self._on_device(logits), self._on_device(label), weight))
        labels = label.astype(np.float64)
        calibration = calibrated_where_possible(
            logits.astype(np.float64), labels, chosen.weight, self.sampler.retention
        )
        auc, speed_up = quick_metrics(
            calibration.apply(logits), labels, chosen.weight, self.config.policy.costs,
            self.config.policy.max_weight, self.importance,
        )  # fmt: skip
        return loss, auc, speed_up

    def _state(self) -> Checkpoint:
        """Everything that decides how training goes on."""
        tensors = {f"model/{name}": tensor for name, tensor in self._weights().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser/{key}/{name}"] = value.detach().clone()
        tensors["random/torch"] = torch.get_rng_state()
        return Checkpoint(tensors, self.position.to_dict(), self.identity)

    def restore(self, state: Checkpoint) -> None:
        """Go back, or on, to a state.

        Raises
        ------
        ModelError
            The state is of another network.
        """
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "best": {}, "optimiser": {}, "random": {}}
        for name, tensor in state.tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        try:
            self.model.load_state_dict(parts["model"])
        except RuntimeError as error:
            raise ModelError(f"checkpoint of another network: {str(error).splitlines()[0]}") from error
        self.best = {name: tensor.to(self.device) for name, tensor in parts["best"].items()}
        self.optimiser.state.clear()
        for name, parameter in self.model.named_parameters():
            for entry, tensor in parts["optimiser"].items():
                key, _, of = entry.partition("/")
                if of == name:
                    place = tensor.clone() if key == "step" else tensor.clone().to(self.device)
                    self.optimiser.state[parameter][key] = place
        torch.set_rng_state(parts["random"]["torch"])
        self.position = Position.from_dict(state.progress)

    def _save(self) -> bool:
        """Write the checkpoint; where the disk refuses, say so and go on: the old one is still whole."""
        if not self.workers.is_first:
            return True
        try:
            save_checkpoint(self.checkpoint, self._state())
        except SmartBKGError as error:
            self.reporter.note(f"checkpoint not written, training goes on: {error}")
            return False
        return True

    def _write_logs(self) -> None:
        """Write the logs; they hold all epochs each time, so that one refusal of the disk loses nothing."""
        if not self.workers.is_first:
            return
        try:
            write_logs(self.output, self.position.history)
        except SmartBKGError as error:
            self.reporter.note(f"log not written, training goes on: {error}")

    def _recover(self, last_good: Checkpoint, divergence: _DivergedError) -> None:
        """Back to the last good state with half the step, a few times."""
        n_recoveries, damping = self.position.n_recoveries + 1, self.position.damping / 2
        if n_recoveries > MOST_RECOVERIES:
            raise ModelError(
                f"training diverges: {divergence}, after {MOST_RECOVERIES} returns to the last good state "
                f"with half the step each; try a smaller optimiser.learning_rate, now "
                f"{self.learning_rate:g}"
            )
        self.restore(last_good)
        self.position.n_recoveries, self.position.damping = n_recoveries, damping
        last_good.progress.update(n_recoveries=n_recoveries, damping=damping)
        self.reporter.note(f"{divergence}: back to the last good state, with {damping:g} of the step")
