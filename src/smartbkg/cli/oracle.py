"""`smartbkg oracle`: the pass probability of each event, measured, and the best speed-up any filter could reach."""

from __future__ import annotations

from pathlib import Path

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_costs, cost_options
from smartbkg.cli.outputs import TABLE
from smartbkg.cli.progress import progress
from smartbkg.cli.speech import say, words


@click.command("oracle")
@click.argument("events", type=FILE)
@click.option("--replicas", "n_replicas", default=1000, show_default=True, help="Simulations of each event, even.")
@click.option("--skim", "skim_name", required=True, metavar="NAME", help="Skim or file.py:function.")
@click.option("--soft-labels", type=TABLE, help="Table to write: each event's pass fraction, labels to train on.")
@click.option("--seed", default=1, show_default=True, help="Fixes the simulation of every event and replica.")
@click.option(
    "--detector", default="belle2", show_default=True, metavar="NAME|FILE",
    help="Whose pass probabilities: belle2, alternative, ..., or FILE.json of changes to one.",
)  # fmt: skip
@cost_options
@click.option("--max-weight", default=25.0, show_default=True, help="1/max-weight is the least keep probability.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Threads.")
@json_option
def command(
    events: Path,
    n_replicas: int,
    skim_name: str,
    soft_labels: Path | None,
    seed: int,
    detector: str,
    t_gen: float,
    t_filter: float,
    t_sim: float,
    max_weight: float,
    jobs: int,
    as_json: bool,
) -> None:
    """Simulate EVENTS many times each and say how much a perfect filter would save."""
    from smartbkg.experiment.detector.files import read_detector
    from smartbkg.experiment.oracle import run_oracle
    from smartbkg.io.counting import count_events

    parameters = read_detector(detector)
    counted = count_events([events])
    total = None if counted is None else counted.n_events * n_replicas
    with progress("simulating", total, "simulations") as tally:
        result = run_oracle(
            events, skim_name, n_replicas, output=soft_labels, seed=seed, detector=parameters, n_jobs=jobs,
            costs=choose_costs(t_gen, t_filter, t_sim), max_weight=max_weight, progress=tally.advance,
        )  # fmt: skip
    if as_json:
        print_json({"skim": skim_name, "soft_labels": soft_labels, **result._asdict()})
    with words(aside=as_json):
        echo(f"{result.n_events} events, {result.n_simulations} simulations, skim {skim_name}")
        echo(f"retention {result.retention}, P(pass again | passed) {result.pass_again}, AUC {result.auc:.3f}")
        echo("replicas   speed-up, cross-fit   speed-up, limit")
        for step in result.convergence:
            echo(f"{step.n_replicas:8d}   {step.cross_fit!s:18s}    {step.limit!s}")
    if soft_labels is not None:
        say(f"{soft_labels}: pass fractions of {result.n_events} events")
