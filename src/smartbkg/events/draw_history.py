"""The draws that events have come through, as the record of their file holds them: a later filter must draw anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

#: Draws by seed and event id alone, as files say that hold no rule: the same decisions today.
RULE_OF_IDS: Final = 1


def recorded_draws(metadata: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The draws that the events of a file have come through, in their order, by its provenance record.

    Returns
    -------
    Empty for events that no filter has seen; None where events were kept, and the file does not say by which draw.
    """
    if "draws" in metadata:
        return [dict(draw) for draw in metadata["draws"]]
    if metadata.get("kind") != "kept":
        return []
    settings = metadata.get("settings", {})
    if "seed" not in settings:
        return None
    method = str(settings.get("draw", "independent"))
    return [{"rule": RULE_OF_IDS, "seed": int(settings["seed"]), "method": method}]


def digest_of_draws(draws: Sequence[Mapping[str, Any]]) -> str:
    """One short text for the draws that events have come through, empty where there are none."""
    if not draws:
        return ""
    return hashlib.sha256(json.dumps(list(draws), sort_keys=True).encode()).hexdigest()[:32]


def merged_draws(files: Sequence[Sequence[Mapping[str, Any]]], method: str) -> list[dict[str, Any]]:
    """The draws of events that come from several files: those of each, where all are the same; else named together."""
    if method != "union" and all(list(draws) == list(files[0]) for draws in files):
        return [dict(draw) for draw in files[0]]
    return [{"merged": sorted({digest_of_draws(draws) for draws in files}), "method": method}]


__all__ = ["RULE_OF_IDS", "digest_of_draws", "merged_draws", "recorded_draws"]
