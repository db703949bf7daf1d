"""A number that tells events of one id apart: a digest of what was generated, the same from every format.

Event ids repeat: jobs that number their events alike, formats without run numbers. What is drawn for an event must
therefore depend on the event itself. `content_digests` looks at the final state alone, at what every format carries
with the same bits: PDG codes, and momenta in GeV rounded to single precision. It is a sum over particles, so that their
order does not matter, and so that documentation lines, virtual particles and intermediate states, which programs leave
out or renumber, do not enter; nor do vertices and energies, which programs convert or compute anew. Photons do not
enter either: programs differ in which of them are marked as radiated.

A file that holds fewer digits than single precision, or boosted momenta, holds other numbers and so gets other digests.
What is drawn for its events is then independent of what was drawn before: never wrong, only not the same.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
from smartbkg.events.batch import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.seeds import GOLDEN, MIX_1, MIX_2

#: Version of the rule. A later one is a new number: files record which one drew their events.
CONTENT_VERSION: Final = 1

_PHOTON: Final = 22
_PRIMARY: Final = ParticleStatus.PRIMARY
_STABLE: Final = ParticleStatus.STABLE_IN_GENERATOR
_NEGATIVE_ZERO: Final = 0x80000000
#: Status bits of particles that the digest does not look at.
LEFT_OUT: Final = (
    ParticleStatus.VIRTUAL | ParticleStatus.INITIAL | ParticleStatus.ISR_PHOTON | ParticleStatus.FSR_PHOTON
)


def content_digests(batch: EventBatch) -> NDArray[np.uint64]:
    """(n_events,) uint64: equal for events of equal final state, unrelated for others.

    Looked at are the primary particles that are stable in the generator, without photons; in an event without any, all
    its primary particles. An event without particles has the digest 0.
    """
    # copies: arrays of a file are read-only, for which the kernel would be compiled a second time
    px, py, pz = (np.array(batch.particle[name], dtype=np.float32).view(np.uint32) for name in ("px", "py", "pz"))
    code, status = (np.array(batch.particle[name], dtype=np.int32) for name in ("PDG", "status"))
    digests = np.empty(len(batch), dtype=np.uint64)
    _digest(np.array(batch.offsets, dtype=np.int64), status, code, px, py, pz, digests)
    return digests


@part
def _is_chosen(status, code, only_final):  # type: ignore[no-untyped-def]
    if status & (_PRIMARY | LEFT_OUT) != _PRIMARY:
        return False
    return not only_final or (status & _STABLE != 0 and code != _PHOTON)


@part
def _mixed(state):  # type: ignore[no-untyped-def]
    """`smartbkg.seeds.mix` of one number."""
    state = (state ^ (state >> np.uint64(30))) * MIX_1
    state = (state ^ (state >> np.uint64(27))) * MIX_2
    return state ^ (state >> np.uint64(31))


@part
def _bits(value):  # type: ignore[no-untyped-def]
    """Bits of a single-precision number; -0.0 and 0.0 are one number to every program that prints them."""
    return np.uint64(0) if value == _NEGATIVE_ZERO else np.uint64(value)


@kernel
def _digest(offsets, status, code, px, py, pz, digests):  # type: ignore[no-untyped-def]
    high, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    for event in range(len(digests)):
        digests[event] = np.uint64(0)
        for only_final in (True, False):
            total, count = np.uint64(0), np.uint64(0)
            for i in range(offsets[event], offsets[event + 1]):
                if _is_chosen(status[i], code[i], only_final):
                    first = ((np.uint64(code[i]) & low) << high) | _bits(px[i])
                    total += _mixed(_mixed(first + GOLDEN) + ((_bits(py[i]) << high) | _bits(pz[i])))
                    count += np.uint64(1)
            if count > np.uint64(0):
                digests[event] = _mixed(total + count * GOLDEN)
                break


__all__ = ["CONTENT_VERSION", "LEFT_OUT", "content_digests"]
