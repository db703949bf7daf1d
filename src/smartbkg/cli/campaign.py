"""`smartbkg campaign`: production over many chunks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.options import FILE
from smartbkg.cli.outputs import EVENTS, JSON, PAGE
from smartbkg.cli.speech import is_quiet, say, warn
from smartbkg.errors import SmartBKGError, UsageError

if TYPE_CHECKING:
    from smartbkg.campaign.campaign import Campaign
    from smartbkg.campaign.chunk.attempt import Outcome
    from smartbkg.campaign.job_report import JobReport

_SET = click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting.")
_ACCEPT = click.option(
    "--accept", is_flag=True, help="Go on with other versions, or with the campaign's own old model."
)
_FOLDER = click.argument("folder", type=FILE)
_WATCH_SECONDS = 30.0


@click.group()
def command() -> None:
    """Produce at scale: FOLDER holds a campaign, its settings, records and files, and is the whole truth."""


@command.command()
@_FOLDER
@click.option(
    "--process", "processes", multiple=True, help="Process to generate; repeatable, in ratio of cross-sections."
)
@click.option("--events", type=int, help="Events to generate.")
@click.option("--chunk-events", type=int, help="Events per chunk.")
@click.option("--skim", "skims", multiple=True, help="Skim to filter for; repeatable.")
@click.option("--model", type=click.Path(), help="Model file.")
@click.option("--global-tag", help="... or its global tag.")
@click.option("--payload", help="... and payload. Default: the model in the package.")
@click.option("--seed", type=int, help="Fixes every event, draw and simulation.")
@click.option("--from", "template", type=FILE, help="Configuration, or folder of a campaign, to start from.")
@_SET
@json_option
def init(
    folder: Path, processes: tuple[str, ...], skims: tuple[str, ...], template: Path | None,
    assignments: tuple[str, ...], as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Make FOLDER with an annotated campaign.yaml that runs as it is."""
    from smartbkg.campaign.begin import begin_campaign
    from smartbkg.storage.configuration import parse_assignments

    keys = {"model": "filter.model", "global_tag": "filter.global_tag", "payload": "filter.payload"}
    overrides = {keys.get(name, name): value for name, value in options.items() if value is not None}
    if skims:
        overrides["filter.skims"] = list(skims)
    overrides |= parse_assignments(assignments)
    config = begin_campaign(folder, overrides, processes=processes, template=template)
    source = config.generate.kind
    if source != "embedded" and not (processes or template or any("processes" in key for key in overrides)):
        named = ", ".join(f"'{name}' of {value:g} nb" for name, value in config.generate.processes.items())
        warn(
            f"these events are taken for {named}, from which luminosities follow: say what they are by --process NAME, "
            "or by --set 'generate.processes={NAME: CROSS_SECTION}'"
        )
    if as_json:
        print_json(
            {
                "path": folder / "campaign.yaml", "events": config.events, "chunk_events": config.chunk_events,
                "source": source,
            }
        )  # fmt: skip
    say(
        f"{folder / 'campaign.yaml'}: {config.events} events ({source}), {config.chunk_events} a chunk; look at it, "
        f"then: smartbkg campaign plan {folder}"
    )


@command.command()
@_FOLDER
@click.option("--events", type=click.IntRange(min=1), default=3000, show_default=True, help="Events to measure on.")
@json_option
def plan(folder: Path, events: int, as_json: bool) -> None:
    """Check FOLDER and say what will happen, from a few events made here and now; nothing begins."""
    from dataclasses import asdict

    from smartbkg.campaign.outlook import foresee, outlook_lines

    outlook = foresee(folder, events)
    if as_json:
        hours = {"cpu_hours": outlook.cpu_hours, "cpu_hours_unfiltered": outlook.cpu_hours_unfiltered}
        print_json(asdict(outlook) | hours)
        return
    echo("\n".join([*outlook_lines(outlook), f"begin by: smartbkg campaign run {folder}"]))


@command.command()
@_FOLDER
@json_option
def validate(folder: Path, as_json: bool) -> None:
    """Check the configuration of FOLDER."""
    from smartbkg.campaign.chunk.chunks import plan_chunks
    from smartbkg.campaign.config import read_campaign
    from smartbkg.campaign.folder import CampaignFolder

    place = CampaignFolder.of(folder)
    plan = plan_chunks(read_campaign(place.config), place.root)
    if as_json:
        print_json({"path": place.config, "is_valid": True, "n_chunks": len(plan)})
    else:
        echo(f"{place.config}: valid, {len(plan)} chunks")


@command.command()
@click.argument("folder", required=False, type=FILE)
@_SET
@json_option
def dump(folder: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Show the whole configuration that FOLDER (or the defaults) amounts to."""
    from smartbkg.campaign.begin import PACKAGED_PAYLOAD, PACKAGED_TAG
    from smartbkg.campaign.config import parse_campaign, read_campaign
    from smartbkg.campaign.folder import CampaignFolder
    from smartbkg.storage.configuration import as_yaml, parse_assignments, with_overrides

    overrides = parse_assignments(assignments)
    if folder is None:
        packaged = {"filter": {"global_tag": PACKAGED_TAG, "payload": PACKAGED_PAYLOAD}}
        config = parse_campaign(with_overrides(packaged, overrides))
    else:
        config = read_campaign(CampaignFolder.of(folder).config, overrides)
    if as_json:
        print_json(config.model_dump(mode="json"))
    else:
        echo(as_yaml(config), nl=False)


@command.command()
def schema() -> None:
    """Show the JSON schema of campaign.yaml, for editors."""
    from smartbkg.campaign.config import CampaignConfig

    print_json(CampaignConfig.model_json_schema())


@command.command()
@_FOLDER
@click.option("--on", "place", default="local", show_default=True,
              help="local, slurm, htcondor, pbs, lsf, sge, or the address of a Dask scheduler.")  # fmt: skip
@click.option("--workers", "--jobs", "workers", type=click.IntRange(min=1), help="Processes or batch jobs.")
@click.option("--chunk", "chunks", multiple=True, type=int, help="Make this chunk here and end; repeatable.")
@click.option("--page", type=PAGE, help="Keep a status page (HTML) up to date.")
@click.option("--report", "report_path", type=JSON, help="Write what this job did (JSON), however it ends.")
@_ACCEPT
@json_option
def run(
    folder: Path, place: str, workers: int | None, chunks: tuple[int, ...], page: Path | None,
    report_path: Path | None, accept: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make the chunks of FOLDER that are not done; the same command goes on after any end."""
    from smartbkg.campaign.campaign import open_campaign

    campaign = open_campaign(folder, is_accepted=accept)
    for line in campaign.accepted:
        say(f"accepted: {line}")
    from smartbkg.campaign.job_report import JobReport

    with JobReport(campaign, report_path) as job:
        if chunks:
            _run_chunks(campaign, chunks, job)
        else:
            _run_all(campaign, place, workers, page, job)
        if as_json:
            print_json(job.content())


def _run_all(campaign: Campaign, place: str, workers: int | None, page: Path | None, job: JobReport) -> None:
    """Make what is not done."""
    from smartbkg.campaign.engines.choice import choose_engine
    from smartbkg.campaign.production import produce
    from smartbkg.campaign.watch.display import Display
    from smartbkg.campaign.watch.monitor import write_page_to

    engine = choose_engine(place, campaign.config)
    with Display(campaign, None if page is None else write_page_to(page, campaign), is_quiet=is_quiet()) as display:

        def seen(outcome: Outcome) -> None:
            job.outcome(outcome)
            display.outcome(outcome)

        result = produce(campaign, engine, n_workers=workers, on_outcome=seen, tick=display.tick)
    if display.finish(result):
        raise SmartBKGError("stopped by an alarm; what was done is recorded")
    n_missing = result.status.n_chunks - result.status.n_done
    if n_missing:
        raise SmartBKGError(
            f"{n_missing} of {result.status.n_chunks} chunks are not done, what was done is recorded: "
            f"`smartbkg campaign status {campaign.folder.root}` says why"
        )


def _run_chunks(campaign: Campaign, chunks: tuple[int, ...], job: JobReport) -> None:
    """Make single chunks, as array jobs and workflow systems do: an error where one of them is not done at the end."""
    from smartbkg.campaign.chunk.attempt import attempt_chunk

    failed = []
    for index in chunks:
        outcome = attempt_chunk(campaign, index)
        job.outcome(outcome)
        if outcome.state in ("failed", "machine"):
            failed.append(f"chunk {index}: {outcome.message}")
        else:
            say(f"chunk {index}: {'done' if outcome.state == 'done' else 'was done already'}")
    if failed:
        more = f" (and {len(failed) - 1} more chunks)" if len(failed) > 1 else ""
        raise SmartBKGError(failed[0] + more)


@command.command()
@_FOLDER
@click.option("--on", "system", type=click.Choice(["slurm", "htcondor"]), required=True, help="Batch system.")
@click.option("--array", is_flag=True, required=True, help="As a plain array job.")
@click.option(
    "--tasks", type=click.IntRange(min=1), help="Tasks of the array; up to 1,000, one per chunk, if not given."
)
@click.option("--dry-run", is_flag=True, help="Write the job, do not submit it.")
@_ACCEPT
@json_option
def submit(
    folder: Path, system: str, array: bool, tasks: int | None, dry_run: bool, accept: bool, as_json: bool  # noqa: ARG001 - said, since it is no Dask
) -> None:  # fmt: skip
    """Submit what is not done in FOLDER as an array job, where no Dask worker may live."""
    from smartbkg.campaign.campaign import open_campaign
    from smartbkg.campaign.engines import array as jobs
    from smartbkg.campaign.status import read_status

    campaign = open_campaign(folder, is_accepted=accept)
    job = jobs.write_array(campaign, read_status(campaign).pending, "slurm" if system == "slurm" else "htcondor", tasks)
    identity = None if dry_run else jobs.submit(job)
    if identity is None:
        say(f"{job.script}: {job.n_chunks} chunks in {job.n_tasks} tasks; submit it by: {' '.join(job.command)}")
    else:
        say(f"{identity}: {job.n_chunks} chunks in {job.n_tasks} tasks ({job.script})")
    if as_json:
        print_json({"job": identity, **job._asdict()})


@command.command()
@_FOLDER
@json_option
@click.option("--page", type=PAGE, help="Write a self-contained status page (HTML).")
@click.option("--watch", is_flag=True, help="Look again every half minute until nothing is left to do.")
@_ACCEPT
def status(folder: Path, as_json: bool, page: Path | None, watch: bool, accept: bool) -> None:
    """How the campaign in FOLDER stands, read from its records."""
    import time

    from smartbkg.campaign.campaign import open_campaign
    from smartbkg.campaign.status import as_dict
    from smartbkg.campaign.watch.monitor import watched_status, write_page_to
    from smartbkg.campaign.watch.text import status_lines

    campaign = open_campaign(folder, is_accepted=accept)
    while True:
        found, alarms = watched_status(campaign)
        said = [str(alarm) for alarm in alarms]
        if page is not None:
            write_page_to(page, campaign)(found, alarms)
        lines = [*status_lines(campaign, found), *(f"ALARM {line}" for line in said)]
        if as_json:
            print_json(as_dict(found, said))
        else:
            echo("\n".join(lines))
        if not watch or not found.pending:
            return
        time.sleep(_WATCH_SECONDS)


@command.command()
@_FOLDER
@click.option("--chunk", "chunks", multiple=True, type=int, help="This chunk alone; repeatable.")
@json_option
def retry(folder: Path, chunks: tuple[int, ...], as_json: bool) -> None:
    """Give chunks that were set aside another chance at the next run."""
    from smartbkg.campaign.failures import retry as forgive
    from smartbkg.campaign.folder import CampaignFolder

    chosen = forgive(CampaignFolder.of(folder), chunks or None)
    say(f"{len(chosen)} chunks will be tried again" + (f": {chosen}" if chosen else ""))
    if as_json:
        print_json({"chunks": chosen})


@command.command()
@_FOLDER
@click.option("--output", "-o", type=EVENTS, required=True, help=".parquet, .hepmc3[.gz], or .root for the n-tuples.")
@click.option("--chunks", "bounds", metavar="FIRST:LAST", help="This range alone, both included.")
@click.option("--incomplete", is_flag=True, help="Merge what is done although some chunks are not.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes for a large merge.")
@_ACCEPT
@json_option
def merge(
    folder: Path, output: Path, bounds: str | None, incomplete: bool, jobs: int, accept: bool, as_json: bool
) -> None:
    """Merge the kept events of FOLDER into one file, in constant memory."""
    from smartbkg.campaign.campaign import open_campaign
    from smartbkg.campaign.merge import merge_campaign

    campaign = open_campaign(folder, is_accepted=accept)
    merged = merge_campaign(campaign, output, chunks=_range(bounds), is_incomplete_allowed=incomplete, n_jobs=jobs)
    if as_json:
        print_json({"output": output, **merged._asdict()})
    say(
        f"{output}: {merged.n_written} events of {merged.n_chunks} chunks, standing for {merged.totals.n_events} "
        f"generated ones; sum of weights {float(merged.totals.sum_kept_weight):.6g}"
    )


def _range(bounds: str | None) -> range | None:
    if bounds is None:
        return None
    first, colon, last = bounds.partition(":")
    if not colon or not first.isdigit() or not last.isdigit() or int(last) < int(first):
        raise UsageError(f"--chunks {bounds}: expected FIRST:LAST, as 0:999")
    return range(int(first), int(last) + 1)


@command.command()
@_FOLDER
@json_option
@_ACCEPT
def report(folder: Path, as_json: bool, accept: bool) -> None:
    """What the campaign in FOLDER made: normalisation, luminosity, skims, costs, and what it was made with."""
    from smartbkg.campaign.campaign import open_campaign
    from smartbkg.campaign.report import report_dict, report_lines
    from smartbkg.campaign.status import read_status
    from smartbkg.campaign.watch.text import failure_lines, skim_lines

    campaign = open_campaign(folder, is_accepted=accept)
    found = read_status(campaign)
    if as_json:
        print_json(report_dict(campaign, found))
        return
    echo("\n".join([*report_lines(campaign, found), *skim_lines(found.ledger), *failure_lines(found)]))
