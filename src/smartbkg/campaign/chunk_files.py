"""The files of chunks that are done, each checked against its record before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.records import record_groups
from smartbkg.errors import FileFormatError
from smartbkg.storage.provenance import sha256_of_file


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
