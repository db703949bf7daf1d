"""Reading the records of a campaign, a thousand chunks at a time: from packs where these are right, else one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.record import read_record
from smartbkg.campaign.folder import CHUNKS_A_FOLDER, CampaignFolder
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.packs import WORTH_PACKING, Pack, read_pack, write_pack
from smartbkg.campaign.record_table import RecordTable
from smartbkg.errors import FileFormatError
from smartbkg.storage.provenance import digest_of


class RecordGroup(NamedTuple):
    """The records of up to a thousand chunks."""

    table: RecordTable
    """Of those that count."""
    ledger: Ledger
    """Their sums."""
    damaged: list[str]
    """What is wrong with records that cannot be used."""
    foreign: list[str]
    """Records of another campaign."""


def identity_digest(campaign: Campaign) -> str:
    """What each record of a campaign says of it."""
    return digest_of(campaign.identity)[:16]


def record_groups(campaign: Campaign) -> Iterator[RecordGroup]:
    """All records, by groups in order; memory is that of one group.

    A damaged record is named and does not count: its chunk is still to do once the record has been removed.
    """
    identity, n_chunks = identity_digest(campaign), len(campaign.plan)
    skims: tuple[str, ...] | None = None
    for number in campaign.folder.groups():
        marks = campaign.folder.marks(number)
        pack = read_pack(campaign.folder.pack(number), marks, identity)
        found = _Found([], Ledger(), [], [])
        if pack is not None:
            found.tables.append(pack.table)
            found.ledger.add_ledger(pack.ledger)
            skims = pack.table.skims
        for index in sorted(marks.keys() - (set() if pack is None else pack.marks.keys())):
            skims = found.read(campaign.folder, index, n_chunks, identity, skims)
        if not found.tables:
            yield RecordGroup(RecordTable.of([]), found.ledger, found.damaged, found.foreign)
            continue
        table = RecordTable.joined(found.tables)
        n_new = len(table) - (0 if pack is None else len(pack.table))
        if _is_worth_packing(n_new, len(table), min(CHUNKS_A_FOLDER, n_chunks - number * CHUNKS_A_FOLDER)):
            of_table = {chunk: marks[chunk] for chunk in table.chunk.tolist()}
            write_pack(campaign.folder.pack(number), Pack(of_table, table, found.ledger), identity)
        yield RecordGroup(table, found.ledger, found.damaged, found.foreign)


class _Found(NamedTuple):
    """What was found of a group so far."""

    tables: list[RecordTable]
    ledger: Ledger
    damaged: list[str]
    foreign: list[str]

    def read(
        self, folder: CampaignFolder, index: int, n_chunks: int, identity: str, skims: tuple[str, ...] | None
    ) -> tuple[str, ...] | None:
        """Add a record that no pack holds; returns the skims of the filter, which its like must have."""
        path = folder.record(index)
        try:
            content = read_record(path, index)
            if content.get("identity") != identity:
                self.foreign.append(f"{path}: the record of another campaign: remove it")
                return skims
            if index >= n_chunks:
                self.foreign.append(f"{path}: the campaign has {n_chunks} chunks: remove it")
                return skims
            table = RecordTable.of([content], skims)
            self.ledger.add(content)
        except FileFormatError as error:
            self.damaged.append(str(error))
            return skims
        self.tables.append(table)
        return table.skims


def _is_worth_packing(n_new: int, n_all: int, n_chunks: int) -> bool:
    """Whether a new pack saves many openings: a hundred records more, or the last of a group that is then complete."""
    return n_new >= WORTH_PACKING or (n_new > 0 and n_all == n_chunks >= WORTH_PACKING)
