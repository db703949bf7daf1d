"""Reconstruction: what the detector saw → candidates and event-level variables, event by event.

The result of an event depends on that event alone. All momenta of candidates are in the centre-of-mass frame.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.compilation import kernel
from smartbkg.experiment.beams import SUPERKEKB, FourMomenta, boost_to_rest_frame
from smartbkg.experiment.detector.objects import DetectorResponse
from smartbkg.experiment.reconstruction.channels import BASIC, KIND_INDEX, KINDS, needed_kinds, tables
from smartbkg.experiment.reconstruction.combinations import new_store
from smartbkg.experiment.reconstruction.composites import composite_candidates
from smartbkg.experiment.reconstruction.final_state import charged_candidates, photon_candidates, v0_candidates
from smartbkg.experiment.reconstruction.scoring import Recording, new_recording
from smartbkg.experiment.reconstruction.signal_probability import N_FEATURES, N_HIDDEN, Classifier, default_classifier
from smartbkg.experiment.reconstruction.tagging import EventCleaning, EventVariables, clean_events
from smartbkg.experiment.reconstruction.tools import Tools
from smartbkg.experiment.reconstruction.truth_matching import no_truth

#: Kinds that only events within the FEI's event cuts are searched for.
TAG_KINDS: Final = frozenset({"B0", "B+", "B0:SL", "B+:SL"})
#: All kinds at the top of the hierarchy.
TOP_KINDS: Final = TAG_KINDS | {"B:ccs", "D*+:hh"}

_K_SHORT: Final = KIND_INDEX["K_S0"]
_LAMBDA: Final = KIND_INDEX["Lambda0"]
_FIRST_COMPOSITE: Final = next(position for position, kind in enumerate(KINDS) if kind.rule != BASIC)


class Candidates(NamedTuple):
    """Composite candidates of some events, as flat columns; K_S and Λ included, momenta in the centre-of-mass frame."""

    offsets: NDArray[np.int64]
    """(n_events + 1,)"""
    kind: NDArray[np.int64]
    """(n,) position in `smartbkg.experiment.reconstruction.channels.KINDS`"""
    is_antiparticle: NDArray[np.bool_]
    """(n,)"""
    channel: NDArray[np.int64]
    """(n,) decay channel, position in the kind's ``channels``"""
    p4: NDArray[np.float64]
    """(n, 4) px, py, pz, E in GeV"""
    probability: NDArray[np.float64]
    """(n,) signal probability"""
    residual: NDArray[np.float64]
    """(n,) mass residual in units of the resolution; ΔE / resolution for B mesons; cosθ_BY for semileptonic ones"""
    truth: NDArray[np.int64]
    """(n,) the particle it is in the batch, -1 where wrong or truth was not asked for"""

    @property
    def event_index(self) -> NDArray[np.int64]:
        """(n,) position of each candidate's event."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def mass(self) -> NDArray[np.float64]:
        """(n,) invariant mass, GeV."""
        return np.asarray(np.sqrt(np.maximum(self.p4[:, 3] ** 2 - (self.p4[:, :3] ** 2).sum(axis=1), 0.0)))

    @property
    def delta_e(self) -> NDArray[np.float64]:
        """(n,) ΔE = E* - E*_beam, GeV."""
        return np.asarray(self.p4[:, 3] - beam_energy())

    @property
    def mbc(self) -> NDArray[np.float64]:
        """(n,) beam-constrained mass √(E*_beam² - p*²), GeV; 0 where the momentum is above the beam energy."""
        return np.asarray(np.sqrt(np.maximum(beam_energy() ** 2 - (self.p4[:, :3] ** 2).sum(axis=1), 0.0)))

    def select(self, chosen: NDArray[np.bool_]) -> Candidates:
        """The chosen candidates of all events. ``chosen``: (n,) bool, True = keep."""
        counts = np.bincount(self.event_index[chosen], minlength=len(self.offsets) - 1)
        return Candidates(
            np.concatenate([[0], np.cumsum(counts)]),
            self.kind[chosen],
            self.is_antiparticle[chosen],
            self.channel[chosen],
            self.p4[chosen],
            self.probability[chosen],
            self.residual[chosen],
            self.truth[chosen],
        )

    def of_kind(self, name: str) -> Candidates:
        """The candidates of one kind, by its name in `KINDS`."""
        return self.select(self.kind == KIND_INDEX[name])

    def most_probable(self) -> NDArray[np.int64]:
        """(n_events,) row of the candidate with the highest signal probability, -1 where an event has none."""
        order = np.lexsort((-np.arange(len(self.kind)), self.probability, self.event_index))
        best = np.full(len(self.offsets) - 1, -1, dtype=np.int64)
        best[self.event_index[order]] = order
        return best


@dataclass(frozen=True)
class ReconstructedEvents:
    """What a skim looks at.

    Attributes
    ----------
    response : tracks, clusters and V0s, in the laboratory.
    cleaning : cleaned tracks, photons and the event-level variables made from them.
    candidates : composite particles.
    """

    response: DetectorResponse
    cleaning: EventCleaning
    candidates: Candidates

    def __len__(self) -> int:
        return self.response.n_events

    @property
    def variables(self) -> EventVariables:
        """Event-level variables, (n_events,) each, NaN where undefined."""
        return self.cleaning.variables


@functools.cache
def boost_matrix() -> NDArray[np.float64]:
    """(4, 4) transformation from the laboratory to the centre-of-mass frame, order px, py, pz, E."""
    unit = np.eye(4)
    moved = boost_to_rest_frame(FourMomenta(unit[3], unit[0], unit[1], unit[2]))
    return np.ascontiguousarray(np.stack([moved.px, moved.py, moved.pz, moved.energy]))


@functools.cache
def beam_energy() -> float:
    """Energy of a beam in the centre-of-mass frame, GeV."""
    return SUPERKEKB.centre_of_mass_energy / 2


class _Search(NamedTuple):
    """Which kinds are searched for in which events."""

    is_clean: NDArray[np.bool_]
    """(n_events,) True where tags are searched for"""
    wanted: NDArray[np.bool_]
    """(n_kinds,) in clean events"""
    wanted_without_tags: NDArray[np.bool_]
    """(n_kinds,) in all events"""


@kernel
def _reconstruct(tools, response, search, out):  # type: ignore[no-untyped-def]
    """Reconstruct all events.

    Parameters
    ----------
    tools : `smartbkg.experiment.reconstruction.tools.Tools`.
    response : `smartbkg.experiment.detector.objects.DetectorResponse`.
    search : `_Search`.
    out : `Candidates`, filled as far as there is room.

    Returns
    -------
    How many candidates there are, which may be more than there is room for.
    """
    store = tools.store
    n_out = 0
    for event in range(len(search.is_clean)):
        for number in range(len(store.lists)):
            store.lists[number].size = 0
        row = charged_candidates(tools, response, event, 0)
        row = interesting = photon_candidates(tools, response, event, row)
        for kind in (_K_SHORT, _LAMBDA):
            row = v0_candidates(tools, response, event, row, kind)
        for kind in range(_FIRST_COMPOSITE, len(tools.kinds)):
            if (search.is_clean[event] and search.wanted[kind]) or search.wanted_without_tags[kind]:
                row = composite_candidates(tools, kind, event, row)
        for found in range(interesting, row):
            if n_out < len(out.kind):
                candidate = store.candidate[found]
                out.kind[n_out] = candidate.kind
                out.is_antiparticle[n_out] = candidate.sign == 1
                out.channel[n_out] = candidate.channel
                out.p4[n_out, 0] = candidate.px
                out.p4[n_out, 1] = candidate.py
                out.p4[n_out, 2] = candidate.pz
                out.p4[n_out, 3] = candidate.energy
                out.probability[n_out] = candidate.probability
                out.residual[n_out] = candidate.residual
                out.truth[n_out] = candidate.truth
            n_out += 1
        out.offsets[event + 1] = n_out
    return n_out


def _room_for_candidates(n_events: int, n: int) -> Candidates:
    return Candidates(
        np.zeros(n_events + 1, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_),
        np.zeros(n, dtype=np.int64), np.zeros((n, 4)), np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.int64),
    )  # fmt: skip


def find_candidates(
    response: DetectorResponse,
    is_clean: NDArray[np.bool_],
    *,
    kinds: frozenset[str] = TOP_KINDS,
    classifier: Classifier | None = None,
    truth: NDArray[np.void] | None = None,
    recording: Recording | None = None,
) -> Candidates:
    """The composite candidates of some events.

    Parameters
    ----------
    response : what the detector saw.
    is_clean : (n_events,) bool, True where tags (`TAG_KINDS`) are searched for.
    kinds : names of the kinds wanted; what they are made of is reconstructed with them.
    classifier : signal probabilities; that of the package by default.
    truth : generated particles, to find the right candidates among all.
    recording : filled with the candidates of some kinds, for training.
    """
    kind_table, channel_table = tables()
    search = _Search(is_clean, needed_kinds(kinds), needed_kinds(kinds - TAG_KINDS))
    record = new_recording() if recording is None else recording
    tools = Tools(
        store=new_store(N_FEATURES, N_HIDDEN),
        kinds=kind_table,
        channels=channel_table,
        classifier=default_classifier() if classifier is None else classifier,
        recording=record,
        truth=no_truth() if truth is None else truth,
        has_truth=truth is not None,
        boost=boost_matrix(),
        energy=beam_energy(),
    )
    room = 64 * len(is_clean) + 1024
    while True:
        out = _room_for_candidates(len(is_clean), room)
        # Where there was no room for all, the events are reconstructed again, and so recorded again.
        record.state[2] = 0
        n = _reconstruct(tools, response, search, out)
        if n <= room:
            return Candidates(
                out.offsets, out.kind[:n], out.is_antiparticle[:n], out.channel[:n], out.p4[:n], out.probability[:n],
                out.residual[:n], out.truth[:n],
            )  # fmt: skip
        room = n


def reconstruct(
    response: DetectorResponse,
    *,
    kinds: frozenset[str] = TOP_KINDS,
    classifier: Classifier | None = None,
    truth: NDArray[np.void] | None = None,
) -> ReconstructedEvents:
    """Reconstruct some events.

    Parameters
    ----------
    response : what the detector saw of them.
    kinds, classifier, truth : as in `find_candidates`.
    """
    cleaning = clean_events(response, boost_matrix(), beam_energy())
    candidates = find_candidates(response, cleaning.passes_event_cuts, kinds=kinds, classifier=classifier, truth=truth)
    return ReconstructedEvents(response, cleaning, candidates)
