"""Transformations of a generated event that leave its chance to pass as it is: each event is shown in ever new forms.

A detector around a solenoid along z, with beams that cross in the x-z plane, is the same after a reflection y → -y
together with the exchange of particles and antiparticles. It is also the same after a rotation about z of the event and
of the beams that made it, whose direction the sum of the event's momenta tells. A network that sees the transformed
events with the labels of the originals learns that, and needs fewer of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError
from smartbkg.events import TokenTable
from smartbkg.graphs import DecayGraphs, GraphRule
from smartbkg.seeds import derive_seed, event_uniforms

#: Components along y, which a reflection turns round.
REFLECTED: Final = ("y", "py")
#: Pairs of components that a rotation about z mixes.
ROTATED: Final = (("x", "y"), ("px", "py"))


class Symmetries:
    """Transforms events at random, as a function of seed, event, epoch and showing within the epoch alone.

    The graphs have been cut by then: of a rule whose cuts are not symmetric, particles far from the beam may be shown
    where the rule has none.

    Parameters
    ----------
    names : of ``mirror`` (y → -y with charge conjugation, for half of the events) and ``rotation`` (about z).
    rule : of the graphs.
    seed : of the choices.

    Raises
    ------
    UsageError
        A rotation of features that hold one transverse component without the other.
    """

    def __init__(self, names: Sequence[str], rule: GraphRule, seed: int) -> None:
        self._mirror, self._seed = "mirror" in names, seed
        column = {name: position for position, name in enumerate(rule.features)}
        self._reflected = [column[name] for name in REFLECTED if name in column]
        self._antiparticle = antiparticle_tokens(rule.tokens)
        self._rotated = []
        for pair in ROTATED if "rotation" in names else ():
            known = [column[name] for name in pair if name in column]
            if len(known) == 1:
                raise UsageError(
                    f"sampling.symmetries: a rotation needs both of {', '.join(pair)} among the features of the graph "
                    f"rule, which are {', '.join(rule.features)}"
                )
            self._rotated += [known] if known else []

    def apply(
        self, graphs: DecayGraphs, events: NDArray[np.int64], epoch: int, repeat: NDArray[np.int64] | int = 0
    ) -> DecayGraphs:
        """The graphs, transformed.

        Parameters
        ----------
        graphs : of the events; not changed.
        events : (n_events,) positions in the data.
        epoch : its number.
        repeat : (n_events,) how often the epoch has shown each event before.
        """
        feature, token = graphs.feature, graphs.token
        counts = np.diff(graphs.offsets)
        if self._mirror:
            is_mirrored = np.repeat(self._uniforms("mirror", events, epoch, repeat) < 0.5, counts)
            feature = feature.copy()
            for column in self._reflected:
                feature[:, column] = np.where(is_mirrored, -feature[:, column], feature[:, column])
            token = np.where(is_mirrored, self._antiparticle[token], token)
        if self._rotated:
            angle = np.repeat(2 * np.pi * self._uniforms("rotation", events, epoch, repeat), counts)
            cosine, sine = np.cos(angle), np.sin(angle)
            before, feature = feature, feature.copy()
            for x, y in self._rotated:
                feature[:, x] = cosine * before[:, x] - sine * before[:, y]
                feature[:, y] = sine * before[:, x] + cosine * before[:, y]
        return graphs._replace(feature=feature, token=token)

    def _uniforms(
        self, purpose: str, events: NDArray[np.int64], epoch: int, repeat: NDArray[np.int64] | int
    ) -> NDArray[np.float64]:
        """(n_events,) numbers in [0, 1)."""
        return event_uniforms(derive_seed(self._seed, purpose), repeat, epoch, events)


def earlier_showings(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how often each element of the order of an epoch stands in it before.

    >>> earlier_showings(np.array([7, 3, 7, 7, 3])).tolist()
    [0, 0, 1, 2, 1]
    """
    by_event = np.argsort(order, kind="stable")
    ordered = order[by_event]
    found = np.empty(len(order), dtype=np.int64)
    found[by_event] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return found


def antiparticle_tokens(table: TokenTable) -> NDArray[np.int32]:
    """(n_tokens,) token of each token's antiparticle; its own where the table has none, as for a photon or a π0."""
    found = np.arange(len(table), dtype=np.int32)
    token, is_unknown = table.tokens(-table.sorted_codes)
    found[table.sorted_tokens[~is_unknown]] = token[~is_unknown]
    return found


__all__ = ["Symmetries", "antiparticle_tokens", "earlier_showings"]
