"""Whether the text of an event holds all that its first line announces."""

from __future__ import annotations

import contextlib


def is_complete(text: bytes, version: int) -> bool:
    """Whether all particles of an event are there, and nothing behind the last one.

    Parameters
    ----------
    text : from the first line of an event (``E``) on.
    version : of HepMC, 2 or 3.

    Notes
    -----
    HepMC3 announces the number of particles. HepMC2 announces the number of vertices, and each of them its particles
    (``V``: barcode, id, four coordinates, incoming particles without a vertex, outgoing ones).
    """
    if not text.startswith(b"E ") or not text.endswith(b"\n"):
        return False
    lines = text.splitlines()
    n_particles = sum(line.startswith(b"P ") for line in lines)
    if not n_particles or not lines[-1].startswith(b"P "):
        return False
    with contextlib.suppress(ValueError, IndexError):
        if version == 3:
            return int(lines[0].split()[3]) == n_particles
        vertices = [line.split() for line in lines if line.startswith(b"V ")]
        is_all = int(lines[0].split()[8]) == len(vertices)
        return is_all and sum(int(words[7]) + int(words[8]) for words in vertices) == n_particles
    return False


__all__ = ["is_complete"]
