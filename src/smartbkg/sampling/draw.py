"""Which events are kept: chance, but the same chance every time.

`draw` is the default: an event's fate is a function of the key (`smartbkg.sampling.draw_key`) and of the event alone,
so order, chunks and number of workers do not matter and a job can be repeated. `SystematicSampler` fixes the *number*
kept to within one event at the price of depending on the order. `draw_each_skim` repeats upstream's one draw per skim,
for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import PolicyError
from smartbkg.sampling.draw_key import RULE_OF_IDS, DrawKey
from smartbkg.sampling.statistics import check_probability
from smartbkg.seeds import derive_seed

_BITS: Final = 53
_ONE: Final = 1 << _BITS
_MASK: Final = _ONE - 1


def draw(
    keep_probability: ArrayLike,
    key: DrawKey | int,
    experiment: ArrayLike,
    run: ArrayLike,
    event: ArrayLike,
    content: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """Keep each event with its probability, independently of all others.

    Parameters
    ----------
    keep_probability : (n_events,) q in [0, 1]; 1 always keeps, 0 never.
    key : seed, stream and earlier draws. A number is a seed of the rule that looks at ids alone.
    experiment, run, event : (n_events,) what the event is known by.
    content : (n_events,) `smartbkg.events.content.content_digests`, which the default key asks for.

    Returns
    -------
    (n_events,) bool, True = keep.

    Raises
    ------
    PolicyError
        A probability is outside [0, 1].
    """
    q = check_probability(keep_probability, "keep probability")
    return _key_of(key).uniforms(experiment, run, event, content) < q


def draw_each_skim(
    keep_probability: ArrayLike,
    skims: Sequence[str],
    key: DrawKey | int,
    experiment: ArrayLike,
    run: ArrayLike,
    event: ArrayLike,
    content: ArrayLike | None = None,
) -> NDArray[np.bool_]:
    """One independent draw per skim, as basf2's ``SmartBackground`` does.

    An event is simulated where any skim keeps it, with probability 1 − Π(1 − q_i), and weighs 0 for the others.

    Parameters
    ----------
    keep_probability : (n_events, n_skims) q_i.
    skims : names, one per column.
    key, experiment, run, event, content : as for `draw`.

    Returns
    -------
    (n_events, n_skims) bool, True = sampled for that skim.
    """
    q = check_probability(keep_probability, "keep probability")
    if q.ndim != 2 or q.shape[1] != len(skims):
        raise PolicyError(f"keep probabilities of shape {q.shape} for {len(skims)} skims")
    chosen = _key_of(key)
    drawn = [chosen.uniforms(experiment, run, event, content, skim) < q[:, column] for column, skim in enumerate(skims)]
    return np.stack(drawn, axis=1)


def _key_of(key: DrawKey | int) -> DrawKey:
    return key if isinstance(key, DrawKey) else DrawKey(key, rule=RULE_OF_IDS)


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
