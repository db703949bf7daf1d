"""HepMC ASCII text to numbers: which lines there are, what stands in them, and what is wrong with them. Compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.io.hepmc.numbers import parse_integer, parse_number

#: What can be wrong with the text of an event.
FLAWS: Final = {
    1: "a line is cut short, too long, or holds a number that cannot be read",
    2: "a line begins with an unknown letter",
    3: "fewer or more particles than announced",
    4: "fewer or more vertices than announced",
    5: "a particle or vertex refers to one that is not in the event",
    6: "the decay tree is cyclic",
    7: "particles or vertices are not numbered as the format says",
    8: "a particle ends in two vertices",
    9: "units are not MEV or GEV and MM or CM",
    10: "the event does not begin with one line E",
    11: "the event number does not fit into 64 bits",
}
(
    BAD_LINE,
    UNKNOWN_LETTER,
    WRONG_PARTICLES,
    WRONG_VERTICES,
    LOST_REFERENCE,
    CYCLIC,
    WRONG_NUMBERING,
    TWO_ENDS,
    UNKNOWN_UNITS,
    NO_HEAD,
    LARGE_NUMBER,
) = FLAWS

#: The letters that lines begin with, then others that matter.
EVENT, PARTICLE, VERTEX, WEIGHTS, UNIT, _A, _N, _T, _C, _H, _F = (ord(letter) for letter in "EPVWUANTCHF")
_NEWLINE, _RETURN, _TAB, _SPACE = 10, 13, 9, 32
_AT, _OPEN, _CLOSE, _COMMA, _MINUS, _ZERO, _NINE = (ord(letter) for letter in "@[],-09")
#: Attributes of particles by which our writer keeps what HepMC has no place for, and the tags of such lines here.
_STATUS_NAME: Final = np.frombuffer(b"smartbkg_status ", dtype=np.uint8)
_PLACE_NAME: Final = np.frombuffer(b"smartbkg_vertex ", dtype=np.uint8)
STATUS_TAG, PLACE_TAG = ord("s"), ord("p")


@dataclass(frozen=True)
class Lines:
    """The lines of a piece of text that hold numbers."""

    tag: NDArray[np.uint8]
    event: NDArray[np.int64]
    position: NDArray[np.int64]
    """Where in the text each line begins."""
    first: NDArray[np.int64]
    """(n_lines + 1,) line i owns ``numbers[first[i]:first[i + 1]]``."""
    n_before_at: NDArray[np.int64]
    """How many of its numbers stand before an ``@``; -1 where there is no ``@``."""
    numbers: NDArray[np.float64]
    event_number: NDArray[np.int64]
    """(n_events,) what its line ``E`` says."""
    is_plain: NDArray[np.bool_]
    """(n_events,) True where particles and vertices come last and are written as HepMC3 itself writes them."""

    def where(self, tag: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.tag == tag)

    def table(self, lines: NDArray[np.int64], n_columns: int) -> NDArray[np.float64]:
        """(n_lines, n_columns) first numbers of the lines; NaN behind the end of a line."""
        index = self.first[lines][:, None] + np.arange(n_columns)
        is_there = index < self.first[lines + 1][:, None]
        return np.where(is_there, self.numbers[np.minimum(index, len(self.numbers) - 1)], np.nan)

    def length(self, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self.first[lines + 1] - self.first[lines])


class Flaws:
    """The first flaw found in each event."""

    def __init__(self, n_events: int) -> None:
        self.flaw = np.zeros(n_events, dtype=np.int64)
        self.position = np.zeros(n_events, dtype=np.int64)

    def at_lines(self, lines: Lines, wrong: NDArray[np.int64], flaw: int) -> None:
        """Note a flaw at some lines."""
        events, first = np.unique(lines.event[wrong], return_index=True)
        is_new = self.flaw[events] == 0
        self.flaw[events[is_new]] = flaw
        self.position[events[is_new]] = lines.position[wrong[first[is_new]]]

    def at_events(self, is_wrong: NDArray[np.bool_], flaw: int, starts: NDArray[np.int64]) -> None:
        """Note a flaw of whole events."""
        is_new = is_wrong & (self.flaw == 0)
        self.flaw[is_new] = flaw
        self.position[is_new] = starts[is_new]


@part
def _begins_with(text, position, stop, word):  # type: ignore[no-untyped-def]
    if position + len(word) > stop:
        return False
    for k in range(len(word)):  # noqa: SIM110 - compiled code knows no generators
        if text[position + k] != word[k]:
            return False
    return True


@kernel
def _read_lines(  # type: ignore[no-untyped-def]
    text, starts, stops, tags, events, positions, firsts, n_before_at, numbers, doubtful, doubtful_at, event_number,
    is_plain, flaw, flaw_position,
):  # fmt: skip
    """Fill the columns of `Lines` and each event's first flaw in a line; numbers of lines and of doubtful numbers."""
    line, n, n_doubtful = 0, 0, 0
    for event in range(len(starts)):
        position = starts[event]
        is_plain[event], has_body = True, False
        while position < stops[event] and flaw[event] == 0:
            stop = position
            while stop < stops[event] and text[stop] != _NEWLINE:
                stop += 1
            begin, tag, wrong = position, text[position], 0
            if tag in (PARTICLE, VERTEX):
                has_body = True
            elif has_body:
                is_plain[event] = False
            tags[line], events[line], positions[line], firsts[line], n_before_at[line] = tag, event, begin, n, -1
            position += 1
            if stop == begin or tag == _RETURN:
                position = stop + 1
                continue
            if position < stop and text[position] != _SPACE and text[position] != _RETURN:
                wrong = UNKNOWN_LETTER
            elif tag == _A:  # only two attributes are read: others may hold anything
                space = position + 1
                while space < stop and text[space] != _SPACE:
                    space += 1
                if _begins_with(text, space + 1, stop, _STATUS_NAME):
                    tag = STATUS_TAG
                elif _begins_with(text, space + 1, stop, _PLACE_NAME):
                    tag = PLACE_TAG
                if tag != _A:
                    numbers[n], behind, _ = parse_number(text, position + 1, space)
                    wrong = 0 if behind == space else BAD_LINE
                    n += 1
                    position = space + 1 + len(_STATUS_NAME)
                    tags[line] = tag
            elif tag == UNIT:
                for unit in range(2):
                    while position < stop and text[position] == _SPACE:
                        position += 1
                    n_letters = 0
                    word = np.int64(0)
                    while position < stop and text[position] > _SPACE and n_letters < 4:
                        word = word << 8 | np.int64(text[position])
                        position += 1
                        n_letters += 1
                    if unit == 0:
                        numbers[n] = 1.0 if word == 0x474556 else (1e-3 if word == 0x4D4556 else 0.0)
                    else:
                        numbers[n + 1] = 1.0 if word == 0x434D else (0.1 if word == 0x4D4D else 0.0)
            elif tag not in (EVENT, PARTICLE, VERTEX, WEIGHTS, _N, _T, _C, _H, _F):
                wrong = UNKNOWN_LETTER
            if tag == UNIT:
                n += 2
            elif tag in (EVENT, PARTICLE, VERTEX, WEIGHTS, STATUS_TAG, PLACE_TAG):
                depth = 0
                if tag == EVENT and wrong == 0:
                    while position < stop and text[position] == _SPACE:
                        position += 1
                    event_number[event], behind = parse_integer(text, position, stop)
                    if behind < 0:
                        k = position + (text[position] == _MINUS)
                        wrong = LARGE_NUMBER if k < stop and _ZERO <= text[k] <= _NINE else BAD_LINE
                while position < stop and wrong == 0:
                    letter = text[position]
                    if letter in (_SPACE, _COMMA, _RETURN, _TAB):
                        position += 1
                        if (letter == _SPACE and position < stop and text[position] == _SPACE) or letter in (
                            _RETURN,
                            _TAB,
                        ):
                            is_plain[event] = False
                    elif letter in (_OPEN, _CLOSE):
                        depth += 1 if letter == _OPEN else -1
                        position += 1
                        if letter == _OPEN and position < stop and text[position] == _CLOSE:
                            is_plain[event] = False
                    elif letter == _AT:
                        n_before_at[line] = n - firsts[line]
                        position += 1
                    else:
                        first = position
                        numbers[n], position, is_certain = parse_number(text, position, stop)
                        if not is_certain:
                            doubtful[n_doubtful], doubtful_at[n_doubtful, 0], doubtful_at[n_doubtful, 1] = (
                                n,
                                first,
                                position,
                            )
                            n_doubtful += 1
                        n += 1
                        if position < 0 or (
                            position < stop
                            and not (text[position] <= _SPACE or text[position] == _COMMA or text[position] == _CLOSE)
                        ):
                            wrong = BAD_LINE
                if wrong == 0 and depth != 0:
                    wrong = BAD_LINE
            if wrong != 0:
                flaw[event], flaw_position[event] = wrong, begin
            line += 1
            position = stop + 1
    firsts[line] = n
    return line, n_doubtful


def read_lines(text: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64], flaws: Flaws) -> Lines:
    capacity = text.count(b"\n") + len(starts) + 1
    tag = np.empty(capacity, dtype=np.uint8)
    event, position, first, n_before_at = (np.empty(capacity + 1, dtype=np.int64) for _ in range(4))
    numbers = np.empty(len(text) // 2 + 2)  # no text holds more numbers; memory that is not used is not taken
    doubtful, doubtful_at = np.empty(len(numbers), dtype=np.int64), np.empty((len(numbers), 2), dtype=np.int64)
    event_number, is_plain = np.zeros(len(starts), dtype=np.int64), np.zeros(len(starts), dtype=np.bool_)
    read: Any = _read_lines
    n, n_doubtful = read(
        np.frombuffer(text, dtype=np.uint8), starts, stops, tag, event, position, first, n_before_at, numbers, doubtful,
        doubtful_at, event_number, is_plain, flaws.flaw, flaws.position,
    )  # fmt: skip
    for index, (begin, end) in zip(doubtful[:n_doubtful].tolist(), doubtful_at[:n_doubtful].tolist(), strict=True):
        numbers[index] = float(text[begin:end])
    numbers[first[n]] = np.nan  # one more than there are, so that there is always one to point at
    return Lines(
        tag[:n],
        event[:n],
        position[:n],
        first[: n + 1],
        n_before_at[:n],
        numbers[: first[n] + 1],
        event_number,
        is_plain,
    )
