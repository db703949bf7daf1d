"""Options that several verbs share: which model, how to read, how to compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from smartbkg.errors import UsageError
from smartbkg.io import ReadOptions
from smartbkg.io.reader import DEFAULT_BATCH_SIZE
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs

if TYPE_CHECKING:
    from smartbkg.networks.scorer import Scorer

Function = TypeVar("Function", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)

#: Events left out that are named one by one; the record inside a native output of the filter names them all.
MESSAGES_SHOWN = 20


class ModelChoice(NamedTuple):
    """Which model, from a file or from a conditions database."""

    path: Path
    """The model file, verified where it comes from a database."""
    model_config: Path | None
    """Configuration beside a ``.pth`` or ``.onnx`` file."""
    threads: int | None
    """CPU threads, None = the runtime's choice."""
    device: str
    """``cpu`` or ``cuda``."""
    without_surrogate: bool = False
    """Whether the model's surrogate, where it has one, is left out."""

    def load(self) -> Scorer:
        """The model, ready to score."""
        from smartbkg.networks.model_file import load_scorer

        return load_scorer(
            self.path, model_config=self.model_config, threads=self.threads, device=self.device,
            without_surrogate=self.without_surrogate,
        )  # fmt: skip

    def settings(self, scorer: Scorer) -> dict[str, Any]:
        """What outputs record of the model's surrogate: which was asked, or that it was left out."""
        return {"without_surrogate": True} if self.without_surrogate else dict(scorer.surrogate_settings)


def _apply(decorators: Sequence[Callable[[Any], Any]], function: Function) -> Function:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def model_options(function: Function) -> Function:
    """``--model`` or ``--global-tag`` and ``--payload``, with what belongs to them; see `choose_model`."""
    options = [
        click.option("--model", type=FILE, help="Model file: .safetensors, .pth or .onnx."),
        click.option("--model-config", type=FILE, help="Configuration beside a .pth or .onnx model (JSON)."),
        click.option("--global-tag", help="Take the model from the conditions database: its global tag."),
        click.option("--payload", help="... its payload."),
        click.option("--tag-experiment", type=int, default=0, help="... valid for this experiment (default 0)."),
        click.option("--tag-run", type=int, default=0, help="... and run (default 0)."),
        click.option("--threads", type=click.IntRange(min=1), help="CPU threads."),
        click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
        click.option("--without-surrogate", is_flag=True, help="The model's network alone, with its own policy."),
    ]
    return _apply(options, function)


def choose_model(
    model: Path | None,
    model_config: Path | None,
    global_tag: str | None,
    payload: str | None,
    tag_experiment: int,
    tag_run: int,
    threads: int | None,
    device: str,
    without_surrogate: bool = False,
) -> ModelChoice:
    """The model of the options of `model_options`.

    Raises
    ------
    UsageError
        Neither a file nor a tag is named, or both.
    """
    if (model is None) == (global_tag is None):
        raise UsageError("name the model by --model FILE or by --global-tag TAG --payload NAME, one of the two")
    if model is None:
        if payload is None or global_tag is None:
            raise UsageError("--global-tag also needs --payload NAME")
        from smartbkg.conditions.resolve import resolve_payload

        model = resolve_payload(global_tag, payload, tag_experiment, tag_run)
    elif payload is not None:
        raise UsageError("--payload belongs to --global-tag")
    return ModelChoice(model, model_config, threads, device, without_surrogate)


def cost_options(function: Function) -> Function:
    """``--t-gen``, ``--t-filter`` and ``--t-sim``; see `choose_costs`."""
    options = [
        click.option(
            "--t-gen", default=BELLE_II_COSTS.generation, show_default=True, help="CPU seconds to generate an event."
        ),
        click.option(
            "--t-filter", default=BELLE_II_COSTS.filtering, show_default=True, help="CPU seconds to score an event."
        ),
        click.option(
            "--t-sim", default=BELLE_II_COSTS.simulation, show_default=True,
            help="CPU seconds to simulate and reconstruct an event.",
        ),
    ]  # fmt: skip
    return _apply(options, function)


def choose_costs(t_gen: float, t_filter: float, t_sim: float) -> Costs:
    """The `Costs` of the options of `cost_options`."""
    return Costs(t_gen, t_filter, t_sim)


def _refuse_replicas(context: click.Context, parameter: click.Parameter, value: str | None) -> None:  # noqa: ARG001 - click's signature
    if value is not None:
        raise UsageError(f"--replicas is the number of simulations of an event; here it is --resamples {value}")


def resamples_option(default: int, *, least: int, purpose: str) -> Callable[[Function], Function]:
    """``--resamples``: how often data are drawn again for an estimate; ``--replicas``, its old name, says so."""
    options = [
        click.option(
            "--resamples", default=default, show_default=True, type=click.IntRange(min=least),
            help=f"Resamples behind {purpose}.",
        ),
        click.option("--replicas", hidden=True, expose_value=False, callback=_refuse_replicas),
    ]  # fmt: skip
    return lambda function: _apply(options, function)


def source_options(function: Function) -> Function:
    """What a file of events may not say of itself; see `choose_reading`."""
    options = [
        click.option("--skip-corrupt", is_flag=True, help="Leave out and count events that cannot be used."),
        click.option("--process", help="Process of events whose format does not say."),
        click.option("--experiment", type=int, help="Experiment number of events whose format does not say."),
        click.option("--run", type=int, help="Run number of events whose format does not say."),
        click.option("--collection", help="Particle collection, where a file holds several."),
        click.option(
            "--number-events", is_flag=True,
            help="Number events by their place in the input, from 0, whatever it says: for numbers that repeat, are "
            "missing or are no whole numbers.",
        ),
    ]  # fmt: skip
    return _apply(options, function)


def reading_options(function: Function) -> Function:
    """How to read a file of events: `source_options` and the size of a batch."""
    options = [
        source_options,
        click.option(
            "--batch-size", type=click.IntRange(min=1), default=DEFAULT_BATCH_SIZE, show_default=True,
            help="Events in memory at a time.",
        ),
    ]  # fmt: skip
    return _apply(options, function)


#: Names of the parameters of `choose_reading`.
READING: Final = ("skip_corrupt", "process", "experiment", "run", "collection", "number_events")


def choose_reading(
    skip_corrupt: bool,
    process: str | None,
    experiment: int | None,
    run: int | None,
    collection: str | None,
    number_events: bool,
) -> ReadOptions:
    """The `ReadOptions` of the options of `reading_options`."""
    return ReadOptions(
        skip_corrupt=skip_corrupt,
        process=process,
        experiment=experiment,
        run=run,
        collection=collection,
        number_from=0 if number_events else None,
    )


def skipped_lines(n_skipped: int, messages: Sequence[str]) -> list[str]:
    """What a summary says of events that were left out: how many, and what was wrong with the first of them."""
    if not n_skipped:
        return []
    lines = [
        f"{n_skipped} events left out because they could not be used:",
        *(f"  {m}" for m in messages[:MESSAGES_SHOWN]),
    ]
    return lines + [f"  ... and {len(messages) - MESSAGES_SHOWN} more"] * (len(messages) > MESSAGES_SHOWN)
