"""How a campaign stands: read from its records, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.failures import FailedChunk, failed_chunks
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.record_table import RecordTable
from smartbkg.campaign.records import record_groups


@dataclass
class ChunkMetrics:
    """A few numbers of each chunk, for plots and alarms: arrays of the length of the campaign, NaN where not done."""

    kept_fraction: NDArray[np.float64]
    weight_ratio: NDArray[np.float64]
    """Σ of kept weights over Σ of generator weights."""
    seconds: NDArray[np.float64]
    finished: NDArray[np.float64]
    """Time at which it was done, by its worker's clock."""

    @classmethod
    def of(cls, n_chunks: int) -> ChunkMetrics:
        """Of chunks that are not done."""
        return cls(*(np.full(n_chunks, np.nan) for _ in range(4)))

    def add(self, table: RecordTable) -> None:
        """Note records."""
        index = table.chunk
        with np.errstate(divide="ignore", invalid="ignore"):
            self.kept_fraction[index] = np.where(table.n_events > 0, table.n_kept / table.n_events, np.nan)
            self.weight_ratio[index] = np.where(table.sum_weight != 0, table.sum_kept_weight / table.sum_weight, np.nan)
        self.seconds[index] = table.seconds
        self.finished[index] = table.finished


@dataclass
class Status:
    """How a campaign stands.

    Attributes
    ----------
    n_chunks : of the whole campaign.
    is_done : (n_chunks,) bool, True = its record is there and whole.
    ledger : sums over them.
    metrics : a few numbers of each.
    failed : chunks with failed attempts; those with as many as are allowed are set aside.
    damaged : what is wrong with records that cannot be used.
    attempts : failures that are allowed.
    """

    n_chunks: int
    is_done: NDArray[np.bool_]
    ledger: Ledger
    metrics: ChunkMetrics
    failed: list[FailedChunk]
    damaged: list[str]
    attempts: int
    foreign: list[str] = field(default_factory=list)
    """Records of another campaign, which somebody has copied here."""
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Skim → (n_bins,) all generated events by √score; filled by a watch."""
    stored: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """The same as stored with the model, where it is."""

    @property
    def n_done(self) -> int:
        """Chunks that are done."""
        return int(self.is_done.sum())

    @property
    def set_aside(self) -> list[FailedChunk]:
        """Chunks that failed too often and are not tried again until `retry`."""
        return [one for one in self.failed if one.n_failures >= self.attempts and not self.is_done[one.chunk]]

    @property
    def pending(self) -> list[int]:
        """Chunks still to do, in order; those set aside are not among them."""
        waiting = ~self.is_done
        waiting[[one.chunk for one in self.set_aside]] = False
        return np.flatnonzero(waiting).tolist()


#: Sees the records that count, besides the ledger.
Observer = Callable[[RecordTable], None]


def read_status(campaign: Campaign, observers: tuple[Observer, ...] = ()) -> Status:
    """Read all records, a thousand at a time: memory does not grow with what they hold.

    A damaged record is named and does not count: its chunk is still to do once the record has been removed.
    """
    n_chunks = len(campaign.plan)
    status = Status(
        n_chunks, np.zeros(n_chunks, dtype=np.bool_), Ledger(), ChunkMetrics.of(n_chunks),
        [one for one in failed_chunks(campaign.folder) if one.chunk < n_chunks], [], campaign.config.run.attempts,
    )  # fmt: skip
    for group in record_groups(campaign):
        status.damaged += group.damaged
        status.foreign += group.foreign
        status.ledger.add_ledger(group.ledger)
        status.is_done[group.table.chunk] = True
        status.metrics.add(group.table)
        for observer in observers:
            observer(group.table)
    return status


def as_dict(status: Status, alarms: list[str] | None = None) -> dict[str, Any]:
    """The status as plain values: what ``status --json`` prints."""
    ledger = status.ledger
    totals, costs = ledger.totals, ledger.costs()
    skims = ledger.skims(costs)
    return {
        "chunks": {
            "total": status.n_chunks, "done": status.n_done, "failed": len(status.set_aside),
            "pending": len(status.pending), "damaged": len(status.damaged) + len(status.foreign),
            "set_aside": [one._asdict() | {"log": str(one.log)} for one in status.set_aside],
        },
        "events": {"generated": totals.n_events, "kept": totals.n_kept},
        "kept_fraction": totals.filter_efficiency,
        "sum_weight": float(totals.sum_kept_weight),
        "sum_weight_squared": float(totals.sum_kept_weight_squared),
        "sum_generator_weight": float(totals.sum_weight),
        "speed_up": {
            skim: None if one.speed_up is None else one.speed_up._asdict() for skim, one in skims.items()
        },
        "skims": {
            skim: {"passing": one.n_passing, "sum_weight": one.sum_weight, "effective": one.effective}
            for skim, one in skims.items()
        },
        "costs": None if costs is None else costs.to_dict(),
        "cpu_seconds": ledger.cpu,
        "wall_seconds": ledger.wall,
        "bytes": ledger.n_bytes,
        "unknown_codes": ledger.n_unknown_codes,
        "damaged_records": status.damaged + status.foreign,
        "alarms": alarms or [],
    }  # fmt: skip
