"""Failed attempts: which chunks are set aside, why, and how they get another chance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from smartbkg.campaign.folder import CampaignFolder
from smartbkg.storage.json_content import from_json

_FORGIVEN: Final = ".retried"


class FailedChunk(NamedTuple):
    """A chunk with failed attempts."""

    chunk: int
    n_failures: int
    """Those that count since the last `retry`."""
    error: str
    """Of the last of them, in one line."""
    log: Path
    """File with the whole story."""


def failed_chunks(folder: CampaignFolder) -> list[FailedChunk]:
    """Chunks with failed attempts that count, by number."""
    found = []
    for chunk, paths in sorted(folder.failed_chunks().items()):
        described = [(path, _read(path)) for path in paths]
        counting = [(path, content) for path, content in described if content.get("counts", True)]
        if counting:
            path, content = max(counting, key=lambda entry: float(entry[1].get("time", 0.0)))
            found.append(FailedChunk(chunk, len(counting), str(content.get("error", "unknown")), path))
    return found


def _read(path: Path) -> dict[str, Any]:
    """What a failure says; one that cannot be read still counts."""
    try:
        content = from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"error": "the description of the failure cannot be read"}
    return content if isinstance(content, dict) else {}


def retry(folder: CampaignFolder, chunks: Iterable[int] | None = None) -> list[int]:
    """Let failures count no more, so that their chunks are tried again; their descriptions stay under another name.

    Parameters
    ----------
    chunks : numbers; all that have failures if not given.

    Returns
    -------
    The chunks that get another chance.
    """
    found = folder.failed_chunks()
    chosen = sorted(found if chunks is None else set(found) & set(chunks))
    for chunk in chosen:
        for path in found[chunk]:
            path.rename(path.with_name(path.name + _FORGIVEN))
    return chosen
