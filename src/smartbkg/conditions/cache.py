"""Payload files that were downloaded, shared by all processes of a user on a machine.

A file is known by the MD5 of its content, checked at each use, and renamed into place when it is whole: processes that
download the same payload at the same time do not disturb one another, and a damaged file is downloaded again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import platformdirs

from smartbkg.conditions.payload import Payload, check_file, check_name
from smartbkg.errors import ConditionsError
from smartbkg.storage.json_content import from_json
from smartbkg.storage.machine import disk_errors
from smartbkg.storage.partial import partial_file

FOLDER_VARIABLE: Final = "SMARTBKG_CONDITIONS_CACHE"


def default_cache_folder() -> Path:
    """The folder in ``SMARTBKG_CONDITIONS_CACHE``, or one in the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("smartbkg") / "conditions"


class PayloadCache:
    """A folder of downloaded files."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else default_cache_folder()

    def path_of(self, payload: Payload) -> Path:
        """Where the file of a payload is kept: by content, not by server."""
        name = check_name(payload.name, "payload")
        return self.folder / payload.checksum[:2] / payload.checksum / name

    def fetch(self, payload: Payload, download: Callable[[Path], None]) -> Path:
        """The verified file of a payload, downloaded where it is not here or damaged.

        Parameters
        ----------
        download : writes the file to the path it is given.

        Raises
        ------
        ConditionsError
            What was downloaded is not what the database promises, twice in a row; nothing of it is kept.
        """
        path = self.path_of(payload)
        with contextlib.suppress(ConditionsError):
            return check_file(path, payload)
        try:
            return self._download(path, payload, download)
        except ConditionsError:
            return self._download(path, payload, download)

    def _download(self, path: Path, payload: Payload, download: Callable[[Path], None]) -> Path:
        # in the uppermost folder, so that what a killed download left is found by the next one, whatever it fetches
        at = self.folder / path.name
        with disk_errors(path), disk_errors(at):
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial_file(at) as partial:
                download(partial)
                check_file(partial, payload)
                partial.replace(path)
        return path

    def remember(self, key: str, record: Any) -> None:
        """Keep an answer that cannot change, for times without a server."""
        path = self._record_path(key)
        at = self.folder / path.name
        with disk_errors(path), disk_errors(at):
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial_file(at) as partial:
                partial.write_text(json.dumps(record))
                partial.replace(path)

    def recall(self, key: str) -> Any | None:
        """The answer that was kept under that key, None where there is none."""
        try:
            return from_json(self._record_path(key).read_text())
        except (OSError, ValueError):
            return None

    def _record_path(self, key: str) -> Path:
        return self.folder / "answers" / f"{check_name(key, 'answer')}.json"
