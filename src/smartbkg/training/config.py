"""Everything a training can be told, as one checked configuration: YAML in, YAML out, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from smartbkg.errors import ModelError, UsageError, nearest
from smartbkg.graphs import GraphRule
from smartbkg.networks import parse_config as parse_model_config
from smartbkg.networks import use_network
from smartbkg.plug_ins import is_plug_in
from smartbkg.sampling import Costs
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT
from smartbkg.storage.configuration import (
    Section,
    as_yaml,
    parse_assignments,
    parse_configuration,
    read_yaml,
    with_overrides,
)

#: Losses of `smartbkg.training.losses`.
LOSSES: Final = ("cross_entropy", "speed_up", "optimal_speed_up")
#: Largest steps that suit an architecture better than the usual one.
_LEARNING_RATE: Final = {"transformer": 1e-3, "gat2": 2e-3}


class DataSection(Section):
    """Which events, and which part each plays."""

    skims: tuple[str, ...] | None = None
    """Skims to learn; all of the data set where not given."""
    validation_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Part of the events that stops, calibrates and measures; chosen by event id."""
    test_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Part of the events that training never looks at."""
    split_seed: int = 0
    """Seed of the division, independent of that of training."""
    memory_megabytes: int = Field(default=512, ge=1)
    """Graphs beyond that size go into a temporary file beside the output."""
    cross_sections: dict[str, float] = Field(default_factory=dict)
    """Process: cross-section, any common unit; the sample as it is where empty."""

    @model_validator(mode="after")
    def _leaves_events_to_train_on(self) -> Self:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave no events to train on")
        return self

    @field_validator("skims")
    @classmethod
    def _are_distinct(cls, skims: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for skim in skims or ():
            if (skims or ()).count(skim) > 1:
                raise ValueError(f"the skim '{skim}' is named twice")
        return skims

    @field_validator("cross_sections")
    @classmethod
    def _are_positive(cls, cross_sections: dict[str, float]) -> dict[str, float]:
        for process, value in cross_sections.items():
            if not value > 0:
                raise ValueError(f"the cross-section of '{process}' is {value}, expected a number above 0")
        return cross_sections


class SamplingSection(Section):
    """How often each event is shown."""

    mode: Literal["balanced", "natural"] = "balanced"
    """Passing events at passing_fraction, or the sample as it is; the prior is put back either way."""
    passing_fraction: float = Field(default=0.5, gt=0, lt=1)
    """Fraction of the events shown that pass a skim."""
    events_per_epoch: int | None = Field(default=None, ge=2)
    """Length of an epoch; each passing event about once where not given."""
    symmetries: tuple[Literal["mirror", "rotation"], ...] = ()
    """Show events at random as mirror images with antiparticles (y to -y), or turned about z; labels stay."""


class LossSection(Section):
    """What is minimised."""

    name: str = "cross_entropy"
    """``cross_entropy``; 1/speed-up for sampling by the score (``speed_up``, upstream's) or by the optimal policy
    (``optimal_speed_up``); or ``file.py:Class``, a child of `smartbkg.training.losses.Loss`."""
    cross_entropy_share: float = Field(default=0.1, ge=0)
    """Part of cross-entropy added to the speed-up losses, which alone cannot leave the start."""
    importance: dict[str, float] = Field(default_factory=dict)
    """Skim: weight of its loss and of its speed-up; 1 where not given."""
    decorrelate: tuple[str, ...] = ()
    """Event-level variables that the scores of failing events should not depend on."""
    decorrelation_strength: float = Field(default=0.1, ge=0)
    """Factor of the distance correlation in the loss."""

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in LOSSES and not is_plug_in(name):
            raise ValueError(f"{nearest(name, LOSSES)}, or file.py:Class")
        return name


class OptimiserSection(Section):
    """How it is minimised."""

    batch_size: int = Field(default=128, ge=1)
    """Events per step, over all processes together."""
    epochs: int = Field(default=40, ge=1)
    """Most epochs; early stopping may end before."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Largest step of Adam; where not given 0.005, for gat2 0.002, for the transformer 0.001."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Decoupled weight decay (AdamW)."""
    schedule: Literal["one_cycle", "plateau", "constant"] = "one_cycle"
    """Rise and cosine fall over all epochs; halving where the validation loss stands still; or neither."""
    plateau_patience: int = Field(default=3, ge=0)
    """Epochs without a better validation loss before the step is halved."""
    stop_patience: int = Field(default=12, ge=1)
    """Epochs without a better validation loss before training stops."""
    gradient_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled down to that length."""
    validation_events: int = Field(default=6000, ge=100)
    """Most validation events looked at after each epoch; calibration uses all."""


class CalibrationSection(Section):
    """From logits to probabilities."""

    method: Literal["affine", "temperature", "isotonic", "prior"] = "affine"
    """Slope and offset; slope alone; a rising function; or the prior alone without a fit."""
    per_process: bool = False
    """One for each generated process with enough passing events."""


class PolicySection(Section):
    """The optimal policy stored with the model."""

    max_weight: float = Field(default=DEFAULT_MAX_WEIGHT, ge=1)
    """1/max_weight is the least keep probability."""
    generation: float = Field(default=Costs().generation, gt=0)
    """CPU seconds to generate an event."""
    filtering: float = Field(default=Costs().filtering, gt=0)
    """CPU seconds to decide about an event."""
    simulation: float = Field(default=Costs().simulation, gt=0)
    """CPU seconds to simulate and reconstruct an event."""

    @property
    def costs(self) -> Costs:
        """The three times."""
        return Costs(self.generation, self.filtering, self.simulation)


class RunSection(Section):
    """Where and how it runs."""

    seed: int = 0
    """Of the first weights and the order of events."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the first GPU there is."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of torch; its own choice where not given. One thread gives the same weights every time."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: mixed precision, for GPUs."""
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    """Save the state at least so often within an epoch, besides at the end of each."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Finish after the epoch in which this time is over. Results then depend on the speed of the machine."""
    tensorboard: Path | None = None
    """Folder for TensorBoard, beside the CSV and JSONL logs that are always written."""


class TrainingConfig(Section):
    """The whole configuration."""

    network: dict[str, Any] = Field(default_factory=lambda: {"architecture": "gatgap"})
    """Architecture and its settings; number of skims, features and processes follow from the data."""
    graph: dict[str, Any] = Field(default_factory=dict)
    """Settings of the graph rule that differ from the default."""
    data: DataSection = Field(default_factory=DataSection)
    sampling: SamplingSection = Field(default_factory=SamplingSection)
    loss: LossSection = Field(default_factory=LossSection)
    optimiser: OptimiserSection = Field(default_factory=OptimiserSection)
    calibration: CalibrationSection = Field(default_factory=CalibrationSection)
    policy: PolicySection = Field(default_factory=PolicySection)
    run: RunSection = Field(default_factory=RunSection)

    def learning_rate_of(self, architecture: str) -> float:
        """Largest step of Adam, as configured or as is usual for the network."""
        given = self.optimiser.learning_rate
        return _LEARNING_RATE.get(architecture, 5e-3) if given is None else given

    @property
    def graph_rule(self) -> GraphRule:
        """The rule from particles to graphs."""
        return GraphRule.from_dict(self.graph)


def parse_training_config(content: Mapping[str, Any], source: str = "configuration") -> TrainingConfig:
    """The checked configuration in a mapping.

    Raises
    ------
    UsageError
        Unknown key (names the nearest), or an impossible value: says where, what was got, what was expected.
    """
    config = parse_configuration(TrainingConfig, content, source)
    try:
        architecture = config.network.get("architecture")
        if isinstance(architecture, str) and is_plug_in(architecture):
            network = {**config.network, "architecture": use_network(architecture)}
            config = config.model_copy(update={"network": network})
        _ = config.graph_rule
        parse_model_config({"architecture": "gatgap", **config.network})
    except ModelError as error:
        raise UsageError(f"{source}: {error}") from error
    return config


def read_config(path: Path | None, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """The configuration of a YAML file with values set on top of it.

    Parameters
    ----------
    path : None for the defaults.
    overrides : dotted key → value, as ``{"optimiser.epochs": 5}``; values win over the file.

    Raises
    ------
    UsageError
        The file is missing, no YAML, or no valid configuration.
    """
    content = {} if path is None else read_yaml(path)
    source = "options" if path is None else str(path)
    return parse_training_config(with_overrides(content, overrides or {}), source)


__all__ = ["TrainingConfig", "as_yaml", "parse_assignments", "parse_training_config", "read_config"]
