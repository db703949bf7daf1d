"""How many bytes the entries of a ROOT tree unpack to, known before they are unpacked.

Each basket of a branch has a key with its length unpacked; an RNTuple lists its pages with the elements in them.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Any, NamedTuple

from smartbkg.storage.bounds import check_expansion

#: Bytes of an element of an RNTuple in memory, at most.
_ELEMENT_BYTES = 8


def is_rntuple(tree: Any) -> bool:
    """Whether a tree of uproot is an RNTuple, not a TTree."""
    return "RNTuple" in tree.classname


class _Piece(NamedTuple):
    """A basket, or the pages of a cluster."""

    first: int
    stop: int
    """Its entries."""
    n_unpacked: int
    n_packed: int


class Volume:
    """Bytes of entries of a tree.

    Parameters
    ----------
    tree : of uproot, a TTree or an RNTuple.
    branches : the branches that will be read; None: all. An RNTuple counts whole.
    """

    def __init__(self, tree: Any, branches: list[Any] | None = None) -> None:
        self._is_ntuple = is_rntuple(tree)
        self._tree = tree
        self._branches = (
            [] if self._is_ntuple else list(tree.itervalues(recursive=True)) if branches is None else branches
        )
        self._known: dict[tuple[int, int], _Piece] = {}

    def size(self, start: int, stop: int) -> float:
        """Bytes of the entries ``start:stop``, if those of a basket are of one length."""
        return sum(
            piece.n_unpacked * (min(stop, piece.stop) - max(start, piece.first)) / max(piece.stop - piece.first, 1)
            for piece in self._pieces(start, stop)
        )

    def check(self, start: int, stop: int, source: str) -> None:
        """Refuse entries that would unpack to far more than they are.

        Raises
        ------
        FileFormatError
            As `check_expansion`.
        """
        pieces = list(self._pieces(start, stop))
        n_unpacked, n_packed = (sum(piece[k] for piece in pieces) for k in (2, 3))
        check_expansion(n_unpacked, n_packed, f"{source}: entries {start} to {stop - 1}")

    def _pieces(self, start: int, stop: int) -> Iterator[_Piece]:
        if self._is_ntuple:
            yield from self._clusters(start, stop)
            return
        for number, branch in enumerate(self._branches):
            offsets = branch.entry_offsets
            first = max(bisect.bisect_right(offsets, start) - 1, 0)
            for basket in range(first, int(branch.num_baskets)):
                if offsets[basket] >= stop:
                    break
                key = (number, basket)
                if key not in self._known:
                    sizes = branch.basket_uncompressed_bytes(basket), branch.basket_compressed_bytes(basket)
                    self._known[key] = _Piece(offsets[basket], offsets[basket + 1], *map(int, sizes))
                yield self._known[key]

    def _clusters(self, start: int, stop: int) -> Iterator[_Piece]:
        for number, cluster in enumerate(self._tree.cluster_summaries):
            first = int(cluster.num_first_entry)
            last = first + int(cluster.num_entries)
            if first >= stop or last <= start:
                continue
            key = (0, number)
            if key not in self._known:
                pages = [page for column in self._tree.page_link_list[number] for page in column.pages]
                n_unpacked = sum(int(page.num_elements) for page in pages) * _ELEMENT_BYTES
                self._known[key] = _Piece(first, last, n_unpacked, sum(int(page.locator.num_bytes) for page in pages))
            yield self._known[key]


__all__ = ["Volume", "is_rntuple"]
