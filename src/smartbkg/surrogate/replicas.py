"""Asking a surrogate: replicas in stages, from a random stream of their own, ended where more would change nothing."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.seeds import derive_seed
from smartbkg.surrogate.combination import Combination
from smartbkg.surrogate.protocol import Surrogate
from smartbkg.surrogate.stopping import StoppingRule

#: Names the stream of random numbers of surrogates: neither a simulation nor the draw has it.
PURPOSE: Final = "surrogate"
#: Replicas after which a stage ends, below the last: where the combined score is fitted and replicas may end.
STAGES: Final = (8, 16, 32, 64, 128, 256, 512, 1024)

Result = TypeVar("Result")


class Counts(NamedTuple):
    """What a surrogate said of some events."""

    n_replicas: NDArray[np.int32]
    """(n_events,) how often each was asked."""
    passed: NDArray[np.int32]
    """(n_events, n_skims) how often each passed."""


def surrogate_seed(seed: int) -> int:
    """The seed of a surrogate's stream: unrelated to what any other purpose makes of the same seed."""
    return derive_seed(seed, PURPOSE)


def stages_of(n_replicas: int) -> tuple[int, ...]:
    """Ends of the stages of so many replicas, the last of them ``n_replicas``.

    Raises
    ------
    UsageError
        Not a positive number.

    >>> stages_of(48)
    (8, 16, 32, 48)
    """
    if n_replicas < 1:
        raise UsageError(f"{n_replicas} replicas of a surrogate, expected 1 or more")
    return (*(stage for stage in STAGES if stage < n_replicas), n_replicas)


def count_stages(
    surrogate: Surrogate, batch: EventBatch, skims: Sequence[str], seed: int, stages: Sequence[int], threads: int = 1
) -> NDArray[np.int32]:
    """Passes after each stage, of all events to the last.

    Parameters
    ----------
    seed : of `surrogate_seed`.
    stages : rising numbers of replicas.

    Returns
    -------
    (n_events, n_stages, n_skims) int32.
    """

    def count(_start: int, part: EventBatch) -> NDArray[np.int32]:
        blocks, before = [], 0
        for stage in stages:
            blocks.append(surrogate.count(part, skims, seed, before + 1, stage - before))
            before = stage
        return np.cumsum(np.stack(blocks, axis=1), axis=1, dtype=np.int32)

    parts = _map(count, batch, surrogate.events_at_once, threads)
    return np.concatenate(parts) if parts else np.zeros((0, len(stages), len(skims)), dtype=np.int32)


def ask(
    surrogate: Surrogate,
    batch: EventBatch,
    skims: Sequence[str],
    seed: int,
    network_logit: NDArray[np.float64],
    combinations: Sequence[tuple[int, Combination]],
    rule: StoppingRule | None,
    threads: int = 1,
) -> Counts:
    """Passes of each event, asked until the rule or the last stage ends it.

    Parameters
    ----------
    seed : of `surrogate_seed`.
    network_logit : (n_events, n_skims) calibrated.
    combinations : (replicas, combined score) of each stage, rising.
    rule : None = all replicas of every event.
    """

    def count(start: int, part: EventBatch) -> Counts:
        logit = network_logit[start : start + len(part)]
        counts = Counts(np.zeros(len(part), dtype=np.int32), np.zeros((len(part), len(skims)), dtype=np.int32))
        going, before = np.arange(len(part)), 0
        for position, (stage, combination) in enumerate(combinations):
            asked = part if len(going) == len(part) else part.select(going)
            counts.passed[going] += surrogate.count(asked, skims, seed, before + 1, stage - before)
            counts.n_replicas[going] = stage
            before = stage
            if rule is None or position == len(combinations) - 1:
                continue
            n_more = combinations[position + 1][0] - stage
            going = going[~rule.is_done(combination, logit[going], counts.passed[going], stage, n_more)]
            if not len(going):
                break
        return counts

    parts = _map(count, batch, surrogate.events_at_once, threads)
    if not parts:
        return Counts(np.zeros(0, dtype=np.int32), np.zeros((0, len(skims)), dtype=np.int32))
    return Counts(np.concatenate([p.n_replicas for p in parts]), np.concatenate([p.passed for p in parts]))


def stop(
    passed: NDArray[np.int32],
    network_logit: NDArray[np.float64],
    combinations: Sequence[tuple[int, Combination]],
    rule: StoppingRule | None,
) -> Counts:
    """What `ask` would have returned, from the counts of all stages.

    Parameters
    ----------
    passed : (n_events, n_stages, n_skims) of `count_stages`, for the stages of ``combinations``.
    """
    n_events, stages = len(passed), [stage for stage, _ in combinations]
    counts = Counts(np.full(n_events, stages[-1], dtype=np.int32), passed[:, len(stages) - 1].copy())
    going = np.arange(n_events)
    for position, (stage, combination) in enumerate(combinations[:-1]):
        if rule is None:
            break
        here = passed[going, position]
        is_done = rule.is_done(combination, network_logit[going], here, stage, stages[position + 1] - stage)
        counts.n_replicas[going[is_done]], counts.passed[going[is_done]] = stage, here[is_done]
        going = going[~is_done]
    return counts


def _map(function: Callable[[int, EventBatch], Result], batch: EventBatch, size: int, threads: int) -> list[Result]:
    """The function of (first event, part) over parts of the batch, in order, on some threads.

    Threads suffice: compiled kernels release the interpreter, and programs are waited for.
    """
    starts = range(0, len(batch), size)
    parts = list(batch.chunks(size))
    if threads <= 1 or len(parts) <= 1:
        return [function(start, part) for start, part in zip(starts, parts, strict=True)]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, starts, parts))
