"""The draws that events have come through, as the record of their file holds them: a later filter must draw anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from smartbkg.seeds import derive_seed
from smartbkg.storage.kinds import DATASET

#: Method of the draw that thins out failing events of a data set.
THINNED: Final = "thinned"
#: Stands for a draw of which the file says nothing.
UNKNOWN_DRAW: Final[Mapping[str, Any]] = {"method": "unknown"}
#: Draws by seed and event id alone, as files say that hold no rule: the same decisions today.
RULE_OF_IDS: Final = 1


def recorded_draws(metadata: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The draws that the events of a file have come through, in their order, by its provenance record.

    Returns
    -------
    Empty for events that no filter has seen; None where events were kept, and the file does not say by which draw.
    """
    draws = _drawn_by_filters(metadata)
    if draws is None or metadata.get("kind") != DATASET or _were_thinned(draws):
        return draws
    # data sets of earlier versions say it by that share alone
    seed, share = metadata.get("settings", {}).get("seed", 0), metadata.get("failing_kept", 1.0)
    return [*draws, *own_thinning(int(seed), float(share))]


def own_thinning(seed: int, failing_kept: float) -> list[dict[str, Any]]:
    """The draw by which failing events of a data set were thinned out; none where all were kept."""
    return [{"method": THINNED, "dataset_seed": seed, "failing_kept": failing_kept}] if failing_kept < 1 else []


def thinning_seed(seed: int, draws: Sequence[Mapping[str, Any]]) -> int:
    """The seed of a data set's own thinning: a second one must not go by the numbers of the first.

    Parameters
    ----------
    draws : those that the events have come through.
    """
    earlier = (digest_of_draws(draws),) if _were_thinned(draws) else ()
    return derive_seed(seed, "dataset sampling", *earlier)


def _were_thinned(draws: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a data set's thinning is or may be among the draws."""
    return any(draw.get("method") == THINNED or "merged" in draw for draw in draws)


def _drawn_by_filters(metadata: Mapping[str, Any]) -> list[dict[str, Any]] | None:
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


__all__ = [
    "RULE_OF_IDS",
    "UNKNOWN_DRAW",
    "digest_of_draws",
    "merged_draws",
    "own_thinning",
    "recorded_draws",
    "thinning_seed",
]
