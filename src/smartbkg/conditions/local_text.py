"""basf2's local text database: ``database.txt`` with a line a payload, and the payload files beside it.

    dbstore/<name> <revision> <firstExp>,<firstRun>,<finalExp>,<finalRun>     # a comment
    dbstore_<name>_rev_<revision>.root

It knows no global tags: as in basf2, what it holds goes before every global tag. Where several lines hold for a run,
the last one does. Revisions are the first digits of the file's MD5; old files that count 1, 2, ... are read as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from smartbkg.conditions.interval import Interval, check_interval, parse_interval
from smartbkg.conditions.payload import GlobalTag, Payload, TagStatus, check_file, check_name, digest_file
from smartbkg.conditions.source import ConditionsSource, UnreachableError
from smartbkg.errors import ConditionsError
from smartbkg.storage.atomic import atomic_path, disk_errors

#: The tag that stands for a file without global tags.
ANY_TAG: Final = "*"
_SHORTEST_DIGEST: Final = 6
_REVISION: Final = re.compile(r"[0-9a-f]{1,32}")


class _Line(NamedTuple):
    """A line of the file."""

    number: int
    """Counted from 1."""
    name: str
    """Name of the payload."""
    revision: str
    """First digits of the MD5, or a number in old files."""
    interval: Interval
    """Runs for which it holds."""


class LocalTextDatabase(ConditionsSource):
    """A basf2 local text database.

    Parameters
    ----------
    file : the text file, ``localdb/database.txt``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.place = str(file)

    def tags(self) -> list[GlobalTag]:
        return [GlobalTag(ANY_TAG, TagStatus.TESTING.value, "local payloads: they go before every global tag")]

    def find_tag(self, name: str) -> GlobalTag:
        return GlobalTag(name, TagStatus.TESTING.value)

    def payloads(self, tag: str) -> list[Payload]:  # noqa: ARG002 - what is here belongs to every tag
        """All payloads; the number of the line is the revision, so that the last one goes first."""
        found = []
        for line in self._lines():
            path = self._path(line.name, line.revision)
            md5 = digest_file(path).md5
            is_digest = len(line.revision) >= _SHORTEST_DIGEST
            if is_digest and not md5.startswith(line.revision):
                raise ConditionsError(
                    f"{path}: payload '{line.name}' is damaged: MD5 {md5} does not begin with {line.revision}"
                )
            found.append(Payload(line.name, line.number, md5, line.interval, url=path.name))
        return found

    def fetch(self, payload: Payload) -> Path:
        return check_file(self.file.parent / payload.url, payload)

    def put(self, name: str, file: Path, interval: Interval) -> Payload:
        """Add a file, as basf2 does.

        Raises
        ------
        ConditionsError
            The name or interval is not valid, or the file cannot be read.
        """
        check_name(name, "payload")
        check_interval(interval)
        md5 = digest_file(file).md5
        with disk_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as handle:
            path, revision = self._free_path(name, md5)
            if not path.exists():
                with atomic_path(path) as partial:
                    shutil.copyfile(file, partial)
            check_file(path, Payload(name, 0, md5))
            content = handle.read()
            newline = "" if not content or content.endswith("\n") else "\n"
            handle.write(f"{newline}dbstore/{name} {revision} {interval}\n")
            number = content.count("\n") + len(newline) + 1
        return Payload(name, number, md5, interval, url=path.name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[TextIO]:
        with disk_errors(self.file), self.file.open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            yield handle

    def _free_path(self, name: str, md5: str) -> tuple[Path, str]:
        """The file for that content: as many digits of the MD5 as tell it from the other files."""
        for length in range(_SHORTEST_DIGEST, len(md5) + 1):
            path = self._path(name, md5[:length])
            if not path.exists() or digest_file(path).md5 == md5:
                return path, md5[:length]
        raise ConditionsError(f"{self.place}: payload file {self._path(name, md5)} is damaged")

    def _path(self, name: str, revision: str) -> Path:
        return self.file.parent / f"dbstore_{name}_rev_{revision}.root"

    def _lines(self) -> Iterator[_Line]:
        try:
            content = self.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UnreachableError(f"{self.place}: cannot read the local database: {error}") from error
        for number, text in enumerate(content.splitlines(), start=1):
            if line := text.split("#", 1)[0].strip():
                yield self._parse(number, line)

    def _parse(self, number: int, line: str) -> _Line:
        where = f"{self.place}:{number}"
        words = line.split()
        package, _, name = words[0].partition("/")
        if len(words) != 3 or package != "dbstore" or _REVISION.fullmatch(words[1]) is None:
            form = "dbstore/<name> <revision> <firstExp>,<firstRun>,<finalExp>,<finalRun>"
            raise ConditionsError(f"{where}: '{line[:80]}': expected '{form}'")
        try:
            return _Line(number, check_name(name, "payload"), words[1], parse_interval(words[2]))
        except ConditionsError as error:
            raise ConditionsError(f"{where}: {error}") from error
