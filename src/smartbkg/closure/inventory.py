"""What a user holds, looked at before any statistics: is every event there, once, with the weight that it should have?

Nothing here is left to chance: a finding is right or wrong whatever was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.events.columns import EVENT_ID, GENERATOR_WEIGHT, IS_KEPT, KEEP_PROBABILITY, WEIGHT
from smartbkg.events.identity import keys_of
from smartbkg.io.tables import Table
from smartbkg.sampling.draw_key import DrawKey, recorded_draws
from smartbkg.sampling.weights import generator_weights

#: Weights that went through other programs, as single precision, may differ so much.
TOLERANCE: Final = 1e-5

State = Literal["ok", "wrong", "not checked"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    """What."""
    state: State
    """Whether it holds."""
    detail: str
    """Numbers and the first event, or why it could not be looked at."""


class KeptEvents(NamedTuple):
    """A file of kept events as tables: what its rows and its record say."""

    table: Table
    """ids, ``weight``, ``keep_probability``, and ``generator_weight`` where the file has it"""
    chance: NDArray[np.float64] | None
    """(n_kept,) the uniform number that decided on each event; None where the file does not say how it was drawn"""


def take_inventory(kept: KeptEvents, flags: Table | None, scores: Table | None) -> tuple[Finding, ...]:
    """All findings on a file of kept events.

    Parameters
    ----------
    flags : of all generated events, if there is such a table.
    scores : of `smartbkg filter --scores`, if there is one.
    """
    table = kept.table
    return (
        _each_once(table),
        _weights(table),
        _totals(table),
        _draws(kept),
        _same_as_scores(table, scores),
        _same_record(table, scores),
        _generator_weights(table, flags),
    )


def _first(table: Table, is_wrong: NDArray[np.bool_]) -> str:
    row = int(np.flatnonzero(is_wrong)[0])
    return f"the first is event {'/'.join(str(int(table[name][row])) for name in EVENT_ID)}"


def _each_once(table: Table) -> Finding:
    name = "each kept event is there once"
    keys = keys_of(table.columns)
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    if (counts > 1).any():
        is_wrong = np.zeros(len(keys), dtype=bool)
        is_wrong[first[counts > 1]] = True
        return Finding(name, "wrong", f"{int((counts > 1).sum())} events come twice or more, {_first(table, is_wrong)}")
    return Finding(name, "ok", f"{len(keys)} events")


def _weights(table: Table) -> Finding:
    name = "weight · keep probability = generator weight"
    if GENERATOR_WEIGHT not in table.columns:
        return Finding(name, "not checked", f"no column '{GENERATOR_WEIGHT}'")
    weight, q, generator_weight = (
        table[column].astype(np.float64) for column in (WEIGHT, KEEP_PROBABILITY, GENERATOR_WEIGHT)
    )
    is_wrong = ~(np.abs(weight * q - generator_weight) <= TOLERANCE * np.abs(generator_weight))
    is_wrong |= ~((q > 0) & (q <= 1))
    if is_wrong.any():
        ratio = float(
            np.median((weight * q)[is_wrong] / np.where(generator_weight == 0, 1, generator_weight)[is_wrong])
        )
        return Finding(
            name,
            "wrong",
            f"{int(is_wrong.sum())} of {len(q)} rows, {_first(table, is_wrong)}; median ratio {ratio:.4g}",
        )
    return Finding(name, "ok", f"{len(q)} rows")


def _totals(table: Table) -> Finding:
    name = "number and sum of weights as recorded"
    totals = table.metadata.get("totals", {})
    if "n_kept" not in totals:
        return Finding(name, "not checked", "the file records no totals")
    weight = table[WEIGHT].astype(np.float64)
    recorded = totals.get("sum_kept_weight", totals.get("sum_weight"))
    size = float(np.abs(weight).sum())
    if int(totals["n_kept"]) != len(weight):
        return Finding(name, "wrong", f"{len(weight)} events, the file's record says {totals['n_kept']}")
    if recorded is not None and abs(float(recorded) - float(weight.sum())) > TOLERANCE * max(size, 1e-300):
        return Finding(name, "wrong", f"Σw = {weight.sum():.8g}, the file's record says {float(recorded):.8g}")
    return Finding(name, "ok", f"{len(weight)} events, Σw = {weight.sum():.6g}")


def _draws(kept: KeptEvents) -> Finding:
    name = "the recorded draw keeps these events"
    draws = recorded_draws(kept.table.metadata)
    if draws is None or kept.chance is None:
        return Finding(name, "not checked", "not one independent draw, or not recorded by which")
    is_wrong = ~(kept.chance < kept.table[KEEP_PROBABILITY].astype(np.float64) * (1 + TOLERANCE))
    if is_wrong.any():
        return Finding(
            name,
            "wrong",
            f"{int(is_wrong.sum())} of {len(is_wrong)} events it would reject, {_first(kept.table, is_wrong)}",
        )
    return Finding(name, "ok", f"seed {DrawKey.from_dict(draws[0]).seed}, rule {DrawKey.from_dict(draws[0]).rule}")


def _same_as_scores(table: Table, scores: Table | None) -> Finding:
    name = "the events that the table of scores says were kept, with its weights"
    if scores is None:
        return Finding(name, "not checked", "no table of scores given (--scores)")
    is_kept = scores[IS_KEPT].astype(bool)
    there, here = keys_of({column: scores[column][is_kept] for column in EVENT_ID}), keys_of(table.columns)
    n_missing, n_extra = int((~np.isin(there, here)).sum()), int((~np.isin(here, there)).sum())
    if n_missing or n_extra:
        return Finding(
            name, "wrong", f"{n_missing} of {len(there)} are missing, {n_extra} are there that it did not keep"
        )
    order = np.argsort(there)
    row = np.flatnonzero(is_kept)[order[np.searchsorted(there, here, sorter=order)]]
    for column in (KEEP_PROBABILITY, WEIGHT):
        if column not in scores.columns:
            continue
        expected, found = scores[column][row].astype(np.float64), table[column].astype(np.float64)
        is_wrong = ~(np.abs(found - expected) <= TOLERANCE * np.abs(expected))
        if is_wrong.any():
            return Finding(
                name, "wrong", f"'{column}' differs in {int(is_wrong.sum())} rows, {_first(table, is_wrong)}"
            )
    return Finding(name, "ok", f"{len(here)} events")


def _same_record(table: Table, scores: Table | None) -> Finding:
    name = "policy, seed, skims and model as recorded with the scores"
    if scores is None:
        return Finding(name, "not checked", "no table of scores given (--scores)")
    ours, theirs = (_record_of(one.metadata) for one in (table, scores))
    common = sorted(set(ours) & set(theirs))
    if not common:
        return Finding(name, "not checked", "one of the files has no record")
    differing = [key for key in common if ours[key] != theirs[key]]
    if differing:
        return Finding(name, "wrong", f"{', '.join(differing)} differ: another filter made one of the files")
    return Finding(name, "ok", ", ".join(common))


def _record_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    settings = metadata.get("settings", {})
    found = {key: settings[key] for key in ("policy", "seed", "skims") if key in settings}
    inputs = metadata.get("inputs", [])
    if settings and inputs:
        found["inputs"] = sorted(str(one.get("sha256")) for one in inputs)
    return found


def _generator_weights(table: Table, flags: Table | None) -> Finding:
    name = "generator weights as in the table of flags"
    if flags is None or WEIGHT not in flags.columns or GENERATOR_WEIGHT not in table.columns:
        return Finding(name, "not checked", "one of the files has none")
    there, here = keys_of(flags.columns), keys_of(table.columns)
    order = np.argsort(there)
    place = np.searchsorted(there, here, sorter=order).clip(max=max(len(there) - 1, 0))
    row = order[place] if len(there) else place
    is_known = there[row] == here if len(there) else np.zeros(len(here), dtype=bool)
    if not is_known.any():
        return Finding(name, "not checked", "the flags hold none of these events")
    expected, found = generator_weights(flags.columns)[row], table[GENERATOR_WEIGHT].astype(np.float64)
    is_wrong = is_known & ~(np.abs(found - expected) <= TOLERANCE * np.abs(expected))
    if is_wrong.any():
        return Finding(
            name, "wrong", f"{int(is_wrong.sum())} of {int(is_known.sum())} differ, {_first(table, is_wrong)}"
        )
    return Finding(name, "ok", f"{int(is_known.sum())} events")


__all__ = ["Finding", "KeptEvents", "take_inventory"]
