"""The folder of a campaign: what lies where. A thousand chunks share a subfolder, so that no folder grows large."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smartbkg.errors import UsageError

CONFIG_NAME: Final = "campaign.yaml"
CHUNKS_A_FOLDER: Final = 1000
_RECORD: Final = re.compile(r"^(\d{6,})\.json$")


@dataclass(frozen=True)
class CampaignFolder:
    """Paths within a campaign's folder.

    Attributes
    ----------
    root : the folder.
    """

    root: Path

    @classmethod
    def of(cls, root: Path) -> CampaignFolder:
        """A campaign's folder, which must hold a configuration.

        Raises
        ------
        UsageError
            It does not.
        """
        if not (root / CONFIG_NAME).is_file():
            raise UsageError(f"{root}: no campaign (no {CONFIG_NAME} in it): `smartbkg campaign init {root}` makes one")
        return cls(root.resolve())

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / CONFIG_NAME

    @property
    def identity(self) -> Path:
        """What a campaign was when it began, and what was accepted later."""
        return self.root / "identity"

    @property
    def model(self) -> Path:
        """Folder of the campaign's own copy of its model."""
        return self.root / "model"

    @property
    def records(self) -> Path:
        """Folder of the records: a chunk is done when its record is there."""
        return self.root / "records"

    @property
    def jobs(self) -> Path:
        """Scripts and logs of batch jobs."""
        return self.root / "jobs"

    @property
    def policy(self) -> Path:
        """The policy solved anew for later chunks."""
        return self.root / "policy.json"

    def pack(self, group: int) -> Path:
        """The copy of the records of a group of chunks."""
        return self.root / "packs" / f"{group:03d}.pack"

    def record(self, index: int) -> Path:
        """The record of a chunk."""
        return self.records / _group(index) / f"{index:06d}.json"

    def data(self, index: int, attempt: str) -> Path:
        """Folder of the files of an attempt."""
        return self.root / "data" / _group(index) / f"{index:06d}.{attempt}"

    def attempts(self, index: int) -> Iterator[Path]:
        """Folders of all attempts at a chunk."""
        return (self.root / "data" / _group(index)).glob(f"{index:06d}.*")

    def failures(self, index: int) -> list[Path]:
        """What is known of failed attempts at a chunk, in no order of time."""
        return sorted((self.root / "failures" / _group(index)).glob(f"{index:06d}.*.json"))

    def failure(self, index: int, attempt: str) -> Path:
        """Where a failed attempt is described."""
        return self.root / "failures" / _group(index) / f"{index:06d}.{attempt}.json"

    def failed_chunks(self) -> dict[int, list[Path]]:
        """Chunks with failed attempts that count (those before a `retry` do not)."""
        found: dict[int, list[Path]] = {}
        for path in sorted((self.root / "failures").glob("*/*.json")):
            found.setdefault(int(path.name.partition(".")[0]), []).append(path)
        return found

    def groups(self) -> list[int]:
        """Numbers of the groups of a thousand chunks that have records, in order."""
        if not self.records.is_dir():
            return []
        return sorted(int(path.name) for path in self.records.iterdir() if path.name.isdigit() and path.is_dir())

    def marks(self, group: int) -> dict[int, tuple[int, int]]:
        """Chunk → size in bytes and time of change in ns of each record of a group, without opening one."""
        found = {}
        with os.scandir(self.records / f"{group:03d}") as entries:
            for entry in entries:
                match = _RECORD.match(entry.name)
                if match:
                    about = entry.stat()
                    found[int(match[1])] = (about.st_size, about.st_mtime_ns)
        return found

    def recorded(self) -> Iterator[tuple[int, Path]]:
        """Number and record of each chunk that is done, in order."""
        for group in self.groups():
            for index in sorted(self.marks(group)):
                yield index, self.record(index)


def _group(index: int) -> str:
    return f"{index // CHUNKS_A_FOLDER:03d}"
