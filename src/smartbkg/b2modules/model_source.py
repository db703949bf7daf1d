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
    store inside the package. A silent server in ``SMARTBKG_CONDITIONS`` is an error, for another model would be used.

    Parameters
    ----------
    file : path that wins over everything else.
    global_tag, payload : names; the tag may be None where basf2's tags are set by the steering file.
    """

    def __init__(self, file: str | Path | None, global_tag: str | None, payload: str) -> None:
        self.file = None if file is None else Path(file)
        self.global_tag, self.payload = global_tag, payload
        self._accessor: Any = None
        if self.file is not None and not self.file.is_file():
            raise ModelError(f"{self.file}: no such model file{_similar(self.file)}")
        self.is_ours = self.file is None and global_tag is not None and _is_known(global_tag, payload)
        if self.file is None and not self.is_ours and global_tag is not None:
            import_basf2().conditions.prepend_globaltag(global_tag)

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
            found = find_payload(self.global_tag, self.payload, experiment, run, places=user_places())
            return self._announced(found)
        path = self._from_basf2()
        if path is not None:
            return path
        if self.global_tag is None:
            raise ConditionsError(f"payload '{self.payload}' is in none of basf2's global tags and local databases")
        return self._announced(
            find_payload(self.global_tag, self.payload, experiment, run, places=[*user_places(), PACKAGE])
        )

    def _from_basf2(self) -> Path | None:
        """What basf2's conditions database has for the present run, None where it has nothing."""
        if self._accessor is None:
            framework = belle2()
            self._accessor = framework.DBAccessorBase(framework.DBStoreEntry.c_RawFile, self.payload, False)
        return Path(str(self._accessor.getFilename())) if self._accessor.isValid() else None

    def _announced(self, found: Resolved) -> Path:
        import_basf2().B2INFO(
            f"smartbkg: {found.payload} (MD5 {found.payload.checksum}) of global tag {found.tag} from {found.place}"
        )
        return found.path


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
