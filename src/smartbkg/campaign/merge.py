"""The kept events of all chunks in one file, in constant memory: ids are in ranges, nothing must be looked up."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import uproot
from numpy.typing import NDArray

from smartbkg._version import __version__
from smartbkg.campaign.campaign import Campaign, worker_campaign
from smartbkg.campaign.chunk.chain import NTUPLE
from smartbkg.campaign.chunk.record import read_record
from smartbkg.campaign.chunk_files import chunk_files
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.status import Status, read_status
from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.totals import Totals
from smartbkg.io import create_events, open_events, reading_for
from smartbkg.io.formats import format_of_output
from smartbkg.io.root_output import NTUPLE_SUFFIX, ROOT_NTUPLE
from smartbkg.storage.atomic import atomic_path, disk_errors
from smartbkg.storage.kinds import KEPT, SCHEMA_VERSIONS
from smartbkg.storage.provenance import digest_of, record

#: Chunks that are merged at once; of more than that, parts are made first.
CHUNKS_A_PART: Final = 1000


class MergedCampaign(NamedTuple):
    """What was merged."""

    n_chunks: int
    n_written: int
    """Events, or rows of the n-tuple."""
    totals: Totals
    """Of the chunks that were merged: what the weights stand for."""


def merge_campaign(
    campaign: Campaign,
    output: Path,
    *,
    chunks: range | None = None,
    is_incomplete_allowed: bool = False,
    n_jobs: int = 1,
) -> MergedCampaign:
    """Merge the kept events of a campaign into Parquet or HepMC3, or its n-tuples into ROOT.

    More than `CHUNKS_A_PART` chunks are merged in two levels: parts of so many chunks, beside the output and kept if
    the merge is killed, then the parts. Totals of ranges of chunks add up to those of the whole, exactly.

    Parameters
    ----------
    output : file to write; the suffix chooses the format.
    chunks : a range; all if not given.
    is_incomplete_allowed : merge what is done although some chunks are not.
    n_jobs : processes that make parts.

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
    if output.name.endswith(NTUPLE_SUFFIX):
        raise UsageError(f"{output}: n-tuples of chunks are merged into a tree: name it .root")
    role = NTUPLE if _is_ntuple(output) else KEPT
    if role == NTUPLE and not campaign.config.outputs.ntuple:
        raise UsageError(
            f"{output}: the campaign writes no n-tuples (outputs.ntuple: false); merge events into .parquet"
        )
    settings = {
        "campaign": campaign.config.name, "physics_digest": campaign.identity["physics_digest"],
        "policy": campaign.identity["policy"], "skims": list(campaign.skims), "chunks": n_chosen,
    }  # fmt: skip
    if n_chosen > CHUNKS_A_PART:
        n_written = _by_parts(campaign, chosen, output, role, settings, ledger.totals, n_jobs)
    else:
        sources = (files.checked(role) for files in chunk_files(campaign, chosen))
        n_written = _stream(sources, output, settings, ledger.totals)
    return MergedCampaign(n_chosen, n_written, ledger.totals)


def ledger_of(campaign: Campaign, chosen: NDArray[np.bool_], status: Status) -> Ledger:
    """The sums over some of the chunks that are done."""
    if np.array_equal(chosen, status.is_done):
        return status.ledger
    ledger = Ledger()
    for index in np.flatnonzero(chosen).tolist():
        ledger.add(read_record(campaign.folder.record(index), index))
    return ledger


def _merge_events(sources: Iterable[Path], output: Path, settings: dict[str, Any], totals: Totals | None = None) -> int:
    """Stream files of kept events into one; returns the number of events."""
    options = reading_for(output)
    writer = None
    try:
        for source in sources:
            with open_events(source, options) as reader:
                batches: Iterator[EventBatch] = reader.batches()
                first = next(batches, None)
                if writer is None:
                    draws = reader.metadata.get("draws")
                    further = {} if draws is None else {"draws": draws}
                    writer = create_events(output, record(KEPT, SCHEMA_VERSIONS[KEPT], settings, **further))
                for batch in itertools.chain([] if first is None else [first], batches):
                    writer.write(batch)
        if writer is None:
            raise UsageError("no chunk is done: nothing to merge")
        if totals is not None:
            writer.describe(totals=totals.to_dict())
    except BaseException:
        if writer is not None:
            writer.abort()
        raise
    writer.close()
    return writer.n_written


def _merge_ntuples(sources: Iterable[Path], output: Path) -> int:
    """Stream n-tuples into one; returns the number of rows."""
    n_rows = 0
    with atomic_path(output) as partial, uproot.recreate(partial) as new:
        tree = None
        for source in sources:
            with uproot.open(source) as file:
                columns = file["events"].arrays(library="np")
            if tree is None:
                tree = new.mktree("events", {name: values.dtype for name, values in columns.items()})
            n_here = len(next(iter(columns.values()), ()))
            if n_here:
                tree.extend(columns)
            n_rows += n_here
    return n_rows


def _is_ntuple(output: Path) -> bool:
    """Whether the n-tuples of chunks go there, not their kept events."""
    return format_of_output(output) is ROOT_NTUPLE


def _stream(sources: Iterable[Path], output: Path, settings: dict[str, Any], totals: Totals | None = None) -> int:
    if _is_ntuple(output):
        return _merge_ntuples(sources, output)
    return _merge_events(sources, output, settings, totals)


class _Part(NamedTuple):
    """A part of a large merge: the files of some chunks, and the file that they become."""

    root: Path
    chunks: tuple[int, ...]
    output: Path
    role: str


def _make_part(part: _Part) -> Path:
    """Make a part unless it is there; its name says what it was made from, so that one that is there is right."""
    if not part.output.exists():
        campaign = worker_campaign(part.root)
        chosen = np.zeros(len(campaign.plan), dtype=np.bool_)
        chosen[list(part.chunks)] = True
        _stream((files.checked(part.role) for files in chunk_files(campaign, chosen)), part.output, {"part": True})
    return part.output


def _parts(campaign: Campaign, chosen: NDArray[np.bool_], output: Path, role: str) -> list[_Part]:
    """The parts of a merge, in order."""
    parts: list[_Part] = []
    folder = _parts_folder(output)
    listed = ((one.chunk, one.files[role]["sha256"]) for one in chunk_files(campaign, chosen))
    while group := list(itertools.islice(listed, CHUNKS_A_PART)):
        name = f"part-{len(parts):04d}-{digest_of({'files': group, 'version': __version__})[:16]}.{output.name}"
        parts.append(_Part(campaign.folder.root, tuple(chunk for chunk, _ in group), folder / name, role))
    return parts


def _parts_folder(output: Path) -> Path:
    return output.with_name(f".{output.name}.parts")


def _by_parts(
    campaign: Campaign, chosen: NDArray[np.bool_], output: Path, role: str, settings: dict[str, Any], totals: Totals,
    n_jobs: int,
) -> int:  # fmt: skip
    """Merge parts side by side, then the parts: a merge that was killed goes on with the parts that are there."""
    parts = _parts(campaign, chosen, output, role)
    folder = _parts_folder(output)
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        made: Iterable[Path] = map(_make_part, parts)
        if n_jobs > 1:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(min(n_jobs, len(parts))))
            made = pool.imap(_make_part, parts)
        n_written = _stream(made, output, settings, totals)
    shutil.rmtree(folder, ignore_errors=True)
    return n_written
