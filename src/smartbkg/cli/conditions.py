"""``smartbkg conditions``: global tags and payloads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from smartbkg.cli.console import echo
from smartbkg.cli.json_output import json_option, print_json
from smartbkg.cli.outputs import COPY
from smartbkg.cli.speech import say, words
from smartbkg.conditions import find_payload, open_source, open_writable, parse_interval
from smartbkg.conditions.client import read_token_file
from smartbkg.conditions.local_text import LocalTextDatabase
from smartbkg.conditions.location import PACKAGE, default_places, user_conditions_folder
from smartbkg.conditions.resolve import find_source
from smartbkg.conditions.source import UnreachableError
from smartbkg.conditions.store import ConditionsStore
from smartbkg.errors import ConditionsError
from smartbkg.storage.atomic import atomic_path

if TYPE_CHECKING:
    from smartbkg.conditions.payload import Payload

# What `smartbkg.conditions.serving` defines, said here so that --help costs no import of it; a test compares.
DEFAULT_PORT: Final = 8765
MOST_CONNECTIONS: Final = 512

_PLACE = "Folder of a store, URL of a server, basf2's database.txt, or 'package'"


@click.group()
def command() -> None:
    """Global tags and payloads: store, fetch, publish, serve."""


def _place(context: click.Context, parameter: click.Parameter, value: str | None) -> str:  # noqa: ARG001 - click's
    return value if value is not None else str(user_conditions_folder())


place_option = click.option("--at", "place", callback=_place, help=f"{_PLACE}; default: your own store.")


@command.command()
@click.option("--at", "place", help=f"{_PLACE}; default: all places that are asked.")
@json_option
def tags(place: str | None, as_json: bool) -> None:
    """List the global tags."""
    listed = []
    for name in [place] if place else default_places():
        source = open_source(name)
        try:
            found = source.tags()
        except UnreachableError as error:
            if place:
                raise
            say(f"{error}")
            continue
        listed += [{**tag._asdict(), "place": source.place} for tag in found]
    if as_json:
        print_json({"tags": listed})
        return
    for one in listed:
        echo(f"{one['name']}\t{one['status']}\t{one['place']}\t{one['description']}")


@command.command()
@click.argument("tag")
@click.option("--at", "place", default=None, help=f"{_PLACE}; default: the first place that knows the tag.")
@json_option
def show(tag: str, place: str | None, as_json: bool) -> None:
    """List the payloads of a global tag with their intervals of validity."""
    source = find_source(tag, [place] if place else None)
    found = source.tag(tag)
    if as_json:
        payloads = [_contents(payload) for payload in source.payloads(tag)]
        print_json({**found._asdict(), "place": source.place, "payloads": payloads})
        return
    echo(f"{found.name}  {found.status}  {source.place}  {found.description}")
    for payload in source.payloads(tag):
        echo(f"{payload.name}\trevision {payload.revision}\t{payload.interval}\tmd5 {payload.checksum}")


@command.command()
@click.argument("tag")
@click.argument("payload")
@click.option("--experiment", type=int, default=0, show_default=True, help="Experiment the payload must hold for.")
@click.option("--run", type=int, default=0, show_default=True, help="Run the payload must hold for.")
@click.option("--at", "place", help=f"{_PLACE}; default: the first place that knows the tag.")
@click.option("--output", "-o", type=COPY, help="Copy the file here.")
@json_option
def get(
    tag: str, payload: str, experiment: int, run: int, place: str | None, output: Path | None, as_json: bool
) -> None:
    """Fetch a payload, verify it, and print the path of its file."""
    found = find_payload(tag, payload, experiment, run, places=[place] if place else None)
    if output is not None:
        with atomic_path(output) as partial:
            shutil.copyfile(found.path, partial)
    if as_json:
        print_json({"path": output or found.path, "tag": tag, "place": found.place, **_contents(found.payload)})
    else:
        echo(str(output or found.path))
    say(f"{found.payload}, valid for {found.payload.interval}, from {found.place}")


@command.command()
@click.argument("tag")
@click.argument("payload")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--iov", default="0,0,-1,-1", show_default=True, help="firstExp,firstRun,finalExp,finalRun; -1 = no end.")
@click.option("--new", is_flag=True, help="Make the global tag.")
@click.option("--description", default="", help="What a new global tag is for.")
@place_option
@json_option
def put(tag: str, payload: str, file: Path, iov: str, new: bool, description: str, place: str, as_json: bool) -> None:
    """Add a file to an open global tag; a new file under an old name is its next revision."""
    interval = parse_interval(iov)
    if not file.is_file():  # said before a store is made for it
        raise ConditionsError(f"{file}: {'is a folder, expected a file' if file.is_dir() else 'no such file'}")
    if place.endswith(".txt"):
        added = LocalTextDatabase(Path(place)).put(payload, file, interval)
    else:
        added = open_writable(place).put(tag, payload, file, interval, is_new=new, description=description)
    say(f"{added}, valid for {interval}, md5 {added.checksum}")
    if as_json:
        print_json({"tag": tag, "place": place, **_contents(added)})


@command.command("copy-tag")
@click.argument("tag")
@click.argument("new_name")
@place_option
@json_option
def copy_tag(tag: str, new_name: str, place: str, as_json: bool) -> None:
    """Make a new, open global tag with the payloads of another one."""
    made = open_writable(place).copy_tag(tag, new_name)
    say(f"{made.name} is open")
    if as_json:
        print_json({**made._asdict(), "place": place})


@command.command()
@click.argument("tag")
@place_option
@json_option
def publish(tag: str, place: str, as_json: bool) -> None:
    """Verify a global tag and make it immutable."""
    published = open_writable(place).publish(tag)
    say(f"{published.name} is published")
    if as_json:
        print_json({**published._asdict(), "place": place})


@command.command()
@click.argument("tag", required=False)
@place_option
@json_option
def verify(tag: str | None, place: str, as_json: bool) -> None:
    """Check the files of a global tag, or of all of them, against their checksums. Exit code 1 if one differs."""
    source = open_source(place)
    if not isinstance(source, ConditionsStore):
        raise ConditionsError(f"{place}: files can be checked in a store; what a server sends is checked on arrival")
    n_payloads, damages = source.verify(tag)
    if as_json:
        said = [{"payload": damage.payload.name, "message": damage.message} for damage in damages]
        print_json({"place": place, "n_payloads": n_payloads, "damages": said})
    with words(aside=as_json):
        for damage in damages:
            echo(damage.message)
    if damages:
        raise ConditionsError(f"{place}: {len(damages)} of {n_payloads} payloads are damaged")
    with words(aside=as_json):
        echo(f"the store is whole, and all {n_payloads} payloads are what it promises")


def _contents(payload: Payload) -> dict[str, Any]:
    """What ``--json`` prints of a payload."""
    return {
        "payload": payload.name,
        "revision": payload.revision,
        "interval": str(payload.interval),
        "md5": payload.checksum,
        "sha256": payload.sha256 or None,
    }


@command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 = all.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port; 0 takes a free one.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token that allows writing.")
@click.option("--public-url", help="URL by which clients reach it, behind a proxy that speaks https for example.")
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    default=MOST_CONNECTIONS,
    show_default=True,
    help="Connections at once, at most.",
)
@place_option
def serve(host: str, port: int, token_file: Path | None, public_url: str | None, connections: int, place: str) -> None:
    """Offer a store over the Belle II REST protocol, until stopped; read only unless a token is given."""
    from smartbkg.conditions.serving.connections import ServerLimits
    from smartbkg.conditions.serving.server import ConditionsServer

    store = open_source(place)
    if not isinstance(store, ConditionsStore):
        raise ConditionsError(f"{place}: only a store can be served")
    if place == PACKAGE and token_file is not None:
        raise ConditionsError("the store inside the package is read only: serve it without --token-file")
    token = read_token_file(token_file) if token_file is not None else None
    limits = ServerLimits(n_connections=connections)
    with ConditionsServer(store, host, port, token, public_url=public_url, limits=limits) as server:
        echo(f"serving {store.place} at {server.url} ({'read and write' if token else 'read only'})")
        server.serve_forever()
