"""The kept events of all chunks in one file, in constant memory: ids are in ranges, nothing must be looked up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import uproot
from numpy.typing import NDArray

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.chain import NTUPLE
from smartbkg.campaign.chunk.record import read_record
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.records import record_groups
from smartbkg.campaign.status import Status, read_status
from smartbkg.errors import FileFormatError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.totals import Totals
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.parquet import PARQUET
from smartbkg.storage.atomic import atomic_path
from smartbkg.storage.kinds import KEPT, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record, sha256_of_file

_ROOT: Final = ".root"


class MergedCampaign(NamedTuple):
    """What was merged."""

    n_chunks: int
    n_written: int
    """Events, or rows of the n-tuple."""
    totals: Totals
    """Of the chunks that were merged: what the weights stand for."""


def merge_campaign(
    campaign: Campaign, output: Path, *, chunks: range | None = None, is_incomplete_allowed: bool = False
) -> MergedCampaign:
    """Merge the kept events of a campaign into Parquet or HepMC3, or its n-tuples into ROOT.

    Parts of a large campaign are merged by ranges of chunks, and the parts by `smartbkg merge`: their totals add up to
    those of the whole, exactly.

    Parameters
    ----------
    output : file to write; the suffix chooses the format.
    chunks : a range; all if not given.
    is_incomplete_allowed : merge what is done although some chunks are not.

    Raises
    ------
    UsageError
        Chunks are not done, or the campaign has no n-tuples.
    FileFormatError
        A file is not the one that its record describes.
    """
    wanted = range(len(campaign.plan)) if chunks is None else chunks
    status = read_status(campaign)
    chosen = np.zeros_like(status.is_done)
    chosen[wanted.start : wanted.stop] = status.is_done[wanted.start : wanted.stop]
    n_chosen = int(chosen.sum())
    if n_chosen < len(wanted) and not is_incomplete_allowed:
        raise UsageError(
            f"{len(wanted) - n_chosen} of {len(wanted)} chunks are not done: run the campaign to its end, or merge "
            "what there is with --incomplete (the totals are then those of the chunks that are merged)"
        )
    if not n_chosen:
        raise UsageError("no chunk is done: nothing to merge")
    ledger = ledger_of(campaign, chosen, status)
    if output.name.endswith(_ROOT):
        n_written = _merge_ntuples(campaign, chosen, output)
    else:
        n_written = _merge_events(campaign, chosen, output, ledger)
    return MergedCampaign(n_chosen, n_written, ledger.totals)


class ChunkFiles(NamedTuple):
    """Where the files of a chunk are, and what its record says of them."""

    chunk: int
    folder: Path
    files: dict[str, Any]
    """Role → name, bytes and SHA-256."""

    def checked(self, role: str) -> Path:
        """A file, which must be the one that the record describes.

        Raises
        ------
        FileFormatError
            It is missing, or was changed.
        """
        about = self.files[role]
        path = self.folder / str(about["name"])
        if not path.is_file():
            raise FileFormatError(
                f"{path}: missing, although chunk {self.chunk} is done: remove its record and run again"
            )
        if path.stat().st_size != about["bytes"] or sha256_of_file(path) != about["sha256"]:
            raise FileFormatError(
                f"{path}: not the file that the record of chunk {self.chunk} describes: remove the record and run again"
            )
        return path


def chunk_files(campaign: Campaign, chosen: NDArray[np.bool_]) -> Iterator[ChunkFiles]:
    """Files of chunks that are done, in order; memory is that of the records of a thousand chunks.

    Parameters
    ----------
    chosen : (n_chunks,) True = this chunk.
    """
    for group in record_groups(campaign):
        table = group.table
        for position in np.argsort(table.chunk).tolist():
            index = int(table.chunk[position])
            if chosen[index]:
                folder = campaign.folder.data(index, bytes(table.attempt[position]).decode())
                yield ChunkFiles(index, folder, table.files_of(position))


def ledger_of(campaign: Campaign, chosen: NDArray[np.bool_], status: Status) -> Ledger:
    """The sums over some of the chunks that are done."""
    if np.array_equal(chosen, status.is_done):
        return status.ledger
    ledger = Ledger()
    for index in np.flatnonzero(chosen).tolist():
        ledger.add(read_record(campaign.folder.record(index), index))
    return ledger


def _merge_events(campaign: Campaign, chosen: NDArray[np.bool_], output: Path, ledger: Ledger) -> int:
    settings = {"campaign": campaign.config.name, "physics_digest": campaign.identity["physics_digest"]}
    settings |= {"policy": campaign.identity["policy"], "skims": list(campaign.skims), "chunks": int(chosen.sum())}
    options = ReadOptions(keep_originals=not output.name.endswith(PARQUET.suffixes))
    writer = None
    with_draws: Any = None
    try:
        for files in chunk_files(campaign, chosen):
            with open_events(files.checked(KEPT), options) as reader:
                batches: Iterator[EventBatch] = reader.batches()
                first = next(batches, None)
                if writer is None:
                    with_draws = reader.metadata.get("draws")
                    further = {} if with_draws is None else {"draws": with_draws}
                    writer = create_events(output, record(KEPT, SCHEMA_VERSIONS[KEPT], settings, **further))
                if first is not None:
                    writer.write(first)
                for batch in batches:
                    writer.write(batch)
        if writer is None:
            raise UsageError("no chunk is done: nothing to merge")
        writer.describe(totals=ledger.totals.to_dict())
    except BaseException:
        if writer is not None:
            writer.abort()
        raise
    writer.close()
    return writer.n_written


def _merge_ntuples(campaign: Campaign, chosen: NDArray[np.bool_], output: Path) -> int:
    if not campaign.config.outputs.ntuple:
        raise UsageError(
            f"{output}: the campaign writes no n-tuples (outputs.ntuple: false); merge events into .parquet"
        )
    n_rows = 0
    with atomic_path(output) as partial, uproot.recreate(partial) as new:
        tree = None
        for files in chunk_files(campaign, chosen):
            with uproot.open(files.checked(NTUPLE)) as file:
                columns = file["events"].arrays(library="np")
            if tree is None:
                tree = new.mktree("events", {name: values.dtype for name, values in columns.items()})
            n_here = len(next(iter(columns.values()), ()))
            if n_here:
                tree.extend(columns)
            n_rows += n_here
    return n_rows
