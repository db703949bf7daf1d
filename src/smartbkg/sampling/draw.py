"""Which events are kept: chance, but the same chance every time.

`draw` is the default: an event's fate is a function of (seed, experiment, run, event) alone, so order, chunks and
number of workers do not matter and a job can be repeated. `SystematicSampler` fixes the *number* kept to within one
event at the price of depending on the order. `draw_each_skim` repeats upstream's one draw a skim, for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.statistics import check_probability
from smartbkg.seeds import derive_seed, event_uniform, event_uniforms

_BITS: Final = 53
_ONE: Final = 1 << _BITS
_MASK: Final = _ONE - 1


def uniforms(seed: int, experiment: ArrayLike, run: ArrayLike, event: ArrayLike) -> NDArray[np.float64]:
    """(n_events,) the uniform number in [0, 1) that decides on each event.

    The seed is first mixed with the purpose "draw": a generator or simulation run under the same seed must not share
    its random numbers with the filter, or the decision would depend on what it must be independent of.
    """
    return event_uniforms(derive_seed(seed, "draw"), experiment, run, event)


def uniform(seed: int, experiment: int, run: int, event: int) -> float:
    """The number of `uniforms` for one event: for event loops that see one event at a time."""
    return event_uniform(derive_seed(seed, "draw"), experiment, run, event)


def draw(
    keep_probability: ArrayLike, seed: int, experiment: ArrayLike, run: ArrayLike, event: ArrayLike
) -> NDArray[np.bool_]:
    """Keep each event with its probability, independently of all others.

    Parameters
    ----------
    keep_probability : (n_events,) q in [0, 1]; 1 always keeps, 0 never.
    seed : any integer; another one gives an independent sample.
    experiment, run, event : (n_events,) what the event is known by.

    Returns
    -------
    (n_events,) bool, True = keep.

    Raises
    ------
    PolicyError
        A probability is outside [0, 1].
    """
    q = check_probability(keep_probability, "keep probability")
    return uniforms(seed, experiment, run, event) < q


def draw_each_skim(
    keep_probability: ArrayLike,
    skims: Sequence[str],
    seed: int,
    experiment: ArrayLike,
    run: ArrayLike,
    event: ArrayLike,
) -> NDArray[np.bool_]:
    """One independent draw a skim, as basf2's ``SmartBackground`` does.

    An event is simulated where any skim keeps it, with probability 1 − Π(1 − q_i), and weighs 0 for the others.

    Parameters
    ----------
    keep_probability : (n_events, n_skims) q_i.
    skims : names, one a column.

    Returns
    -------
    (n_events, n_skims) bool, True = sampled for that skim.
    """
    q = check_probability(keep_probability, "keep probability")
    if q.ndim != 2 or q.shape[1] != len(skims):
        raise PolicyError(f"keep probabilities of shape {q.shape} for {len(skims)} skims")
    drawn = [
        event_uniforms(derive_seed(seed, "draw", skim), experiment, run, event) < q[:, column]
        for column, skim in enumerate(skims)
    ]
    return np.stack(drawn, axis=1)


class SystematicSampler:
    """Keeps an event where the running sum of q, from a random start, passes an integer.

    Each event is kept with exactly its q (to 2^-54), and of any run of consecutive events the number kept is within one
    of Σq: less variance than independent draws. The price: decisions depend on the order of the events, and neighbours
    are not independent, so that Σw² overestimates the variance where neighbours resemble one another. Sums are integers
    modulo 2^64, so that chunks of any size give the same decisions, bit by bit.

    Parameters
    ----------
    seed : any integer; it sets the start.
    stream : names one stream of events (a job, a file): each has its own start.

    Attributes
    ----------
    state : the running sum in units of 2^-53; a resumed job continues from it.
    """

    def __init__(self, seed: int, stream: int | str = 0, *, state: int | None = None) -> None:
        self.state = derive_seed(seed, "systematic", stream) & _MASK if state is None else state & _MASK

    def draw(self, keep_probability: ArrayLike) -> NDArray[np.bool_]:
        """(n_events,) bool, True = keep, for the next events of the stream."""
        q = check_probability(keep_probability, "keep probability")
        if not q.size:
            return np.zeros(0, dtype=np.bool_)
        sums = np.empty(len(q) + 1, dtype=np.uint64)
        sums[0] = self.state
        sums[1:] = np.rint(q * _ONE).astype(np.uint64)
        np.cumsum(sums, out=sums)
        self.state = int(sums[-1]) & _MASK
        passed = sums >> np.uint64(_BITS)
        return np.asarray(passed[1:] != passed[:-1])
