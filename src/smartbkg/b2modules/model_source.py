"""Where a basf2 module's model comes from: a file, a conditions database of ours, or basf2's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartbkg.b2modules.framework import belle2, import_basf2
from smartbkg.conditions.location import PACKAGE, user_places
from smartbkg.conditions.resolve import Resolved, find_payload, open_source
from smartbkg.conditions.source import UnreachableError
from smartbkg.conditions.store import ConditionsStore
from smartbkg.errors import ConditionsError, ModelError, nearest


class PayloadSource:
    """Finds the file of a payload for each run.

    The order: ``file`` where it is given; the places in ``SMARTBKG_CONDITIONS``, or else the user's own store, where
    they know the global tag; basf2's conditions database, to whose tags the global tag is added as upstream does; the
    store inside the package, with a warning, for it holds another model than the one that was asked for. A silent
    server in ``SMARTBKG_CONDITIONS`` is an error, for another model would be used.

    Parameters
    ----------
    file : path that wins over everything else.
    global_tag, payload : names; the tag may be None where basf2's tags are set by the steering file.
    fallback : whether the store inside the package may stand in for a tag that basf2 was asked for.
    """

    def __init__(self, file: str | Path | None, global_tag: str | None, payload: str, *, fallback: bool = True) -> None:
        self.file = None if file is None else Path(file)
        self.global_tag, self.payload, self.fallback = global_tag, payload, fallback
        self._accessor: Any = None
        self._said = ""
        self._comes_from_basf2 = False
        if self.file is not None and not self.file.is_file():
            raise ModelError(f"{self.file}: no such model file{_similar(self.file)}")
        self.is_ours = self.file is None and global_tag is not None and _is_known(global_tag, payload)
        if self.file is None and not self.is_ours and global_tag is not None:
            import_basf2().conditions.prepend_globaltag(global_tag)

    @property
    def asks_basf2(self) -> bool:
        """Whether basf2's conditions database decides, which knows nothing before it knows the run."""
        return self.file is None and not self.is_ours

    def prepare(self) -> None:
        """Announce the payload to basf2, which looks it up at each new run; to be called in ``initialize``."""
        if self.asks_basf2:
            framework = belle2()
            self._accessor = framework.DBAccessorBase(framework.DBStoreEntry.c_RawFile, self.payload, False)

    def find(self, experiment: int, run: int) -> Path:
        """The verified file that holds for a run.

        Raises
        ------
        ConditionsError
            No database has the payload, or none that holds for the run.
        """
        if self.file is not None:
            return self.file
        if self.is_ours and self.global_tag is not None:
            return self._announced(find_payload(self.global_tag, self.payload, experiment, run, places=user_places()))
        path = self._from_basf2()
        if path is not None:
            return path
        if self.global_tag is None:
            raise ConditionsError(f"payload '{self.payload}' is in none of basf2's global tags and local databases")
        return self._from_package(self.global_tag, experiment, run)

    def _from_basf2(self) -> Path | None:
        """What basf2's conditions database has for the present run, None where it has nothing.

        A raw file has a name and no object, so that ``isValid`` of its accessor is always false.
        """
        if self._accessor is None:
            self.prepare()
        name = str(self._accessor.getFilename())
        if not name:
            return None
        self._comes_from_basf2 = True
        tag, revision = str(self._accessor.getGlobaltag()), int(self._accessor.getRevision())
        self._say(f"smartbkg: payload {self.payload}, revision {revision} of basf2's global tag {tag}: {name}")
        return Path(name)

    def _from_package(self, global_tag: str, experiment: int, run: int) -> Path:
        """The stand-in of the package, with a warning that says what was not found."""
        missing = f"basf2's conditions database has no payload '{self.payload}' in the global tag '{global_tag}'"
        if self._comes_from_basf2:
            raise ConditionsError(
                f"{missing} for experiment {experiment}, run {run}, though it has one for an earlier run: one job "
                "would use two models"
            )
        if not self.fallback:
            raise ConditionsError(f"{missing} for experiment {experiment}, run {run}, and fallback=False")
        found = find_payload(global_tag, self.payload, experiment, run, places=[*user_places(), PACKAGE])
        self._warn_of(found, missing)
        return found.path

    def _warn_of(self, found: Resolved, missing: str) -> None:
        rule = "*" * 100
        message = (
            f"smartbkg: ANOTHER MODEL THAN THE ONE ASKED FOR IS USED\n{rule}\n{missing}.\n"
            f"The model of the package takes its place: {found.payload} (MD5 {found.payload.checksum}).\n"
            "It was trained on another sample: weights stay right, the gain does not.\n"
            f"To stop here instead: fallback=False.\n{rule}"
        )
        if message != self._said:
            import_basf2().B2WARNING(message)
            self._said = message

    def _announced(self, found: Resolved) -> Path:
        self._say(
            f"smartbkg: {found.payload} (MD5 {found.payload.checksum}) of global tag {found.tag} from {found.place}"
        )
        return found.path

    def _say(self, message: str) -> None:
        """Once, and again where another revision holds."""
        if message != self._said:
            import_basf2().B2INFO(message)
            self._said = message


def _is_known(tag: str, payload: str) -> bool:
    """Whether one of the user's places has the tag."""
    silent = []
    for place in user_places():
        source = open_source(place)
        if isinstance(source, ConditionsStore) and not source.exists():
            continue
        try:
            if source.find_tag(tag) is not None and _has(source.payloads(tag), payload, place):
                return True
        except UnreachableError as error:
            silent.append(str(error))
    if silent:
        raise UnreachableError(silent[0])
    return False


def _has(payloads: list[Any], name: str, place: str) -> bool:
    """Local text databases answer for every tag, so that what counts there is the payload."""
    return not place.endswith(".txt") or any(payload.name == name for payload in payloads)


def _similar(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (nor the folder {path.parent})"
    names = [entry.name for entry in path.parent.iterdir() if entry.suffix in (".pth", ".pt", ".safetensors", ".onnx")]
    return f": {nearest(path.name, names)}"
