"""`smartbkg simulate`: the embedded detector, reconstruction and skims, from a file of events to a file of flags."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

FILE = click.Path(path_type=Path)


@click.command("simulate")
@click.argument("events", type=FILE)
@click.option("--output", required=True, type=FILE, help="Parquet file to write: ids, passes_<skim>, variables.")
@click.option("--seed", default=1, show_default=True, help="Fixes the simulation of every event.")
@click.option("--skim", "skims", multiple=True, metavar="NAME", help="Skim or module:function; repeat for several.")
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Threads; the output is the same."
)
def command(events: Path, output: Path, seed: int, skims: tuple[str, ...], jobs: int) -> None:
    """Simulate, reconstruct and skim EVENTS with the embedded experiment, by default with all ten skims.

    The first run compiles the experiment, which takes a minute or two; the machine code is kept for later runs.
    """
    from smartbkg.experiment.simulation import DEFAULT_SKIMS, simulate_file

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulating", total=None)
        summary = simulate_file(
            events, output, seed=seed, skims=skims or DEFAULT_SKIMS, n_jobs=jobs,
            progress=lambda n: bar.advance(task, n),
        )  # fmt: skip
    click.echo(f"{output}: {summary.n_events} events")
    for name, n_passing in summary.n_passing.items():
        click.echo(f"  {name:24s} {n_passing:8d} pass, {100 * n_passing / max(1, summary.n_events):.2f} %")
    if summary.n_unknown:
        click.echo(f"  {summary.n_unknown} particles of unknown code passed through unseen")
