"""Records by column: what is plotted, watched and merged of many chunks, as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.chunk.observation import ClosureSums, ScoreSums
from smartbkg.errors import FileFormatError
from smartbkg.storage.json_content import from_json


@dataclass(frozen=True)
class RecordTable:
    """Records of n chunks.

    Attributes
    ----------
    skims : those of the filter, sorted; in the order of ``scores``.
    """

    skims: tuple[str, ...]
    chunk: NDArray[np.int64]
    """(n,) number of the chunk."""
    process: NDArray[np.str_]
    """(n,)"""
    attempt: NDArray[np.bytes_]
    """(n,) name of the attempt whose files count."""
    files: NDArray[np.bytes_]
    """(n,) names, sizes and checksums of its files, as JSON."""
    n_events: NDArray[np.int64]
    """(n,) events generated."""
    n_kept: NDArray[np.int64]
    """(n,) events kept."""
    sum_weight: NDArray[np.float64]
    """(n,) Σw of all events."""
    sum_kept_weight: NDArray[np.float64]
    """(n,) Σw/q of the kept ones."""
    variance: NDArray[np.float64]
    """(n,) Σw²(1 − q)/q of all events: the variance of Σ of kept weights."""
    sum_keep_probability: NDArray[np.float64]
    """(n,) Σq of all events."""
    count_variance: NDArray[np.float64]
    """(n,) Σq(1 − q) of all events: the variance of the number kept."""
    largest: NDArray[np.float64]
    """(n,) largest |w|/q of all events."""
    n_particles: NDArray[np.int64]
    """(n,) particles that the model has seen."""
    n_unknown: NDArray[np.int64]
    """(n,) those whose PDG code it does not know."""
    seconds: NDArray[np.float64]
    """(n,) wall seconds."""
    finished: NDArray[np.float64]
    """(n,) time at which it was done, by its worker's clock."""
    closure: NDArray[np.float32]
    """(n, 3, n_variables, n_bins) `ClosureSums`."""
    scores: NDArray[np.float32]
    """(n, n_skims, 5, n_bins) `ScoreSums`."""

    def __len__(self) -> int:
        return len(self.chunk)

    @classmethod
    def of(cls, contents: Sequence[Mapping[str, Any]], skims: tuple[str, ...] | None = None) -> Self:
        """The table of some records.

        Parameters
        ----------
        skims : those of the filter, by name; of the first record if not given.

        Raises
        ------
        FileFormatError
            A record lacks something, or is of other skims.
        """
        if skims is None:
            skims = tuple(sorted(contents[0].get("scores", ()))) if contents else ()
        rows = [_row(content, skims) for content in contents]
        return cls(skims, *(_column(rows, position, skims) for position in range(len(_TYPES))))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Tables of one campaign after one another; there is at least one."""
        columns = [field.name for field in fields(cls)][1:]
        return cls(parts[0].skims, *(np.concatenate([getattr(part, name) for part in parts]) for name in columns))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Name → array."""
        return {field.name: getattr(self, field.name) for field in fields(self)[1:]}

    def files_of(self, position: int) -> dict[str, Any]:
        """Role → name, bytes and SHA-256 of the files of one chunk."""
        found: dict[str, Any] = from_json(bytes(self.files[position]))
        return found


#: Of each column, in order.
_TYPES = (
    np.int64, np.str_, np.bytes_, np.bytes_, np.int64, np.int64, *(np.float64,) * 6, np.int64, np.int64, np.float64,
    np.float64, np.float32, np.float32,
)  # fmt: skip


def _column(rows: list[tuple[Any, ...]], position: int, skims: tuple[str, ...]) -> NDArray[Any]:
    values = [row[position] for row in rows]
    if values or position < len(_TYPES) - 2:
        return np.array(values, dtype=_TYPES[position])
    empty = (ClosureSums.zeros(), [ScoreSums.zeros() for _ in skims])[position - len(_TYPES)]
    return np.zeros((0, *np.shape(empty)), dtype=np.float32)


def _row(content: Mapping[str, Any], skims: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        totals, draw, scores = content["totals"], content["draw"], content["scores"]
        if sorted(scores) != list(skims):
            raise ValueError(f"scores of {sorted(scores)}, expected those of {list(skims)}")
        return (
            content["chunk"], content["process"], content["attempt"].encode(), json.dumps(content["files"]).encode(),
            totals["n_events"], totals["n_kept"], totals["sum_weight"], totals["sum_kept_weight"],
            draw["variance"], draw["sum_keep_probability"], draw["count_variance"], draw["largest"],
            content["particles"], content["unknown_codes"], content["wall"], content["started"] + content["wall"],
            ClosureSums.raw(content["closure"]),
            np.array([ScoreSums.raw(scores[skim]) for skim in skims]).reshape(len(skims), *np.shape(ScoreSums.zeros())),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"record of chunk {content.get('chunk')}: cannot be read: {error}") from error
