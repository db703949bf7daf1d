"""Payload files that were downloaded, shared by all processes of a user on a machine.

A file is known by the MD5 of its content, checked at each use, and renamed into place when it is whole: processes that
download the same payload at the same time do not disturb one another, and a damaged file is downloaded again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import platformdirs

from smartbkg.conditions.payload import Payload, check_file, check_name
from smartbkg.errors import ConditionsError
from smartbkg.storage.atomic import disk_errors

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
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        # a name of its own for each thread and process; the process id alone repeats across machines
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(descriptor)
        partial = Path(name)
        try:
            with disk_errors(path):
                download(partial)
                check_file(partial, payload)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def remember(self, key: str, record: Any) -> None:
        """Keep an answer that cannot change, for times without a server."""
        path = self._record_path(key)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".answer.", suffix=".partial", dir=path.parent)
            try:
                with os.fdopen(descriptor, "w") as handle:
                    json.dump(record, handle)
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)

    def recall(self, key: str) -> Any | None:
        """The answer that was kept under that key, None where there is none."""
        try:
            return json.loads(self._record_path(key).read_text())
        except (OSError, ValueError):
            return None

    def _record_path(self, key: str) -> Path:
        return self.folder / "answers" / f"{check_name(key, 'answer')}.json"
