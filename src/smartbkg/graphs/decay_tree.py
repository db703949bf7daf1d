"""From particles to graph: the only such code, used by training, filter, ONNX and basf2.

Kept are the particles that the rule (`smartbkg.graphs.rule`) lets pass. Production times (and whatever else the rule
names) count from the first kept particle. Each kept particle knows the position of its mother among the kept ones; a
removed mother gives no edge. The edges of the graph follow from that: child ↔ mother both ways and one self-loop a
particle.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel, part
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


#: What a particle is to the graph.
_LEFT_OUT, _NODE, _BRIDGE = 0, 1, 2


@part
def _passes(value, is_absolute, operator, threshold):  # type: ignore[no-untyped-def]
    if is_absolute:
        value = abs(value)
    if operator == 0:
        return value < threshold
    if operator == 1:
        return value <= threshold
    if operator == 2:
        return value > threshold
    return value >= threshold


@part
def _is_in(ascending, value):  # type: ignore[no-untyped-def]
    place = np.searchsorted(ascending, value)
    return place < len(ascending) and ascending[place] == value


@part
def _fill_roles(pdg, status, cut_columns, settings, role):  # type: ignore[no-untyped-def]
    """Whether each particle is left out, a node, or a bridge between nodes."""
    required, excluded, bridged = settings.required, settings.excluded, settings.bridged
    for i in range(len(role)):
        is_wanted = status[i] & required == required and status[i] & excluded == 0
        role[i] = _LEFT_OUT if not is_wanted else _BRIDGE if len(bridged) and _is_in(bridged, pdg[i]) else _NODE
    for k in range(len(cut_columns)):
        column, is_absolute = cut_columns[k], settings.cut_absolute[k]
        operator, threshold = settings.cut_operator[k], settings.cut_value[k]
        for i in range(len(role)):
            if not _passes(column[i], is_absolute, operator, threshold):
                role[i] = _LEFT_OUT


@part
def _find(ascending, value):  # type: ignore[no-untyped-def]
    """The first place of a value in an ascending array, -1 where it is not in it."""
    place = np.searchsorted(ascending, value)
    return place if place < len(ascending) and ascending[place] == value else -1


@part
def _over_bridges(bridges, array_index, mother_index):  # type: ignore[no-untyped-def]
    """Ascending ``arrayIndex`` of the bridges, and that of the nearest ancestor of each that is no bridge.

    What was found for a bridge serves those below it; a circle of bridges ends after one round.
    """
    order = np.argsort(array_index[bridges], kind="mergesort")
    own, above = array_index[bridges][order], mother_index[bridges][order]
    is_known = np.zeros(len(own), np.bool_)
    for bridge in range(len(own)):
        place, n_steps, wanted = bridge, 0, above[bridge]
        while place >= 0 and not is_known[place] and n_steps <= len(own):
            wanted = above[place]
            place = _find(own, wanted)
            n_steps += 1
        if place >= 0:
            wanted = above[place]
        place = bridge
        for _ in range(n_steps):
            after = _find(own, above[place])
            above[place], is_known[place] = wanted, True
            place = after
            if place < 0 or is_known[place]:
                break
    return own, above


@part
def _are_distinct(nodes, array_index, highest, position_of):  # type: ignore[no-untyped-def]
    """Whether all nodes have an ``arrayIndex`` of their own, none negative; notes positions where the table reaches."""
    for position in range(len(nodes)):
        own = array_index[nodes[position]]
        if own < 0:
            return False
        if highest < len(position_of):
            if position_of[own] != -1:
                return False
            position_of[own] = position
    if highest >= len(position_of):
        ascending = np.sort(array_index[nodes])
        for position in range(1, len(ascending)):
            if ascending[position] == ascending[position - 1]:
                return False
    return True


@part
def _fill_mothers(  # type: ignore[no-untyped-def]
    nodes, bridges, array_index, mother_index, join_first, highest, position_of, mother
):  # fmt: skip
    """Position of each node's mother among the nodes, -1 where it is none of them."""
    is_in_table = highest < len(position_of)
    nothing = array_index[nodes[:0]]
    bridge_index, over_bridge = nothing, mother_index[nodes[:0]]
    if len(bridges):
        bridge_index, over_bridge = _over_bridges(bridges, array_index, mother_index)
    order = np.argsort(array_index[nodes]) if not is_in_table else nodes[:0]
    ascending = array_index[nodes][order] if not is_in_table else nothing
    for position in range(len(nodes)):
        wanted = mother_index[nodes[position]]
        bridge = _find(bridge_index, wanted)
        if bridge >= 0:
            wanted = over_bridge[bridge]
        if join_first:
            wanted = max(wanted, 0)
        elif wanted == array_index[nodes[position]]:
            wanted = -1
        mother[position] = -1
        if 0 <= wanted <= highest:
            if is_in_table:
                mother[position] = position_of[wanted]
            else:
                place = _find(ascending, wanted)
                mother[position] = order[place] if place >= 0 else -1


@kernel
def _build(  # type: ignore[no-untyped-def]  # compiled: takes arrays one by one
    offsets, array_index, mother_index, pdg, status, columns, cut_columns, settings, codes, tokens, unknown_token, out
):  # fmt: skip
    """Fill the outputs, return (n_nodes, n_unknown, first event with a repeated arrayIndex or -1)."""
    n_nodes = 0
    n_unknown = 0
    position_of = np.full(256, -1, np.int32)
    bridges = np.empty(256, np.int64)
    role = np.empty(offsets[-1], np.int8)
    _fill_roles(pdg, status, cut_columns, settings, role)
    token, feature, mother, particle, is_relative = (
        out.token,
        out.feature,
        out.mother,
        out.particle,
        settings.is_relative,
    )
    for event in range(len(offsets) - 1):
        n_particles = offsets[event + 1] - offsets[event]
        if n_particles > len(bridges):
            bridges = np.empty(2 * n_particles, np.int64)
        first_node, n_bridges, highest = n_nodes, 0, -1
        for i in range(offsets[event], offsets[event + 1]):
            if role[i] == _BRIDGE:
                bridges[n_bridges] = i
                n_bridges += 1
            elif role[i] == _NODE:
                place = np.searchsorted(codes, pdg[i])
                is_known = place < len(codes) and codes[place] == pdg[i]
                token[n_nodes] = tokens[place] if is_known else unknown_token
                n_unknown += not is_known
                particle[n_nodes] = i
                highest = max(highest, array_index[i])
                n_nodes += 1
        out.offsets[event + 1] = n_nodes
        nodes = particle[first_node:n_nodes]
        for k in range(len(columns)):
            column = columns[k]
            reference = column[nodes[0]] if len(nodes) and is_relative[k] else np.float32(0)
            for node in range(first_node, n_nodes):
                feature[node, k] = column[particle[node]] - reference
        if len(position_of) <= highest < 64 * len(nodes) + 256:
            position_of = np.full(2 * highest, -1, np.int32)
        if not _are_distinct(nodes, array_index, highest, position_of):
            return n_nodes, n_unknown, event
        _fill_mothers(
            nodes, bridges[:n_bridges], array_index, mother_index, settings.join_first, highest, position_of,
            mother[first_node:n_nodes],
        )  # fmt: skip
        if highest < len(position_of):
            for node in range(first_node, n_nodes):
                position_of[array_index[particle[node]]] = -1
    return n_nodes, n_unknown, -1


class _Output(NamedTuple):
    """Arrays that the kernel fills."""

    offsets: NDArray[np.int64]
    token: NDArray[np.int32]
    feature: NDArray[np.float32]
    mother: NDArray[np.int32]
    particle: NDArray[np.int64]


class _KernelSettings(NamedTuple):
    """A rule in the types that the compiled kernel takes."""

    is_relative: NDArray[np.bool_]
    cut_absolute: NDArray[np.bool_]
    cut_operator: NDArray[np.int64]
    cut_value: NDArray[np.float64]
    bridged: NDArray[np.int32]
    required: int
    excluded: int
    join_first: bool


@functools.lru_cache(maxsize=64)
def _kernel_settings(rule: GraphRule) -> tuple[_KernelSettings, tuple[str, ...]]:
    """The rule's settings and the columns that its cuts look at; a rule without cuts has one that all pass."""
    cuts = [parse_cut(text) for text in rule.cuts] or [Cut("x", True, ">=", 0.0)]
    settings = _KernelSettings(
        np.array([name in rule.relative_to_first for name in rule.features]),
        np.array([cut.is_absolute for cut in cuts]),
        np.array([OPERATORS.index(cut.operator) for cut in cuts]),
        np.array([cut.value for cut in cuts]),
        np.unique(np.array(rule.bridged_codes, dtype=np.int32)),
        rule.required_status,
        rule.excluded_status,
        rule.motherless_join_first,
    )
    return settings, tuple(cut.column for cut in cuts)


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
    settings, cut_columns = _kernel_settings(rule)
    table = rule.tokens
    n = batch.n_particles
    out = _Output(
        np.zeros(len(batch) + 1, dtype=np.int64),
        np.empty(n, dtype=np.int32),
        np.empty((n, len(rule.features)), dtype=np.float32),
        np.empty(n, dtype=np.int32),
        np.empty(n, dtype=np.int64),
    )
    columns = batch.particle
    n_nodes, n_unknown, ambiguous = _build(
        batch.offsets, columns["arrayIndex"], columns["motherIndex"], columns["PDG"], columns["status"],
        tuple(columns[name].astype(np.float32, copy=False) for name in rule.features),
        tuple(columns[name].astype(np.float32, copy=False) for name in cut_columns),
        settings, table.sorted_codes, table.sorted_tokens, table.unknown_token, out,
    )  # fmt: skip
    if ambiguous >= 0:
        raise EventError(
            "arrayIndex is negative or repeats within the event, so that mothers are ambiguous",
            source=batch.source,
            event=batch.event_id(ambiguous),
        )
    return DecayGraphs(
        out.offsets, out.token[:n_nodes], out.feature[:n_nodes], out.mother[:n_nodes], out.particle[:n_nodes],
        int(n_unknown),
    )  # fmt: skip
