"""Events of Asciiv3 as parts to put together again: their own text, in the order and form that every reader takes."""

from __future__ import annotations

import re
from typing import Final

from smartbkg.errors import EventError
from smartbkg.io.hepmc.version2 import EventParts

_BODY: Final = re.compile(rb"\n(?=[PV] )")
_OURS: Final = b"A 0 smartbkg_"
_ATTRIBUTE: Final = re.compile(rb"A\s+(-?\d+)\s+(\S+) ?(.*)")
_VERTEX: Final = re.compile(rb"V\s+(\S+)\s+(\S+)\s*\[([^]]*)\]\s*(?:@\s*(.*))?$")


def parts_of_version_3(text: bytes, units: bytes, position: bytes | None, *, is_plain: bool) -> EventParts:
    """One event of Asciiv3, that was read before.

    Parameters
    ----------
    units, position : those that hold where the event does not say (`smartbkg.io.hepmc.state`).
    is_plain : whether the lines of particles and vertices come last and can stay as they are.

    Raises
    ------
    EventError
        A line cannot be read.
    """
    found = _BODY.search(text)
    split = found.end() if found else len(text)
    head = text[:split].replace(b"\r", b"").splitlines()
    body = text[split:]
    if not is_plain:
        rest = body.replace(b"\r", b"").splitlines()
        head += [line for line in rest if line[:1] not in b"PV"]
        body = _body(rest)
    elif not body.endswith(b"\n"):
        body += b"\n"
    weights: tuple[bytes, ...] = ()
    attributes = []
    for line in head[1:]:
        letter = line[:1]
        if letter == b"A":
            if not line.startswith(_OURS):
                attributes.append(_attribute(line))
        elif letter == b"U":
            units = b" ".join(line.split()[1:3])
        elif letter == b"W":
            weights = tuple(line.split()[1:])
    words = head[0].replace(b"@", b" @ ").split()
    if len(words) > 4:
        position = b" ".join(words[5:9])
    return EventParts(int(words[2]), int(words[3]), position, units, weights, b"".join(attributes), body)


def _attribute(line: bytes) -> bytes:
    """The line with one blank between its words, and one behind a name without a value: readers need it."""
    words = line.split(b" ", 3)
    if len(words) == 4 and words[1] and words[2]:
        return line + b"\n"
    match = _ATTRIBUTE.match(line)
    return b"A %s %s %s\n" % (match[1], match[2], match[3]) if match else b""


def _body(lines: list[bytes]) -> bytes:
    """Lines of particles and vertices with one blank between their words.

    A particle whose mother has a vertex line of its own names that vertex.
    """
    vertex_of: dict[bytes, bytes] = {}
    made = []
    for line in lines:
        if line[:1] == b"V":
            match = _VERTEX.match(line.rstrip())
            if match is None:
                raise EventError(f"vertex that cannot be read: {line[:60]!r}")
            incoming = match[3].replace(b",", b" ").split()
            vertex_of |= dict.fromkeys(incoming, match[1])
            at = b" @ " + b" ".join(match[4].split()) if match[4] is not None else b""
            made.append([b"V", match[1], match[2], b"[" + (b",".join(incoming) or b"0") + b"]" + at])
        elif line[:1] == b"P":
            made.append(line.split())
    for words in made:
        if words[0] == b"P":
            words[2] = vertex_of.get(words[2], words[2])
    return b"".join(b" ".join(words) + b"\n" for words in made)


__all__ = ["parts_of_version_3"]
