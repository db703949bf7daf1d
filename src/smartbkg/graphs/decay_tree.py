"""From particles to graph: the only such code, used by training, filter, ONNX and basf2.

Kept are the particles that the rule (`smartbkg.graphs.rule`) lets pass. Production times (and whatever else the rule
names) count from the first kept particle. Each kept particle knows the position of its mother among the kept ones; a
removed mother gives no edge. The edges of the graph follow from that: child ↔ mother both ways and one self-loop a
particle.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.graphs.rule import OPERATORS, Cut, GraphRule, parse_cut


class DecayGraphs(NamedTuple):
    """Decay graphs of some events: nodes of all graphs one after the other."""

    offsets: NDArray[np.int64]
    """(n_events + 1,): event i owns the nodes ``offsets[i]:offsets[i + 1]``; an event may have none."""
    token: NDArray[np.int32]
    """(n_nodes,) token of the PDG code."""
    feature: NDArray[np.float32]
    """(n_nodes, n_features) columns of the rule, in its order and units."""
    mother: NDArray[np.int32]
    """(n_nodes,) position of the mother within the event's nodes, -1 where there is none.

    Rules with ``motherless_join_first`` make the root its own mother; networks take that for none."""
    particle: NDArray[np.int64]
    """(n_nodes,) index of the particle in the batch's flat columns."""
    n_unknown_codes: int
    """Nodes whose PDG code is not in the token table."""

    @property
    def n_events(self) -> int:
        """Number of graphs."""
        return len(self.offsets) - 1


@numba.njit(cache=True, nogil=True)
def _passes(value: float, is_absolute: bool, operator: int, threshold: float) -> bool:
    if is_absolute:
        value = abs(value)
    if operator == 0:
        return value < threshold
    if operator == 1:
        return value <= threshold
    if operator == 2:
        return value > threshold
    return value >= threshold


@numba.njit(cache=True, nogil=True)
def _is_in(ascending, value):  # type: ignore[no-untyped-def]
    place = np.searchsorted(ascending, value)
    return place < len(ascending) and ascending[place] == value


@numba.njit(cache=True, nogil=True)
def _over_bridges(wanted, bridges, array_index, mother_index):  # type: ignore[no-untyped-def]
    """The ``arrayIndex`` of the nearest ancestor that is no bridge; a circle of bridges ends after one round."""
    for _ in range(len(bridges)):
        is_bridge = False
        for i in bridges:
            if array_index[i] == wanted:
                wanted = mother_index[i]
                is_bridge = True
                break
        if not is_bridge:
            break
    return wanted


@numba.njit(cache=True, nogil=True)
def _build(  # type: ignore[no-untyped-def]  # compiled: takes arrays one by one
    offsets, array_index, mother_index, pdg, status, columns, is_relative, cut_columns, cut_absolute, cut_operator,
    cut_value, required, excluded, bridged, join_first, codes, tokens, unknown_token, out_offsets, out_token,
    out_feature, out_mother, out_particle,
):  # fmt: skip
    """Fill the outputs, return (n_nodes, n_unknown, first event with a repeated arrayIndex or -1)."""
    n_nodes = 0
    n_unknown = 0
    position_of = np.full(256, -1, np.int32)
    bridges = np.empty(256, np.int64)
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        first_node = n_nodes
        highest = -1
        n_bridges = 0
        if stop - start > len(bridges):
            bridges = np.empty(2 * (stop - start), np.int64)
        for i in range(start, stop):
            if status[i] & required != required or status[i] & excluded != 0:
                continue
            is_kept = True
            for k in range(len(cut_columns)):
                if not _passes(cut_columns[k][i], cut_absolute[k], cut_operator[k], cut_value[k]):
                    is_kept = False
                    break
            if not is_kept:
                continue
            if len(bridged) and _is_in(bridged, pdg[i]):
                bridges[n_bridges] = i
                n_bridges += 1
                continue
            out_particle[n_nodes] = i
            highest = max(highest, array_index[i])
            place = np.searchsorted(codes, pdg[i])
            if place < len(codes) and codes[place] == pdg[i]:
                out_token[n_nodes] = tokens[place]
            else:
                out_token[n_nodes] = unknown_token
                n_unknown += 1
            n_nodes += 1
        out_offsets[event + 1] = n_nodes
        n_here = n_nodes - first_node
        if n_here == 0:
            continue
        for k in range(len(columns)):
            reference = columns[k][out_particle[first_node]] if is_relative[k] else np.float32(0)
            for node in range(first_node, n_nodes):
                out_feature[node, k] = columns[k][out_particle[node]] - reference
        is_compact = highest < 64 * n_here + 256
        if is_compact and highest >= len(position_of):
            position_of = np.full(2 * highest, -1, np.int32)
        for node in range(first_node, n_nodes):
            own = array_index[out_particle[node]]
            if own < 0:
                return n_nodes, n_unknown, event
            if is_compact:
                if position_of[own] != -1:
                    return n_nodes, n_unknown, event
                position_of[own] = node - first_node
            else:
                for other in range(first_node, node):
                    if array_index[out_particle[other]] == own:
                        return n_nodes, n_unknown, event
        for node in range(first_node, n_nodes):
            wanted = mother_index[out_particle[node]]
            if n_bridges:
                wanted = _over_bridges(wanted, bridges[:n_bridges], array_index, mother_index)
            if join_first and wanted < 0:
                wanted = 0
            found = -1
            if wanted >= 0 and (join_first or wanted != array_index[out_particle[node]]):
                if is_compact:
                    if wanted <= highest:
                        found = position_of[wanted]
                else:
                    for other in range(first_node, n_nodes):
                        if array_index[out_particle[other]] == wanted:
                            found = other - first_node
                            break
            out_mother[node] = found
        if is_compact:
            for node in range(first_node, n_nodes):
                position_of[array_index[out_particle[node]]] = -1
    return n_nodes, n_unknown, -1


class _KernelSettings(NamedTuple):
    """A rule in the types that the compiled kernel takes."""

    is_relative: NDArray[np.bool_]
    cut_columns: tuple[str, ...]
    cut_absolute: NDArray[np.bool_]
    cut_operator: NDArray[np.int64]
    cut_value: NDArray[np.float64]
    bridged: NDArray[np.int32]


@functools.lru_cache(maxsize=64)
def _kernel_settings(rule: GraphRule) -> _KernelSettings:
    cuts = [parse_cut(text) for text in rule.cuts] or [Cut("x", True, ">=", 0.0)]
    return _KernelSettings(
        np.array([name in rule.relative_to_first for name in rule.features]),
        tuple(cut.column for cut in cuts),
        np.array([cut.is_absolute for cut in cuts]),
        np.array([OPERATORS.index(cut.operator) for cut in cuts]),
        np.array([cut.value for cut in cuts]),
        np.unique(np.array(rule.bridged_codes, dtype=np.int32)),
    )


def build_graphs(batch: EventBatch, rule: GraphRule) -> DecayGraphs:
    """The decay graphs of some events.

    Parameters
    ----------
    batch : events; its numbers must be finite (`EventBatch.check_finite`).
    rule : which particles become nodes and what they know.

    Raises
    ------
    EventError
        An event's particles repeat an ``arrayIndex`` or have a negative one: mothers would be ambiguous.
    """
    settings = _kernel_settings(rule)
    table = rule.tokens
    n = batch.n_particles
    offsets = np.zeros(len(batch) + 1, dtype=np.int64)
    token = np.empty(n, dtype=np.int32)
    feature = np.empty((n, len(rule.features)), dtype=np.float32)
    mother = np.empty(n, dtype=np.int32)
    particle = np.empty(n, dtype=np.int64)
    columns = batch.particle
    n_nodes, n_unknown, ambiguous = _build(
        batch.offsets, columns["arrayIndex"], columns["motherIndex"], columns["PDG"], columns["status"],
        tuple(columns[name].astype(np.float32, copy=False) for name in rule.features), settings.is_relative,
        tuple(columns[name].astype(np.float32, copy=False) for name in settings.cut_columns),
        settings.cut_absolute, settings.cut_operator, settings.cut_value, rule.required_status, rule.excluded_status,
        settings.bridged, rule.motherless_join_first,
        table.sorted_codes, table.sorted_tokens, table.unknown_token, offsets, token, feature, mother, particle,
    )  # fmt: skip
    if ambiguous >= 0:
        raise EventError(
            "arrayIndex is negative or repeats within the event, so that mothers are ambiguous",
            source=batch.source,
            event=batch.event_id(ambiguous),
        )
    return DecayGraphs(
        offsets, token[:n_nodes], feature[:n_nodes], mother[:n_nodes], particle[:n_nodes], int(n_unknown)
    )
