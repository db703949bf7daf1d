"""`smartbkg generate`: events of the embedded generator, to a native file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.outputs import GENERATED
from smartbkg.cli.progress import progress
from smartbkg.cli.speech import say

# What `smartbkg.events.columns` defines, said here so that --help costs no import of it; a test compares.
PROCESSES: Final = ("mixed", "charged", "uubar", "ddbar", "ssbar", "ccbar", "taupair")


@click.command("generate")
@click.option("--process", required=True, metavar="NAME", help=f"One of: {', '.join(PROCESSES)}.")
@click.option("--events", "n_events", required=True, type=int, help="Number of events.")
@click.option("--seed", required=True, type=int, help="Fixes every event by its number.")
@click.option("--output", "-o", required=True, type=GENERATED, help="Parquet file to write.")
@click.option("--experiment", default=0, show_default=True, help="Experiment number of the events.")
@click.option("--run", default=1, show_default=True, help="Run number of the events.")
@click.option("--first-event", default=1, show_default=True, help="Number of the first event in its run.")
@click.option("--jobs", default=1, show_default=True, help="Processes to work with; the events are the same.")
@json_option
def command(
    process: str,
    n_events: int,
    seed: int,
    output: Path,
    experiment: int,
    run: int,
    first_event: int,
    jobs: int,
    as_json: bool,
) -> None:
    """Generate events with PYTHIA 8 at SuperKEKB's energies.

    B meson pairs (mixed, charged), light and charm quarks (uubar, ddbar, ssbar, ccbar) and taupair. Event k of a run
    depends on the seed, the process, experiment and run alone: a run can be made in parts with --first-event.
    """
    from smartbkg.experiment.generator.files import generate_to_file
    from smartbkg.experiment.generator.generate import GeneratorRequest

    get_source = click.get_current_context().get_parameter_source
    request = GeneratorRequest(process, n_events, seed, experiment, run, first_event)
    with progress("generating", n_events) as tally:
        written = generate_to_file(request, output, n_jobs=jobs, progress=tally.reach)
    if all(get_source(name) is ParameterSource.DEFAULT for name in ("experiment", "run", "first_event")):
        say(
            f"event ids are the defaults (experiment {experiment}, run {run}, events from {first_event}): another job "
            "needs a --run or --first-event of its own, or its events carry the same ids"
        )
    if as_json:
        print_json({"output": output, "process": process, **written._asdict()})
    say(f"{output}: {written.n_events} '{process}' events, {written.n_particles} particles")
