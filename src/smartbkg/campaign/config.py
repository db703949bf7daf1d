"""What a campaign is told: one checked YAML file in its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from smartbkg.errors import UsageError, nearest
from smartbkg.events.columns import PROCESSES
from smartbkg.experiment.program import split_command
from smartbkg.storage.configuration import Section, parse_configuration, read_yaml, with_overrides

#: Fields that a generator's command must hold; it may hold {first_event}, {run}, {process} and {chunk} as well.
NEEDED_FIELDS: Final = ("{output}", "{n_events}", "{seed}")
SIMULATION_FIELDS: Final = ("{input}", "{output}")


class GenerateSection(Section):
    """Where events come from: the embedded generator, a command, or files that exist."""

    processes: dict[str, float] = Field(default_factory=lambda: {"mixed": 0.555})
    """Process: cross-section in nb. Events are divided in this ratio, so that all have one luminosity."""
    shares: dict[str, float] = Field(default_factory=dict)
    """Process: share of the events, where another ratio is wanted; luminosities then differ and are reported."""
    command: str | None = None
    """External generator: 'mygen {output} {first_event} {n_events} {seed}', also {run} {process} {chunk}. It runs in
    the campaign's folder, where its relative paths start."""
    suffix: str = ".hepmc3"
    """Ending of the command's {output}, which is its format."""
    files: tuple[str, ...] = ()
    """Files of generated events in place of a generator, one chunk per file unless split; patterns too: in/*.hepmc3."""
    split: bool = False
    """Split files into chunks of chunk_events; their events are counted when the campaign begins."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds after which the command is ended and the attempt has failed."""

    @field_validator("processes", "shares")
    @classmethod
    def _are_positive(cls, values: dict[str, float]) -> dict[str, float]:
        for process, value in values.items():
            if not value > 0:
                raise ValueError(f"'{process}' has {value}, expected a number above 0")
        return values

    @model_validator(mode="after")
    def _is_one_source(self) -> Self:
        if self.command is not None and self.files:
            raise ValueError("command and files exclude one another")
        if self.split and not self.files:
            raise ValueError("split belongs to files")
        if not self.processes:
            raise ValueError("no process is named")
        for process in self.shares:
            if process not in self.processes:
                raise ValueError(f"shares name '{process}': {nearest(process, self.processes)}")
        if self.kind == "embedded":
            for process in self.processes:
                if process not in PROCESSES:
                    raise ValueError(f"unknown process '{process}': {nearest(process, PROCESSES)}")
        if self.kind == "files" and len(self.processes) > 1:
            raise ValueError("files are of one process; make a campaign of each")
        if self.command is not None:
            _check_command(self.command, NEEDED_FIELDS, "generate.command")
        return self

    @property
    def kind(self) -> Literal["embedded", "command", "files"]:
        """Which source."""
        return "command" if self.command is not None else "files" if self.files else "embedded"

    @property
    def ratio(self) -> Mapping[str, float]:
        """Process → share of the events, of sum 1."""
        values = self.shares or self.processes
        return {process: value / math.fsum(values.values()) for process, value in values.items()}


class FilterSection(Section):
    """The model, and what it filters for."""

    model: str | None = None
    """Model file, relative to the campaign's folder or absolute; or a global tag."""
    global_tag: str | None = None
    """Take the model from the conditions database: its global tag."""
    payload: str | None = None
    """... its payload."""
    skims: tuple[str, ...] = ()
    """Skims to filter for; all of the model's where none is named. One draw serves all."""
    policy: str | None = None
    """optimal, score, exp=A,B; the model's own where not given."""
    max_weight: float | None = Field(default=None, ge=1)
    """Largest weight of a named policy, or of one that is solved anew."""
    solve_after: int | None = Field(default=None, ge=1)
    """Chunks after which the optimal policy is solved anew with this campaign's own costs, for all later ones."""
    threads: int = Field(default=1, ge=1)
    """CPU threads per worker."""

    @model_validator(mode="after")
    def _is_one_model(self) -> Self:
        if (self.model is None) == (self.global_tag is None):
            raise ValueError(
                "name the model by filter.model or by filter.global_tag with filter.payload, one of the two"
            )
        if (self.global_tag is None) != (self.payload is None):
            raise ValueError("filter.global_tag and filter.payload belong together")
        return self


class SimulateSection(Section):
    """What happens to kept events."""

    by: Literal["embedded", "command", "nothing"] = "embedded"
    """The embedded experiment, a command, or nothing: the campaign then ends with kept events."""
    skims: tuple[str, ...] = ()
    """Skims to flag; those of the filter where none is named (embedded)."""
    detector: str | None = None
    """File of changes to the embedded detector."""
    command: str | None = None
    """External simulation: 'mysim {input} {output}'; what {output} holds is said where `smartbkg simulate` is. It
    runs in the campaign's folder."""
    suffix: str = ".parquet"
    """Ending of the command's {input}: .parquet or .hepmc3."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds after which the command is ended and the attempt has failed."""

    @model_validator(mode="after")
    def _has_its_command(self) -> Self:
        if (self.by == "command") != (self.command is not None):
            raise ValueError("simulate.command belongs to simulate.by: command")
        if self.command is not None:
            _check_command(self.command, SIMULATION_FIELDS, "simulate.command")
            if len(self.skims) > 1:
                raise ValueError("a command says of one skim which events passed; name one in simulate.skims")
        return self


class OutputsSection(Section):
    """What stays of a chunk."""

    format: Literal["parquet", "hepmc3", "hepmc3.gz", "hepmc3.zst"] = "parquet"
    """Of the kept events."""
    ntuple: bool = False
    """Also a ROOT tree of the events that passed a skim, with variables and weights."""


class CostsSection(Section):
    """CPU seconds per event that a plan assumes; measured on a few events where not given."""

    generation: float | None = Field(default=None, gt=0)
    """To generate an event."""
    filtering: float | None = Field(default=None, gt=0)
    """To decide about an event."""
    simulation: float | None = Field(default=None, gt=0)
    """To simulate and reconstruct a kept event."""


class RunSection(Section):
    """How it is run; may be changed at any time."""

    workers: int = Field(default=1, ge=1)
    """Processes, or batch jobs."""
    attempts: int = Field(default=3, ge=1)
    """Failures after which a chunk is set aside."""
    bundle: int | None = Field(default=None, ge=1)
    """Chunks handed to a worker at once; found from their number and the workers where not given."""
    straggler_factor: float = Field(default=4.0, gt=1)
    """A chunk that takes so many times the median gets a second attempt while workers are idle; the first wins."""
    scratch: str | None = None
    """Folder on the worker's own disk for what does not stay; the system's temporary folder where not given."""


class ClusterSection(Section):
    """The batch system; may be changed at any time."""

    queue: str | None = None
    """Partition or queue."""
    account: str | None = None
    """Account or project that is charged."""
    cores: int = Field(default=1, ge=1)
    """CPU cores per job."""
    memory: str = "4GB"
    """Memory per job."""
    walltime: str = "08:00:00"
    """Time limit of a job."""
    interface: str | None = None
    """Network interface between Dask's scheduler and its workers, as ib0; the default route's where not given."""
    python: str | None = None
    """Python of the jobs; the one that submits where not given."""
    prologue: tuple[str, ...] = ()
    """Shell lines before the work, as 'source /cvmfs/.../setup.sh'."""
    directives: tuple[str, ...] = ()
    """Further lines for the batch system, as '--constraint=avx2' (Slurm) or 'requirements = ...' (HTCondor)."""


class AlarmsSection(Section):
    """When to say that something is wrong; may be changed at any time."""

    on_alarm: Literal["warn", "stop"] = "warn"
    """Stop hands out no further chunk."""
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=1)
    """Chance that a right campaign ever raises an alarm, over all chunks, tests and looks."""
    pass_rate_tolerance: float = Field(default=0.2, ge=0)
    """Relative difference between predicted and observed pass rates that is no alarm."""
    score_tolerance: float = Field(default=0.03, ge=0)
    """Difference between cumulative score distributions that is no alarm."""
    unknown_codes: float = Field(default=1e-4, ge=0)
    """Share of particles with an unknown PDG code that is no alarm."""


class CampaignConfig(Section):
    """The whole configuration."""

    name: str = Field(default="campaign", pattern=r"^[A-Za-z0-9_.-]+$")
    """Name of the campaign: of jobs and reports."""
    events: int = Field(default=100_000, ge=1)
    """Events to generate; not looked at where files are the source."""
    chunk_events: int = Field(default=10_000, ge=1)
    """Events per chunk, the unit of work: a few minutes to an hour. The embedded generator likes multiples of 500."""
    seed: int = 1
    """Fixes every event, draw and simulation."""
    experiment: int = Field(default=0, ge=0)
    """Experiment number of all events."""
    first_run: int = Field(default=1, ge=0)
    """Run number of the first process (or file); the others follow. Campaigns of one experiment need their own."""
    generate: GenerateSection = Field(default_factory=GenerateSection)
    filter: FilterSection
    simulate: SimulateSection = Field(default_factory=SimulateSection)
    outputs: OutputsSection = Field(default_factory=OutputsSection)
    costs: CostsSection = Field(default_factory=CostsSection)
    run: RunSection = Field(default_factory=RunSection)
    cluster: ClusterSection = Field(default_factory=ClusterSection)
    alarms: AlarmsSection = Field(default_factory=AlarmsSection)

    def physics(self) -> dict[str, Any]:
        """Settings on which results depend, as plain values: these may not change once a campaign has begun."""
        return self.model_dump(mode="json", exclude={"name", *CHANGEABLE})


#: Sections that may be changed while a campaign runs.
CHANGEABLE: Final = ("run", "cluster", "alarms", "costs")


def _check_command(command: str, needed: tuple[str, ...], what: str) -> None:
    try:
        split_command(command, needed, what)
    except UsageError as error:
        raise ValueError(str(error)) from error


def parse_campaign(content: Mapping[str, Any], source: str = "configuration") -> CampaignConfig:
    """The checked configuration in a mapping.

    Raises
    ------
    UsageError
        Unknown key (names the nearest), or an impossible value.
    """
    return parse_configuration(CampaignConfig, content, source)


def read_campaign(path: Path, overrides: Mapping[str, Any] | None = None) -> CampaignConfig:
    """The configuration of a YAML file with values set on top of it by dotted key.

    Raises
    ------
    UsageError
        The file is missing, no YAML, or no valid configuration.
    """
    return parse_campaign(with_overrides(read_yaml(path), overrides or {}), str(path))
