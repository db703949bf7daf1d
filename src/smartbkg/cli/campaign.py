"""`smartbkg campaign`: production over many chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from smartbkg.cli.options import FILE
from smartbkg.errors import SmartBKGError
from smartbkg.storage.configuration import as_yaml, parse_assignments

_SET = click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting.")
_ACCEPT = click.option(
    "--accept", is_flag=True, help="Go on with other versions, or with the campaign's own old model."
)
_FOLDER = click.argument("folder", type=FILE)


@click.group()
def command() -> None:
    """Produce at scale: FOLDER holds a campaign, its settings, records and files, and is the whole truth."""


@command.command()
@_FOLDER
@click.option(
    "--process", "processes", multiple=True, help="Process to generate; repeatable, in ratio of cross-sections."
)
@click.option("--events", type=int, help="Events to generate.")
@click.option("--chunk-events", type=int, help="Events a chunk.")
@click.option("--skim", "skims", multiple=True, help="Skim to filter for; repeatable.")
@click.option("--model", help="Model file.")
@click.option("--global-tag", help="... or its global tag.")
@click.option("--payload", help="... and payload. Default: the model in the package.")
@click.option("--seed", type=int, help="Fixes every event, draw and simulation.")
@click.option("--from", "template", type=FILE, help="Configuration, or folder of a campaign, to start from.")
@_SET
def init(
    folder: Path, processes: tuple[str, ...], skims: tuple[str, ...], template: Path | None,
    assignments: tuple[str, ...], **options: Any,
) -> None:  # fmt: skip
    """Make FOLDER with an annotated campaign.yaml that runs as it is."""
    from smartbkg.campaign.begin import begin_campaign

    keys = {"model": "filter.model", "global_tag": "filter.global_tag", "payload": "filter.payload"}
    overrides = {keys.get(name, name): value for name, value in options.items() if value is not None}
    if skims:
        overrides["filter.skims"] = list(skims)
    config = begin_campaign(folder, overrides | parse_assignments(assignments), processes=processes, template=template)
    source = config.generate.kind
    click.echo(
        f"{folder / 'campaign.yaml'}: {config.events} events ({source}), {config.chunk_events} a chunk; look at it, "
        f"then: smartbkg campaign plan {folder}"
    )


@command.command()
@_FOLDER
def validate(folder: Path) -> None:
    """Check the configuration of FOLDER."""
    from smartbkg.campaign.chunks import plan_chunks
    from smartbkg.campaign.config import read_campaign
    from smartbkg.campaign.folder import CampaignFolder

    place = CampaignFolder.of(folder)
    plan = plan_chunks(read_campaign(place.config), place.root)
    click.echo(f"{place.config}: valid, {len(plan)} chunks")


@command.command()
@click.argument("folder", required=False, type=FILE)
@_SET
def dump(folder: Path | None, assignments: tuple[str, ...]) -> None:
    """Show the whole configuration that FOLDER (or the defaults) amounts to."""
    from smartbkg.campaign.begin import PACKAGED_PAYLOAD, PACKAGED_TAG
    from smartbkg.campaign.config import parse_campaign, read_campaign
    from smartbkg.campaign.folder import CampaignFolder
    from smartbkg.storage.configuration import with_overrides

    overrides = parse_assignments(assignments)
    if folder is None:
        packaged = {"filter": {"global_tag": PACKAGED_TAG, "payload": PACKAGED_PAYLOAD}}
        config = parse_campaign(with_overrides(packaged, overrides))
    else:
        config = read_campaign(CampaignFolder.of(folder).config, overrides)
    click.echo(as_yaml(config), nl=False)


@command.command()
def schema() -> None:
    """Show the JSON schema of campaign.yaml, for editors."""
    from smartbkg.campaign.config import CampaignConfig

    click.echo(json.dumps(CampaignConfig.model_json_schema(), indent=2))


@command.command()
@_FOLDER
@click.option("--on", "place", default="local", show_default=True,
              help="local, slurm, htcondor, pbs, lsf, sge, or the address of a Dask scheduler.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Processes or batch jobs.")
@click.option("--chunk", "chunks", multiple=True, type=int, help="Make this chunk here and end; repeatable.")
@_ACCEPT
def run(folder: Path, place: str, workers: int | None, chunks: tuple[int, ...], accept: bool) -> None:
    """Make the chunks of FOLDER that are not done; the same command goes on after any end."""
    from smartbkg.campaign.campaign import open_campaign

    campaign = open_campaign(folder, is_accepted=accept)
    for line in campaign.accepted:
        click.echo(f"accepted: {line}", err=True)
    if chunks:
        _run_chunks(campaign, chunks)
        return
    from smartbkg.campaign.display import Display
    from smartbkg.campaign.engines.choice import choose_engine
    from smartbkg.campaign.production import produce

    with Display(campaign) as display:
        result = produce(
            campaign, choose_engine(place, campaign.config), n_workers=workers, on_outcome=display.outcome,
            tick=display.tick,
        )  # fmt: skip
    display.finish(result)


def _run_chunks(campaign: Any, chunks: tuple[int, ...]) -> None:
    """Make single chunks, as array jobs and workflow systems do: an error where one of them is not done at the end."""
    from smartbkg.campaign.attempt import attempt_chunk

    for index in chunks:
        outcome = attempt_chunk(campaign, index)
        if outcome.state in ("failed", "machine"):
            raise SmartBKGError(f"chunk {index}: {outcome.message}")
        said = "done" if outcome.state == "done" else "was done already"
        click.echo(f"chunk {index}: {said}")


@command.command()
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_ACCEPT
def status(folder: Path, as_json: bool, accept: bool) -> None:
    """How the campaign in FOLDER stands, read from its records."""
    from smartbkg.campaign.campaign import open_campaign
    from smartbkg.campaign.status import as_dict, read_status
    from smartbkg.campaign.text import status_lines

    campaign = open_campaign(folder, is_accepted=accept)
    found = read_status(campaign)
    click.echo(json.dumps(as_dict(found), indent=2) if as_json else "\n".join(status_lines(campaign, found)))


@command.command()
@_FOLDER
@click.option("--chunk", "chunks", multiple=True, type=int, help="This chunk alone; repeatable.")
def retry(folder: Path, chunks: tuple[int, ...]) -> None:
    """Give chunks that were set aside another chance at the next run."""
    from smartbkg.campaign.failures import retry as forgive
    from smartbkg.campaign.folder import CampaignFolder

    chosen = forgive(CampaignFolder.of(folder), chunks or None)
    click.echo(f"{len(chosen)} chunks will be tried again" + (f": {chosen}" if chosen else ""))
