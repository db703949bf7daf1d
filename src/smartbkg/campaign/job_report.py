"""The report of a job for other programs: which chunks it tried, how each ended, what it took, however it ends."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from smartbkg._version import __version__
from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import Outcome
from smartbkg.campaign.chunk.stages import cpu_seconds
from smartbkg.errors import SmartBKGError
from smartbkg.storage.atomic import write_text_atomically

KIND: Final = "report of a campaign's job"
SCHEMA_VERSION: Final = 1


class JobReport:
    """Collects outcomes, and writes them at the end of its block.

    Parameters
    ----------
    path : file to write; None writes nothing.
    """

    def __init__(self, campaign: Campaign, path: Path | None) -> None:
        self._campaign, self._path = campaign, path
        self._outcomes: list[Outcome] = []
        self._started, self._wall, self._cpu = time.time(), time.monotonic(), cpu_seconds()

    def outcome(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        self._outcomes.append(outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            write_text_atomically(self._path, json.dumps(self.content(error), indent=1) + "\n")

    def content(self, error: BaseException | None = None) -> dict[str, Any]:
        """What is written.

        Parameters
        ----------
        error : what ended the job before its time.
        """
        said = None
        if error is not None:
            said = str(error) if isinstance(error, SmartBKGError) else type(error).__name__
        states = Counter(outcome.state for outcome in self._outcomes)
        return {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            "package_version": __version__,
            "campaign": self._campaign.config.name,
            "folder": str(self._campaign.folder.root),
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "started": self._started,
            "wall_seconds": time.monotonic() - self._wall,
            "cpu_seconds": cpu_seconds() - self._cpu,
            "n_done": states["done"],
            "n_known": states["known"],
            "n_failed": states["failed"] + states["machine"],
            "n_events": sum(outcome.n_events for outcome in self._outcomes),
            "error": said,
            "attempts": [outcome._asdict() for outcome in self._outcomes],
        }
