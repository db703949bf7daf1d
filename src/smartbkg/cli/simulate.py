"""`smartbkg simulate`: detector, reconstruction and skims, from a file of events to a file of flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE, choose_reading, source_options
from smartbkg.cli.outputs import PAGE, TABLE, TABLE_OR_PAGE
from smartbkg.cli.progress import Tally, progress_of
from smartbkg.cli.speech import say, words
from smartbkg.errors import UsageError

if TYPE_CHECKING:
    from smartbkg.io import ReadOptions


@click.command("simulate")
@click.argument("events", metavar="[EVENTS]...", type=FILE, nargs=-1)
@click.option("--output", "-o", required=True, type=TABLE_OR_PAGE, help="Table of ids, passes_<skim>, variables.")
@click.option("--seed", default=1, show_default=True, help="Fixes the simulation of every event.")
@click.option("--skim", "skims", multiple=True, metavar="NAME", help="Skim or file.py:function; repeat for several.")
@click.option(
    "--detector",
    metavar="NAME|FILE",
    help="Detector: belle2 (default), alternative, ... or FILE.json of changes.",
)
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1),
    help="Threads, or calls of --simulation at a time; the output is the same.",
)  # fmt: skip
@click.option("--allow-duplicates", is_flag=True, help="Accept an event id that comes twice.")
@click.option(
    "--simulation", metavar="COMMAND",
    help="Your own: 'program {input} {output} {seed}', one --skim names its flag; also {part}, {run}, {events}.",
)  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=2048, show_default=True, help="... events of a call.")
@click.option(
    "--simulation-input",
    type=click.Choice(["parquet", "hepmc3"]),
    help="... format of its {input}; default parquet.",
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="... seconds after which a call of it has failed."
)
@click.option("--skip-failures", is_flag=True, help="... leave out events of failed calls and report them.")
@click.option(
    "--compare",
    type=FILE,
    metavar="MDST",
    help="Compare with full simulation, and EVENTS or 10,000 new ones with EvtGen, instead: writes an HTML page.",
)
@source_options
@json_option
def command(
    events: tuple[Path, ...],
    output: Path,
    seed: int,
    skims: tuple[str, ...],
    detector: str | None,
    jobs: int,
    allow_duplicates: bool,
    simulation: str | None,
    simulation_input: str | None,
    timeout: float | None,
    skip_failures: bool,
    batch_size: int,
    compare: Path | None,
    as_json: bool,
    **reading: Any,
) -> None:
    """Simulate, reconstruct and skim EVENTS with the embedded experiment, by default with all ten skims.

    EVENTS are files of any readable format, or patterns such as 'run*.hepmc3.gz'.

    With --simulation, a program of your own is called with some events at a time. Events that were read from HepMC are
    handed over as HepMC as they are. {seed} follows from --seed and the events of the call.

    The first run compiles the experiment, which takes a minute or two; the machine code is kept for later runs.
    """
    embedded = {"--detector": detector is not None, "--allow-duplicates": allow_duplicates}
    external = {"--simulation-input": simulation_input is not None, "--timeout": timeout is not None}
    external["--skip-failures"] = skip_failures
    if compare is not None:
        _refuse(
            embedded
            | external
            | {"--jobs": jobs > 1, "--simulation": simulation is not None, "--skim": bool(skims)}
            | {f"--{name.replace('_', '-')}": bool(value) for name, value in reading.items()},
            "with --compare",
        )
    elif simulation is not None:
        _refuse(embedded, "with --simulation")
        _look_for_seed(simulation)
    else:
        _refuse(external, "without --simulation")
    (TABLE if compare is None else PAGE).check(output)
    if compare is not None:
        if len(events) > 1:
            raise UsageError(f"--compare takes one file of EVENTS, got {len(events)}")
        with words(aside=as_json):
            result = _compare(compare, next(iter(events), None), output, seed)
    elif not events:
        raise UsageError("give a file of events, or --compare with a file of full simulation")
    else:
        how = choose_reading(**reading)
        with progress_of("simulating", events, how) as tally:
            if simulation is None:
                result, lines = _simulate(
                    events, output, seed, skims, detector, jobs, tally, allow_duplicates=allow_duplicates, options=how
                )
            else:
                result, lines = _simulate_externally(
                    events, output, simulation, skims, tally, seed=seed, n_jobs=jobs, batch_size=batch_size,
                    input_suffix=f".{simulation_input or 'parquet'}", timeout=timeout, skip_failures=skip_failures,
                    options=how,
                )  # fmt: skip
        say("\n".join(lines))
    if as_json:
        print_json({"output": output, "seed": seed, **result})


def _refuse(options: dict[str, bool], where: str) -> None:
    """Refuse options that have no effect in this mode."""
    given = [name for name, is_given in options.items() if is_given]
    if given:
        raise UsageError(f"{', '.join(given)} has no meaning {where}")


def _simulate(
    events: Sequence[Path],
    output: Path,
    seed: int,
    skims: tuple[str, ...],
    detector: str | None,
    jobs: int,
    tally: Tally,
    *,
    allow_duplicates: bool,
    options: ReadOptions,
) -> tuple[dict[str, Any], list[str]]:
    """The result, and what is said of it."""
    from smartbkg.experiment.detector.files import read_detector
    from smartbkg.experiment.detector.parameters import BELLE2
    from smartbkg.experiment.simulation import DEFAULT_SKIMS, simulate_file

    parameters = BELLE2 if detector is None else read_detector(detector)
    summary = simulate_file(
        events, output, seed=seed, skims=skims or DEFAULT_SKIMS, detector=parameters, n_jobs=jobs,
        allow_duplicates=allow_duplicates, options=options, progress=tally.advance,
    )  # fmt: skip
    lines = [f"{output}: {summary.n_events} events" + ("" if detector is None else f", detector {parameters.name}")]
    for name, n_passing in summary.n_passing.items():
        lines.append(f"  {name:24s} {n_passing:8d} pass, {100 * n_passing / max(1, summary.n_events):.2f} %")
    if summary.n_unknown:
        lines.append(f"  {summary.n_unknown} particles of unknown code passed through unseen")
    return summary._asdict(), lines


def _look_for_seed(simulation: str) -> None:
    """Say what the seed does, where the command does not take it."""
    if "{seed}" in simulation:
        return
    source = click.get_current_context().get_parameter_source("seed")
    if source is not None and source.name != "DEFAULT":
        raise UsageError("--seed has no effect: the command of --simulation has no {seed}")
    say(
        "note: the command of --simulation has no {seed}: calls share random numbers, unless the program seeds each "
        "event by itself"
    )


def _simulate_externally(
    events: Sequence[Path],
    output: Path,
    simulation: str,
    skims: tuple[str, ...],
    tally: Tally,
    **options: Any,
) -> tuple[dict[str, Any], list[str]]:
    """The result, and what is said of it."""
    from smartbkg.experiment.external import simulate_file_externally

    if len(skims) > 1:
        raise UsageError(f"an external simulation decides one skim, got {len(skims)}: {', '.join(skims)}")
    skim = skims[0] if skims else "external"
    summary = simulate_file_externally(events, output, simulation, skim=skim, progress=tally.advance, **options)
    line = f"{output}: {summary.n_events} events, {summary.n_passing} pass, {summary.n_failed} not simulated"
    return {**summary._asdict(), "n_passing": {skim: summary.n_passing}}, [line, *summary.messages]


def _compare(full_simulation: Path, events: Path | None, output: Path, seed: int) -> dict[str, Any]:
    """Compare the detector with full simulation, and EVENTS or new ones with EvtGen's histograms beside its file."""
    from smartbkg.experiment.comparison.generator import compare_with_evtgen, generate_and_compare
    from smartbkg.experiment.comparison.page import write_comparison
    from smartbkg.io import open_events
    from smartbkg.storage.atomic import refuse_same_file

    refuse_same_file(output, *filter(None, (full_simulation, events)))
    folder = full_simulation.parent
    if events is None:
        generator = generate_and_compare(folder, seed=seed)
    else:
        with open_events(events) as reader:
            generator = compare_with_evtgen(reader.batches(), folder)
    comparison = write_comparison(full_simulation, output, seed=seed, generator=generator)
    for quantity in comparison.events:
        echo(f"  {quantity.name:28s} {quantity.fast_mean:9.3f} embedded, {quantity.full_mean:9.3f} full")
    echo(f"{output}: {comparison.n_events} events of full simulation, {comparison.n_replicas} replicas of each")
    if generator is None:
        echo(f"no comparison with EvtGen: its histograms are not in {folder}, or PYTHIA is not installed")
    else:
        echo(f"{generator.n_events} generated events compared with EvtGen")
    return {
        "n_events": comparison.n_events,
        "n_replicas": comparison.n_replicas,
        "n_generated": None if generator is None else generator.n_events,
        "quantities": {
            quantity.name: {"embedded": quantity.fast_mean, "full": quantity.full_mean}
            for quantity in comparison.events
        },
    }
