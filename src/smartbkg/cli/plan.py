"""`smartbkg plan`."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_costs, cost_options, resamples_option
from smartbkg.cli.outputs import MODEL, PICTURE
from smartbkg.cli.progress import progress_of
from smartbkg.cli.speech import say, warn, words
from smartbkg.errors import PolicyError, UsageError
from smartbkg.optional import needed_for
from smartbkg.storage.atomic import refuse_same_file
from smartbkg.storage.printing import without_markup

if TYPE_CHECKING:
    from smartbkg.networks.scorer import Scorer
    from smartbkg.sampling.cost import Costs
    from smartbkg.sampling.labelled import LabelledEvents
    from smartbkg.sampling.plan import Outlook, Plan
    from smartbkg.sampling.policy import Policy

# What `smartbkg.sampling.optimal` defines, said here so that --help costs no import of it; a test compares.
DEFAULT_MAX_WEIGHT: Final = 25.0

#: From this expected excess of a speed-up on it is said: a tenth of error, as from a hundred passing events.
NOTABLE_EXCESS: Final = 0.01


@click.command()
@click.argument("model", type=FILE)
@click.argument("dataset", required=False, type=FILE)
@click.option("--events", multiple=True, type=FILE, help="In place of DATASET: generated events (repeatable) ...")
@click.option("--flags", multiple=True, type=FILE, help="... and which of them passed (repeatable).")
@cost_options
@click.option("--skim", "skims", multiple=True, help="Plan for this skim (repeat for several). Default: all.")
@click.option("--importance", multiple=True, type=float, help="Importance of each --skim, in their order.")
@click.option("--policy", "policies", multiple=True, help="Also compare threshold=P, exp=A,B, file.py:function.")
@click.option(
    "--max-weight", default=DEFAULT_MAX_WEIGHT, show_default=True, help="Largest weight of the optimal policy."
)
@click.option("--effective", type=float, help="Effective passing events wanted.")
@click.option("--luminosity", type=float, help="... or an integrated luminosity in 1/fb, of the data set's processes.")
@click.option("--recalibrate", is_flag=True, help="Fit the model's calibration again on half of the events.")
@click.option("--oracle", type=FILE, help="Table of `smartbkg oracle`: the true pass probabilities.")
@click.option("--measure", is_flag=True, help="Measure the costs instead of using --t-gen, --t-filter, --t-sim.")
@click.option("--generate-command", help="Makes {events} events: timed with --measure.")
@click.option("--simulate-command", help="Simulates {events} events: timed with --measure.")
@click.option("--measure-events", default=100, show_default=True, help="What {events} becomes.")
@click.option("--picture", type=PICTURE, help="Draw speed-up against kept fraction (.png, .pdf, .svg).")
@click.option("--output", "-o", type=MODEL, help="Write the model with the policy to this file.")
@click.option("--write", is_flag=True, help="Write the policy into MODEL itself.")
@resamples_option(200, least=2, purpose="uncertainties")
@json_option
def command(
    model: Path, dataset: Path | None, events: tuple[Path, ...], flags: tuple[Path, ...], as_json: bool, **options: Any
) -> None:
    """Choose a policy for MODEL on the labelled events of DATASET, or of --events with --flags.

    MODEL stays as it is unless --write is given; --output writes a copy with the policy.
    """
    from smartbkg.datasets.on_the_way import data_sets

    given = () if dataset is None else (dataset,)
    with words(aside=as_json), data_sets(given, events, flags, options["skims"], options["output"]) as paths:
        result = _plan(model, paths[0], options)
    if as_json:
        print_json(result)


def _plan(model: Path, dataset: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Make the plan, print it and store it; what ``--json`` prints."""
    from smartbkg.evaluation.scored_dataset import score_dataset
    from smartbkg.evaluation.store_policy import store_policy
    from smartbkg.networks.model_file import load_scorer
    from smartbkg.networks.surrogate_scorer import SurrogateScorer
    from smartbkg.sampling.plan import COMPARED, make_plan

    if options["write"] and options["output"] is not None:
        raise UsageError("--write changes the model itself and --output writes a copy: give one of the two")
    for output, inputs in ((options["output"], (dataset,)), (options["picture"], (dataset, model))):
        if output is not None:
            refuse_same_file(output, *inputs)
    costs = choose_costs(options["t_gen"], options["t_filter"], options["t_sim"])
    scorer = _with_replicas(model, dataset, costs, options) or load_scorer(model)
    with progress_of("scoring", [dataset]) as tally:
        scored = score_dataset(
            dataset,
            scorer,
            options["skims"],
            training=_training_of(model),
            oracle=options["oracle"],
            is_recalibrated=options["recalibrate"],
            progress=tally.reach,
        )
    if options["measure"]:
        from smartbkg.evaluation.time_command import measured_costs

        commands = {name: options[name] for name in ("generate_command", "simulate_command")}
        costs = measured_costs(replace(costs, filtering=scored.filter_seconds), options["measure_events"], **commands)
    elif isinstance(scorer, SurrogateScorer):
        costs = replace(costs, filtering=costs.filtering + scorer.seconds_per_event)
    events = _of_luminosity(scored.events, options["effective"], options["luminosity"])
    plan = make_plan(
        events,
        costs,
        max_weight=options["max_weight"],
        importance=options["importance"] or None,
        compared=[*COMPARED, *map(_named, options["policies"])],
        n_replicas=options["resamples"],
    )
    _print(plan, scored.note)
    effective = _wanted(plan, options["effective"], options["luminosity"], events)
    if effective is not None:
        _print_needs(plan, effective)
    if options["picture"] is not None:
        with needed_for("a picture", "report"):
            from smartbkg.plots.files import save_figure
            from smartbkg.plots.plan import plot_plan

        save_figure(plot_plan(plan, events), options["picture"])
    result = {field.name: getattr(plan, field.name) for field in fields(plan)}
    result |= {
        "lambda": plan.recommended.lambda_,
        "caution": plan.caution,
        "needs": None if effective is None else plan.needs(effective),
    }
    if options["write"] or options["output"] is not None:
        record = scorer.record if isinstance(scorer, SurrogateScorer) else None
        stored = store_policy(model, plan, options["output"] or model, scored.calibration, record)
        say(f"policy written to {stored}")
    else:
        say(f"{model} is unchanged; --write or --output stores this policy")
    return result


def _with_replicas(model: Path, dataset: Path, costs: Costs, options: dict[str, Any]) -> Scorer | None:
    """The scorer of a model with a surrogate, asked as often as is best at these costs; None for other models."""
    from smartbkg.networks.bundle import load_bundle
    from smartbkg.networks.model_file import model_suffix
    from smartbkg.networks.scorer import scorer_of
    from smartbkg.training.surrogate.combined_score import SurrogateSettings
    from smartbkg.training.surrogate.files import choose_replicas

    if model_suffix(model) != ".safetensors" or (bundle := load_bundle(model)).surrogate is None:
        return None
    if options["recalibrate"]:
        raise UsageError(f"{model}: has a surrogate, whose score `smartbkg calibrate` fits again")
    if options["skims"] or options["importance"]:
        return scorer_of(bundle, source=str(model))
    settings = SurrogateSettings(costs=costs, max_weight=options["max_weight"])
    solved = choose_replicas(bundle, str(model), dataset, settings)
    for row in solved.surrogate.trade if solved.surrogate is not None else ():
        echo(
            f"{row['replicas']:5d} replicas at most: {row['mean_replicas']:.1f} on average, {row['seconds']:.4f} s, "
            f"expected speed-up {row['expected_speed_up']:.3f}"
        )
    return scorer_of(solved, source=str(model))


def _training_of(model: Path) -> dict[str, Any] | None:
    from smartbkg.networks.bundle import load_bundle
    from smartbkg.networks.model_file import model_suffix

    # of a payload the suffix says nothing
    return dict(load_bundle(model).training) if model_suffix(model) == ".safetensors" else None


def _named(text: str) -> Policy:
    from smartbkg.sampling.policies import parse_policy
    from smartbkg.sampling.policy import Policy

    policy = parse_policy(text)
    if not isinstance(policy, Policy):
        raise UsageError("--policy optimal: the optimal policy is in every plan")
    return policy


def _of_luminosity(events: LabelledEvents, effective: float | None, luminosity: float | None) -> LabelledEvents:
    """The events in the proportions of the cross-sections where a luminosity is wanted, else as they are."""
    for option, number in (("--effective", effective), ("--luminosity", luminosity)):
        if number is not None and not math.isfinite(number):
            raise PolicyError(f"{option} {number}: expected a positive number")
    if effective is not None and luminosity is not None:
        raise UsageError("--effective and --luminosity exclude one another")
    if luminosity is None:
        return events
    from smartbkg.sampling.luminosity import multiplicity_of_cross_sections

    if events.process is None:
        raise PolicyError("--luminosity: the data set does not say of which processes its events are")
    say("processes in the proportions of their cross-sections, whatever those of the data set are")
    return replace(events, multiplicity=multiplicity_of_cross_sections(events.process, events.multiplicity))


def _wanted(plan: Plan, effective: float | None, luminosity: float | None, events: LabelledEvents) -> float | None:
    if luminosity is None or events.process is None:
        return effective
    from smartbkg.sampling.luminosity import events_of_luminosity

    return events_of_luminosity(luminosity, events.process) * min(plan.unfiltered_effective_per_event)


def _row(plan: Plan, outlook: Outlook) -> list[str]:
    speed_up = plan.stated(outlook, digits=3)
    if outlook.lost_fraction > 0:
        speed_up = f"biased: loses {outlook.lost_fraction:.1%}"
    effective = " ".join(f"{1000 * value:.3g}" for value in outlook.effective_per_event)
    return [outlook.label, speed_up, effective, f"{outlook.kept_fraction:.2%}", f"{outlook.largest_weight:.3g}"]


def _print(plan: Plan, note: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from smartbkg.sampling.cost import BELLE_II_NOTE

    table = Table(title=without_markup(f"{', '.join(plan.skims)}: {note}"))
    for name in ("policy", "speed-up", "n_eff per 1000", "simulated", "largest weight"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for outlook in plan.outlooks:
        table.add_row(*map(without_markup, _row(plan, outlook)))
    console = Console(width=110)
    console.print(table)
    costs = plan.costs
    retention = ", ".join(f"{skim} {value:.2%}" for skim, value in zip(plan.skims, plan.retention, strict=True))
    lines = [
        f"retention: {retention}; seconds per event: {costs.generation:.3g} / {costs.filtering:.3g} / "
        f"{plan.unfiltered_seconds_per_event - costs.generation:.4g} (generation / decision / simulation)",
        f"λ = {plan.recommended.lambda_:.4g}; the model's own estimate {plan.own_estimate:.3f}; "
        f"free bound {plan.free_bound:.3f}",
    ]
    if plan.oracle is not None:
        share = plan.outlooks[0].speed_up.value / plan.oracle.value
        lines.append(f"oracle {plan.oracle}: {share:.1%} of it reached")
    for process, (common, own) in plan.by_process.items():
        lines.append(f"{process}: {common} with the common λ, {own:.3f} with its own")
    lines.extend(
        f"{outlook.label}: few events of large weight decide; the speed-up comes out too high, by "
        f"{outlook.expected_excess:.0%} on average or more: the scores themselves predict {outlook.own_estimate:.3f}"
        for outlook in plan.outlooks
        if plan.caution is None and outlook.expected_excess > NOTABLE_EXCESS
    )
    if costs.are_belle_ii:
        lines.insert(1, BELLE_II_NOTE)
    echo("\n".join(lines))
    for warning in filter(None, (plan.caution, plan.loss)):
        warn(warning)
    for skim, check in zip(plan.skims, plan.calibration, strict=True):
        if not check.is_tolerable:
            warn(check.warning(skim))


def _print_needs(plan: Plan, effective: float) -> None:
    needs = plan.needs(effective)
    echo(
        f"for {effective:.4g} effective passing events: generate {needs.n_generated:.4g}, simulate "
        f"{needs.n_simulated:.4g}; {needs.cpu_hours:.4g} CPU hours, {needs.cpu_hours_unfiltered:.4g} without the "
        f"filter: {needs.cpu_hours_saved:.4g} saved"
    )
