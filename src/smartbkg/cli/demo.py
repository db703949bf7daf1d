"""`smartbkg demo`."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.outputs import FOLDER
from smartbkg.cli.speech import is_quiet, words
from smartbkg.errors import SmartBKGError
from smartbkg.storage.printing import printable, without_markup

if TYPE_CHECKING:
    from rich.console import Console

    from smartbkg.demo.run import DemoFiles, DemoResult

# What `smartbkg.demo.run` defines, said here so that --help costs no import of it; a test compares.
DEFAULT_EVENTS: Final = 80_000


class _ConsoleAnnouncer:
    """Numbered steps with their reasons and times."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._n_steps = 0

    def step(self, title: str, reason: str) -> None:
        self._n_steps += 1
        elapsed = time.monotonic() - self._begin
        self._console.print(f"\n[bold]{self._n_steps}. {title}[/bold]  [dim]{elapsed:.0f} s[/dim]\n   {reason}")

    def result(self, text: str) -> None:
        self._console.print(f"   [green]{without_markup(text)}[/green]")


def next_steps(files: DemoFiles) -> tuple[str, ...]:
    """Commands that run on what the demo left behind."""
    from smartbkg.demo.run import SKIM

    path = {name: shlex.quote(str(value)) for name, value in files._asdict().items()}
    folder = files.report.parent
    weighted, kept = (shlex.quote(str(folder / name)) for name in ("weighted.root", "kept-with-another-seed.parquet"))
    return (
        f"smartbkg info {path['kept']}",
        f"smartbkg plan {path['model']} {path['production_dataset']}",
        f"smartbkg validate {path['kept']} {path['production_flags']} --skim {SKIM}",
        f"smartbkg ntuple {path['production_flags']} {path['kept']} --drop-unknown --output {weighted}",
        f"smartbkg filter {path['production_events']} --model {path['model']} --seed 8 --output {kept}",
    )


def _say_what_came_of_it(console: Console, result: DemoResult) -> None:
    files = result.files
    console.print(
        f"\n[bold]Speed-up {result.speed_up}[/bold] at Belle II's costs (0.08, 0.63, 97.04 s per event): "
        f"{result.kept_fraction:.1%} of the events simulated, AUC {result.area:.3f}\n{without_markup(result.verdict)}\n"
    )
    console.print("Look at what is there:")
    for line in next_steps(files):
        console.print(f"  {printable(line)}", highlight=False, markup=False, soft_wrap=True)
    console.print("With events of your own, begin with `smartbkg flag`: docs/training.md.")
    console.print(printable(f"\nThe report: {files.report.absolute()}"), highlight=False, markup=False, soft_wrap=True)


@click.command()
@click.option("--events", type=int, default=DEFAULT_EVENTS, show_default=True, help="Events to learn from.")
@click.option("--output", "-o", type=FOLDER, default=Path("demo"), show_default=True, help="Folder for all files.")
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes everything.")
@click.option("--jobs", "--threads", "threads", type=click.IntRange(min=1), help="Cores to use; all if not given.")
@json_option
def command(events: int, output: Path, seed: int, threads: int | None, as_json: bool) -> None:
    """Do the whole job at a small size: generate, simulate, skim, train, filter, check.

    It takes a few minutes and ends with the path of a report. Exit code 1 if the closure test fails.
    """
    from rich.console import Console

    from smartbkg.demo.run import run_demo

    with words(aside=as_json or is_quiet()):
        console = Console()
        result = run_demo(output, events, _ConsoleAnnouncer(console), seed=seed, threads=threads)
        _say_what_came_of_it(console, result)
    if as_json:
        print_json({**result._asdict(), "files": result.files._asdict()})
    if not result.is_unbiased:
        raise SmartBKGError(f"the closure test failed: {result.verdict}")
