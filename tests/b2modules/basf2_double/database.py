"""The conditions database: entries that follow the run, accessors, objects and raw files.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import logging_system
from data_store import STORE

C_RAW_FILE, C_OBJECT = 0, 1
_END_OF_TIME = 1 << 60


class Conditions:
    """basf2.conditions: framework/database/src/Configuration.cc:376."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Configuration.cc:400."""
        self.globaltags: list[str] = []
        self.testing_payloads: list[str] = []
        self.metadata_providers: list[str] = []
        self._is_initialized = False
        #: What the central database knows: global tag → payload → file or object, or a list of them as `Revision`.
        self.central: dict[str, dict[str, Any]] = {"main_2026": {}, "analysis_tools_double": {}}
        self.default_globaltags = ("main_2026",)

    def prepend_globaltag(self, name: str) -> None:
        """Configuration.cc:427: an error once the database is in use."""
        self._ensure_editable()
        self.globaltags.insert(0, name)

    def append_globaltag(self, name: str) -> None:
        """Configuration.cc:422."""
        self._ensure_editable()
        self.globaltags.append(name)

    def prepend_testing_payloads(self, filename: str) -> None:
        """Configuration.cc:473."""
        self._ensure_editable()
        self.testing_payloads.insert(0, filename)

    def _ensure_editable(self) -> None:
        """framework/database/include/Configuration.h:316: throws while the database is in use."""
        if self._is_initialized:
            raise RuntimeError("Database already initialized, please reset before changing the configuration object")


class Revision:
    """One revision of a payload in a global tag, with its interval of validity."""

    def __init__(self, content: Any, number: int = 1, first: tuple[int, int] = (0, 0), last: Any = None) -> None:
        self.content, self.number = content, number
        self.first, self.last = first, last if last is not None else (_END_OF_TIME, _END_OF_TIME)

    def holds(self, run: tuple[int, int]) -> bool:
        """framework/database/src/IntervalOfValidity.cc:80."""
        return self.first <= run <= self.last


conditions = Conditions()


class DBStoreEntry:
    """Belle2.DBStoreEntry: framework/database/src/DBStoreEntry.cc."""

    c_RawFile = C_RAW_FILE
    c_Object = C_OBJECT

    def __init__(self, kind: int, name: str, required: bool) -> None:
        self.kind, self.name, self.required = kind, name, required
        self.filename, self.globaltag, self.checksum, self.revision = "", "", "", 0
        self.object: Any = None

    def update(self, found: tuple[Any, str, int] | None) -> None:
        """DBStoreEntry.cc:79 and 111: a raw file has a name and no object, whatever its content is."""
        content, self.globaltag, self.revision = found if found is not None else (None, "", 0)
        self.filename = "" if content is None else str(content if isinstance(content, (str, Path)) else self.name)
        self.object = content if self.kind != C_RAW_FILE and content is not None else None


class DBStore:
    """Belle2.DBStore: framework/database/src/DBStore.cc."""

    def __init__(self) -> None:
        self.entries: dict[str, DBStoreEntry] = {}

    def entry(self, kind: int, name: str, required: bool) -> DBStoreEntry:
        """DBStore.cc:28: one entry a name; filled at once where the present run is known, else at the next update."""
        if name in self.entries:
            entry = self.entries[name]
            if entry.kind != kind:
                logging_system.B2FATAL(f"Existing entry '{name}' is of a different type than requested")
            entry.required = entry.required or required
            return entry
        entry = self.entries[name] = DBStoreEntry(kind, name, required)
        if STORE.object("EventMetaData") is not None:
            entry.update(_find(name, _present_run(), required=required))
        return entry

    def update(self) -> None:
        """DBStore.cc:73: at each new run all entries are looked up again."""
        conditions._is_initialized = True
        for entry in self.entries.values():
            entry.update(_find(entry.name, _present_run(), required=entry.required))

    def reset(self) -> None:
        """DBStore.cc:171 and Database.cc:45: after the processing."""
        conditions._is_initialized = False
        self.entries.clear()


DATABASE = DBStore()


def _present_run() -> tuple[int, int]:
    meta = STORE.object("EventMetaData")
    return meta.getExperiment(), meta.getRun()


def _find(name: str, run: tuple[int, int], *, required: bool) -> tuple[Any, str, int] | None:
    """Database.cc:76: testing payloads first, then the global tags; B2ERROR for a required one that nobody has."""
    conditions._is_initialized = True
    for database in conditions.testing_payloads:
        found = _testing_payload(Path(database), name, run)
        if found is not None:
            return found
    found = _in_providers(name, run)
    if found is not None:
        return found
    if required:
        tags = ", ".join(_tags())
        logging_system.B2ERROR(f"Cannot find payload in any of the configured global tags: {name} ({tags})")
    return None


def _tags() -> list[str]:
    """Configuration.cc:222: the user's tags, then the default ones; Database.cc:209 removes repetitions."""
    return list(dict.fromkeys([*conditions.globaltags, *conditions.default_globaltags]))


def _in_providers(name: str, run: tuple[int, int]) -> tuple[Any, str, int] | None:
    """Database.cc:154: the first metadata provider that has *all* tags; B2FATAL where there is none."""
    for provider in os.environ.get("BELLE2_CONDB_METADATA", "https://central").split():
        if "://" in provider:
            if all(tag in conditions.central for tag in _tags()):
                return _in_central(name, run)
        elif _has_tags(Path(provider)):
            return _in_local_metadata(Path(provider), name, run)
    logging_system.B2FATAL(f"Conditions data: No more metadata providers available (globaltags {', '.join(_tags())})")
    return None


def _in_central(name: str, run: tuple[int, int]) -> tuple[Any, str, int] | None:
    """MetadataProvider.cc:36: the first tag that has the payload for this run; of several the highest revision."""
    for tag in _tags():
        known = conditions.central[tag].get(name)
        revisions = known if isinstance(known, list) else [] if known is None else [Revision(known)]
        holding = [revision for revision in revisions if revision.holds(run)]
        if holding:
            newest = max(holding, key=lambda revision: revision.number)
            return newest.content, tag, newest.number
    return None


def _has_tags(database: Path) -> bool:
    """LocalMetadataProvider.cc:31 and MetadataProvider.cc:15: tags exist and are of a permitted state."""
    with sqlite3.connect(database) as connection:
        found = dict(connection.execute("SELECT globalTagName, globalTagStatus FROM globaltags").fetchall())
    return all(found.get(tag) in ("TESTING", "VALIDATED", "PUBLISHED", "RUNNING") for tag in _tags())


def _in_local_metadata(database: Path, name: str, run: tuple[int, int]) -> tuple[Any, str, int] | None:
    """LocalMetadataProvider.cc:18, and PayloadProvider.cc:58 and 168: the file in the hashed or the flat layout."""
    query = (
        "SELECT checksum, revision FROM iov_payloads WHERE globalTagName=:tag AND payloadName=:name AND "
        "((firstExp==:exp AND firstRun<=:run) OR firstExp<:exp) AND (finalExp<0 OR (finalRun<0 AND finalExp>=:exp) OR "
        "finalExp>:exp OR (finalExp==:exp AND finalRun>=:run)) ORDER BY revision DESC"
    )
    for tag in _tags():
        values = {"tag": tag, "name": name, "exp": run[0], "run": run[1]}
        with sqlite3.connect(database) as connection:
            row = connection.execute(query, values).fetchone()
        if row is None:
            continue
        checksum, revision = row
        for place in os.environ.get("BELLE2_CONDB_PAYLOADS", str(database.parent)).split():
            for layout in (f"{checksum[:2]}/{name}_r{revision}.root", f"dbstore_{name}_rev_{revision}.root"):
                path = Path(place) / layout
                if path.is_file() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == checksum:
                    return path, tag, revision
        logging_system.B2WARNING(f"Conditions data: Could not find file for payload {name}")
    return None


def _testing_payload(database: Path, name: str, run: tuple[int, int]) -> tuple[Any, str, int] | None:
    """TestingPayloadStorage.cc:31: the last line of the file that holds; revision 0, global tag temp://FILE.

    TestingPayloadStorage.cc:70: a file that does not exist is a warning, and no payload is found in it.
    """
    if not database.is_file():
        logging_system.B2WARNING("Given testing payload storage file doesn't exist or is not a regular file")
        return None
    for line in reversed(database.read_text().splitlines()):
        words = line.split("#")[0].split()
        if not words or words[0] != f"dbstore/{name}":
            continue
        low = tuple(int(number) for number in words[2].split(",")[:2])
        high = tuple(int(number) if int(number) >= 0 else _END_OF_TIME for number in words[2].split(",")[2:])
        if low <= run <= high:
            path = database.parent / f"dbstore_{name}_rev_{words[1]}.root"
            if not path.is_file():
                logging_system.B2FATAL(f"Could not find payload file specified in testing payload storage: {path}")
            return _content_of(path), f"temp://{database.resolve()}", 0
    return None


def _content_of(path: Path) -> Any:
    """A raw file by its name; what `Database.storeData` of this double wrote is an object."""
    head = path.read_bytes()[: len(_OBJECT_MARK)]
    if head != _OBJECT_MARK:
        return path
    return SmartBackgroundConfig(*json.loads(path.read_bytes()[len(_OBJECT_MARK) :], object_hook=_integer_keys))


_OBJECT_MARK = b"object of the double\n"


def _integer_keys(content: dict[str, Any]) -> dict[Any, Any]:
    return {int(key) if key.lstrip("-").isdigit() else key: value for key, value in content.items()}


class DBAccessorBase:
    """Belle2.DBAccessorBase: framework/database/include/DBAccessorBase.h."""

    def __init__(self, kind: int, name: str, isRequired: bool) -> None:
        """DBAccessorBase.h:45: the third argument has no default."""
        self._entry = DATABASE.entry(kind, name, isRequired)

    def isValid(self) -> bool:
        """DBAccessorBase.h:68: whether there is an *object*; false for every raw file."""
        return self._entry.object is not None

    def getFilename(self) -> str:
        """DBAccessorBase.h:144: empty where the payload was not found."""
        return self._entry.filename

    def getGlobaltag(self) -> str:
        """DBAccessorBase.h:132: of the payload, or temp:// and the path of testing payloads."""
        return self._entry.globaltag

    def getRevision(self) -> int:
        """DBAccessorBase.h:135: 0 for testing payloads."""
        return self._entry.revision

    def __bool__(self) -> bool:
        """DBAccessorBase.h:70."""
        return self.isValid()


class PyDBObj:
    """Belle2.PyDBObj: framework/pybasf2/include/PyDBObj.h: private base, so that getFilename is not there."""

    def __init__(self, name: str, required: bool = True) -> None:
        """PyDBObj.h:49: required by default: B2ERROR where it is missing, and processing does not start."""
        self._entry = DATABASE.entry(C_OBJECT, name, required)

    def isValid(self) -> bool:
        """PyDBObj.h:57."""
        return self._entry.object is not None

    __bool__ = isValid

    def obj(self) -> Any:
        """framework/scripts/basf2/_constwrapper.py:246: the object, read only."""
        return self._entry.object

    def __getattr__(self, attribute: str) -> Any:
        """framework/scripts/basf2/_constwrapper.py:249."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self.obj(), attribute)


class SmartBackgroundConfig:
    """Belle2.SmartBackgroundConfig: skim/dbobjects/include/SmartBackgroundConfig.h.

    Its maps are std::unordered_maps: in Python sequences of pairs with ``first`` and ``second``.
    """

    def __init__(
        self,
        pdgMapping: Mapping[int, int],
        skimcodesMapping: Mapping[int, int],
        paramMapping: Mapping[int, Any],
        skimnamesMapping: Mapping[int, str],
        eventtypeMapping: Mapping[str, int],
        maxWeight: float,
    ) -> None:
        """SmartBackgroundConfig.h:39: six arguments, converted from dictionaries by the binding."""
        for mapping, key, value in (
            (pdgMapping, int, int), (skimcodesMapping, int, int), (paramMapping, int, list),
            (skimnamesMapping, int, str), (eventtypeMapping, str, int),
        ):  # fmt: skip
            for found_key, found in dict(mapping).items():
                if not isinstance(found_key, key) or not isinstance(found, value):
                    raise TypeError(f"could not convert {found_key!r}: {found!r} to a pair of {key} and {value}")
        self._maps = [pdgMapping, skimcodesMapping, paramMapping, skimnamesMapping, eventtypeMapping]
        self._max_weight = float(maxWeight)

    def _pairs(self, position: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(first=key, second=value) for key, value in self._maps[position].items()]

    def getPdgMapping(self) -> list[SimpleNamespace]:
        """SmartBackgroundConfig.h:51."""
        return self._pairs(0)

    def getSkimcodesMapping(self) -> list[SimpleNamespace]:
        """SmartBackgroundConfig.h:59."""
        return self._pairs(1)

    def getParameterMapping(self) -> list[SimpleNamespace]:
        """SmartBackgroundConfig.h:67."""
        return self._pairs(2)

    def getSkimnamesMapping(self) -> list[SimpleNamespace]:
        """SmartBackgroundConfig.h:75."""
        return self._pairs(3)

    def getEventtypeMapping(self) -> list[SimpleNamespace]:
        """SmartBackgroundConfig.h:83."""
        return self._pairs(4)

    def getMaxWeight(self) -> float:
        """SmartBackgroundConfig.h:91."""
        return self._max_weight


class IntervalOfValidity:
    """Belle2.IntervalOfValidity: framework/database/include/IntervalOfValidity.h:33."""

    def __init__(self, experimentLow: int, runLow: int, experimentHigh: int, runHigh: int) -> None:
        self.text = f"{experimentLow},{runLow},{experimentHigh},{runHigh}"


class Database:
    """Belle2.Database: framework/database/src/Database.cc."""

    @staticmethod
    def Instance() -> Database:
        """Database.cc:37."""
        return Database()

    def storeData(self, name: str, content: Any, interval: IntervalOfValidity) -> bool:
        """Database.cc:136 and TestingPayloadStorage.cc:134: into localdb/database.txt."""
        data = _OBJECT_MARK + json.dumps([*content._maps, content._max_weight]).encode()
        return self._store(name, data, interval)

    def addPayload(self, name: str, fileName: str, interval: IntervalOfValidity) -> bool:
        """Database.h:188 and TestingPayloadStorage.cc:141: the file as it is."""
        path = Path(fileName)
        if not path.is_file():
            logging_system.B2ERROR("Problem creating testing payload: Given payload storage file doesn't exist")
            return False
        return self._store(name, path.read_bytes(), interval)

    @staticmethod
    def _store(name: str, data: bytes, interval: IntervalOfValidity) -> bool:
        """TestingPayloadStorage.cc:156: dbstore_<name>_rev_<md5, shortened>.root and a line in the text file."""
        revision = hashlib.md5(data, usedforsecurity=False).hexdigest()[:6]
        folder = Path("localdb")
        folder.mkdir(exist_ok=True)
        (folder / f"dbstore_{name}_rev_{revision}.root").write_bytes(data)
        with (folder / "database.txt").open("a") as file:
            file.write(f"dbstore/{name} {revision} {interval.text}\n")
        return True

    @staticmethod
    def getData(name: str, experiment: int, run: int) -> Any:
        """Database.h:131."""
        found = _find(name, (experiment, run), required=True)
        return None if found is None else found[0]
