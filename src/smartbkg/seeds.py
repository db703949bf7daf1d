"""Randomness that is a function of the event, not of the order in which events arrive.

Two tools. `derive_seed` makes an independent 64-bit seed for every purpose (``derive_seed(7, "training", epoch)``).
`event_uniforms` gives each event its own uniform number, a pure function of (seed, experiment, run, event): the same
whatever the order, chunking or number of workers.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: 2^64 over the golden ratio: what SplitMix64 adds between numbers.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: Multipliers of SplitMix64's finaliser.
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


@functools.lru_cache(maxsize=1024, typed=True)  # event loops ask for the same few again and again
def derive_seed(seed: int, context: str, *keys: int | str) -> int:
    """Independent seed in [0, 2**63) for a named purpose.

    A SHA-256 of the arguments: equal arguments give equal seeds on every machine, any change gives an unrelated one.

    >>> derive_seed(1, "draw") == derive_seed(1, "draw"), derive_seed(1, "draw") == derive_seed(2, "draw")
    (True, False)
    """
    text = "\x1f".join([str(int(seed)), context, *(f"{type(key).__name__}:{key}" for key in keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood, doi:10.1145/2660193.2660195), a bijection of 64-bit numbers."""
    state = (state ^ (state >> np.uint64(30))) * MIX_1
    state = (state ^ (state >> np.uint64(27))) * MIX_2
    return state ^ (state >> np.uint64(31))


def event_keys(
    seed: int,
    experiment: ArrayLike,
    run: ArrayLike,
    event: ArrayLike,
    replica: int = 0,
    *,
    content: ArrayLike | None = None,
) -> NDArray[np.uint64]:
    """A well-mixed 64-bit key per event, to seed a generator of its own.

    Parameters
    ----------
    seed : any integer.
    experiment, run, event : (n_events,) integers, broadcast against one another.
    replica : counts independent repetitions of the same event.
    content : (n_events,) uint64, `smartbkg.events.content.content_digests`: different events of one id then get
        unrelated keys. Not given: the id alone decides.

    Returns
    -------
    (n_events,) uint64, a function of the arguments of that event alone.
    """
    state = np.uint64(derive_seed(seed, "event", replica))
    keys = np.zeros(np.broadcast(*(np.atleast_1d(a) for a in (experiment, run, event))).shape, dtype=np.uint64) + state
    for column in (experiment, run, event):
        value = np.atleast_1d(column).astype(np.int64).view(np.uint64)
        keys = _mix(keys + GOLDEN + _mix(value + GOLDEN))
    if content is not None:
        keys = _mix(keys + GOLDEN + _mix(np.asarray(content, dtype=np.uint64) + GOLDEN))
    return keys


def event_uniforms(
    seed: int, experiment: ArrayLike, run: ArrayLike, event: ArrayLike, *, content: ArrayLike | None = None
) -> NDArray[np.float64]:
    """One uniform number in [0, 1) per event, keyed on (seed, experiment, run, event) and, if given, its content alone.

    Returns
    -------
    (n_events,) float64: the upper 53 bits of the event's key.
    """
    keys = event_keys(seed, experiment, run, event, content=content)
    return np.asarray((keys >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def event_uniform(seed: int, experiment: int, run: int, event: int, *, content: int | None = None) -> float:
    """The number of `event_uniforms` for one event, without arrays: for event loops that see one event at a time.

    >>> bool(event_uniform(1, 7, 2, 99) == event_uniforms(1, 7, 2, 99)[0])
    True
    """
    state = derive_seed(seed, "event", 0)
    for value in (experiment, run, event) if content is None else (experiment, run, event, content):
        state = _mix_one((state + _GOLDEN_ONE + _mix_one((value + _GOLDEN_ONE) & _MASK)) & _MASK)
    return float((state >> 11) * 2.0**-53)


_MASK = 0xFFFFFFFFFFFFFFFF
_GOLDEN_ONE, _MIX_1_ONE, _MIX_2_ONE = int(GOLDEN), int(MIX_1), int(MIX_2)


def _mix_one(state: int) -> int:
    """`_mix` of one number."""
    state = ((state ^ (state >> 30)) * _MIX_1_ONE) & _MASK
    state = ((state ^ (state >> 27)) * _MIX_2_ONE) & _MASK
    return state ^ (state >> 31)
