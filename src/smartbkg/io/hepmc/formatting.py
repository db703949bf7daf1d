"""Columns of numbers to lines of text, many at once, with the fewest digits that give back each number.

The digits are those of double-conversion inside pyarrow, which like Python's ``repr`` are correctly rounded (Grisu3
with exact arithmetic behind it: F. Loitsch, doi:10.1145/1806596.1806623).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: A column of numbers or texts, or a text that each line has.
Word: TypeAlias = NDArray[np.generic] | pa.Array | str


def as_text(values: NDArray[np.generic]) -> pa.Array:
    """(n,) texts of numbers, single precision with the digits that it needs.

    >>> as_text(np.array([0.1, 3.0, 1e-7], dtype=np.float32)).to_pylist()
    ['0.1', '3', '1e-7']
    """
    return pc.cast(pa.array(values), pa.large_string())


def lines_of(*words: Word) -> pa.Array:
    """(n,) lines of words with a blank between them, and a line break at their end.

    >>> lines_of("A", np.array([1, 2]), "name").to_pylist()
    ['A 1 name\\n', 'A 2 name\\n']
    """
    return joined(joined(*words, by=" "), "\n")


def joined(*words: Word, by: str = "") -> pa.Array:
    """(n,) texts, each of its words one after the other.

    >>> joined("[", np.array([7]), "]").to_pylist()
    ['[7]']
    """
    columns = [as_text(word) if isinstance(word, np.ndarray) else _scalar(word) for word in words]
    return pc.binary_join_element_wise(*columns, _scalar(by))


def _scalar(word: pa.Array | str) -> pa.Array | pa.Scalar:
    return pa.scalar(word, pa.large_string()) if isinstance(word, str) else word


def placed(texts: pa.Array, at: NDArray[np.int64], n: int) -> pa.Array:
    """(n,) texts that are empty but for those given, which stand ``at`` these places, all different."""
    source = np.full(n, -1, dtype=np.int64)
    source[at] = np.arange(len(at))
    return pc.fill_null(texts.take(pa.array(source, mask=source < 0)), "")


def cut(texts: pa.Array, counts: NDArray[np.int64]) -> list[bytes]:
    """(len(counts),) the texts of each event as one, of which it has so many."""
    if not len(texts):
        return [b""] * len(counts)
    _, offsets, content = texts.buffers()
    begins = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    ends = begins[np.cumsum(counts)].tolist()
    whole = memoryview(content)
    return [bytes(whole[begin:end]) for begin, end in zip([int(begins[0]), *ends[:-1]], ends, strict=True)]


__all__ = ["as_text", "cut", "joined", "lines_of", "placed"]
