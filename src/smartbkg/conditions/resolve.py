"""From a global tag, a payload name and a run to a verified file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from smartbkg.conditions.cache import PayloadCache
from smartbkg.conditions.client import RestDatabase
from smartbkg.conditions.local_text import LocalTextDatabase
from smartbkg.conditions.location import PACKAGE, default_places, is_url, packaged_folder
from smartbkg.conditions.payload import Payload, TagStatus, check_name
from smartbkg.conditions.source import ConditionsSource, UnreachableError, WritableSource
from smartbkg.conditions.store import ConditionsStore
from smartbkg.conditions.transport import LOGGER, HttpOptions
from smartbkg.errors import ConditionsError, nearest


class Resolved(NamedTuple):
    """A payload that was found."""

    path: Path
    """File with the verified content."""
    payload: Payload
    """Which revision it is."""
    tag: str
    """Global tag it was found in."""
    place: str
    """Database it came from."""


def open_source(
    place: str, *, cache: PayloadCache | None = None, options: HttpOptions | None = None
) -> ConditionsSource:
    """The conditions database at a place.

    Parameters
    ----------
    place : URL (``https://host/path/``), folder or SQLite file of a store, ``database.txt`` of a local text database,
        or ``package`` for the store inside the package.
    cache, options : for URLs: where files are kept, and how long to wait.
    """
    if is_url(place):
        return RestDatabase(place, cache, options=options)
    if place == PACKAGE:
        return ConditionsStore(packaged_folder(), is_immutable=True)
    if "://" in place and not place.startswith("file://"):
        raise ConditionsError(f"{place}: unknown kind of conditions database: expected http://, https:// or a path")
    path = Path(place.removeprefix("file://"))
    return LocalTextDatabase(path) if path.suffix == ".txt" else ConditionsStore(path)


def open_writable(place: str) -> WritableSource:
    """The conditions database at a place, for writing.

    Raises
    ------
    ConditionsError
        The place cannot be written (the package, a local text database).
    """
    source = open_source(place)
    if place == PACKAGE or not isinstance(source, WritableSource):
        raise ConditionsError(f"{place}: has no global tags that can be written; give the folder of a store or a URL")
    return source


def _is_absent(source: ConditionsSource) -> bool:
    return isinstance(source, ConditionsStore) and not source.exists()


def find_payload(
    global_tag: str,
    payload: str,
    experiment: int = 0,
    run: int = 0,
    *,
    places: Sequence[str] | None = None,
    cache: PayloadCache | None = None,
    options: HttpOptions | None = None,
) -> Resolved:
    """Find a payload and get its file.

    The places are asked in order, and the first that has the tag decides: payloads of one tag never come from two
    databases. A place that does not answer is passed over, with a warning in the log.

    Parameters
    ----------
    global_tag, payload : names.
    experiment, run : the run that is processed; the payload must hold for it.
    places : where to look, by default `default_places`.

    Raises
    ------
    ConditionsError
        Unknown tag or payload (names the nearest), none that holds for the run, an invalid tag, a damaged file, or no
        place that answers.
    """
    check_name(global_tag, "global tag")
    check_name(payload, "payload")
    known: set[str] = set()
    silent: list[str] = []
    wanted = list(places) if places is not None else default_places()
    for place in wanted:
        source = open_source(place, cache=cache, options=options)
        if _is_absent(source):
            continue
        try:
            found = _find_in(source, global_tag, payload, experiment, run)
            if found is not None:
                return Resolved(source.fetch(found), found, global_tag, source.place)
            known.update(tag.name for tag in source.tags())
        except UnreachableError as error:
            LOGGER.warning("%s; asking the next conditions database", error)
            silent.append(place)
    what = f"global tag '{global_tag}' (for payload '{payload}')"
    raise ConditionsError(_not_found(what, global_tag, wanted, silent, known))


def find_source(global_tag: str, places: Sequence[str] | None = None) -> ConditionsSource:
    """The first database that knows a global tag; local text databases, which have none, only where they are alone.

    Raises
    ------
    ConditionsError
        None does: names the nearest tag of all that answer.
    """
    check_name(global_tag, "global tag")
    wanted = list(places) if places is not None else default_places()
    known: set[str] = set()
    silent: list[str] = []
    for place in wanted:
        source = open_source(place)
        if _is_absent(source) or (isinstance(source, LocalTextDatabase) and len(wanted) > 1):
            continue
        try:
            if source.find_tag(global_tag) is not None:
                return source
            known.update(tag.name for tag in source.tags())
        except UnreachableError as error:
            LOGGER.warning("%s; asking the next conditions database", error)
            silent.append(place)
    raise ConditionsError(_not_found(f"global tag '{global_tag}'", global_tag, wanted, silent, known))


def _find_in(source: ConditionsSource, tag: str, name: str, experiment: int, run: int) -> Payload | None:
    """The payload in one database, None where that does not know the tag."""
    if isinstance(source, LocalTextDatabase):
        return source.valid(tag, experiment, run).get(name)
    found = source.find_tag(tag)
    if found is None:
        return None
    if found.status == TagStatus.INVALID:
        raise ConditionsError(f"{source.place}: global tag '{tag}' has been declared invalid and must not be used")
    return source.find(tag, name, experiment, run)


def _not_found(what: str, tag: str, places: Iterable[str], silent: Sequence[str], known: set[str]) -> str:
    message = f"{what} is in none of the conditions databases {', '.join(places)}: {nearest(tag, known - {'*'})}"
    return f"{message}; no answer from {', '.join(silent)}" if silent else message


def resolve_payload(
    global_tag: str, payload: str, experiment: int = 0, run: int = 0, *, places: Sequence[str] | None = None
) -> Path:
    """The verified file of a payload: `find_payload` for those who want the path alone."""
    return find_payload(global_tag, payload, experiment, run, places=places).path
