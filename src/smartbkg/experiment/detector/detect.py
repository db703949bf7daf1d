"""The embedded detector: a parametrised Belle II. Particles in, tracks, clusters, V0s and KLM clusters out.

Each event draws its random numbers from a stream of its own, seeded with (seed, experiment, run, event, replica): the
result of an event is the same whatever else is in the batch, and replicas of it are independent.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID, ParticleStatus
from smartbkg.events.content import content_digests
from smartbkg.experiment.detector import vertexing
from smartbkg.experiment.detector import workspace as columns_of
from smartbkg.experiment.detector.event import simulate_events
from smartbkg.experiment.detector.objects import Clusters, DetectorResponse, KLMClusters, Tracks, V0s
from smartbkg.experiment.detector.parameters import BELLE2, DetectorParameters
from smartbkg.graphs.decay_tree import build_graphs
from smartbkg.graphs.rule import GraphRule
from smartbkg.seeds import event_keys

#: Which particles of a record exist for the detector: all the generator made but beam and virtual ones.
_REAL_PARTICLES: Final = GraphRule(
    features=("prodTime",), cuts=(), excluded_status=ParticleStatus.VIRTUAL | ParticleStatus.INITIAL
)
_COLUMNS: Final = ("PDG", "px", "py", "pz", "x", "y", "z", "prodTime")


def simulate_detector(
    batch: EventBatch, seed: int, replica: int | NDArray[np.int64] = 0, parameters: DetectorParameters = BELLE2
) -> DetectorResponse:
    """What the detector sees of some events.

    Particles may come in any order, a mother after its daughters too. Those of unknown code pass through unseen and are
    counted; an event without particles gives what fakes and beam background give. Primary particles alone are used, so
    that a file with the secondaries of a full simulation can be simulated again.

    Parameters
    ----------
    batch : events; GeV, cm, ns.
    seed, replica : with the event's (experiment, run, evtNum) and content they determine its random numbers; replicas
        may be an array (n_events,), one for each event.
    parameters : the detector.

    Raises
    ------
    EventError
        A number is not finite, an ``arrayIndex`` is repeated or negative, a particle is its own ancestor, or an event
        has thousands of particles.

    Examples
    --------
    >>> response = simulate_detector(batch, seed=1)                          # doctest: +SKIP
    >>> response.tracks.px[response.tracks.offsets[3]:response.tracks.offsets[4]]  # doctest: +SKIP
    """
    batch.check_finite()
    graphs = build_graphs(batch, _REAL_PARTICLES)
    keys = _keys(batch, seed, replica)
    columns = tuple(batch.particle[name] for name in _COLUMNS)
    ends, tracks, clusters, v0s, klm, failed = simulate_events(
        graphs.offsets,
        graphs.particle,
        graphs.mother,
        columns,
        keys,
        parameters.to_record(),
        np.zeros(1, columns_of.WORKSPACE),
    )
    if failed >= 0:
        raise EventError(
            "a particle is its own ancestor: the mothers form a cycle",
            source=batch.source,
            event=batch.event_id(failed),
        )
    if failed <= -2:
        raise EventError(
            "has more particles than an event of this experiment can have (thousands)",
            source=batch.source,
            event=batch.event_id(-2 - failed),
        )
    return DetectorResponse(
        _tracks(ends[:, 0].copy(), tracks),
        _clusters(ends[:, 1].copy(), clusters),
        _v0s(ends[:, 2].copy(), v0s),
        _klm(ends[:, 3].copy(), klm),
        ends[1:, 4].astype(np.int32),
    )


def _keys(batch: EventBatch, seed: int, replica: int | NDArray[np.int64]) -> NDArray[np.uint64]:
    """(n_events,) the start of each event's random stream: with the content, events of one id share no numbers."""
    experiment, run, number = (batch.event[name] for name in EVENT_ID)
    content = content_digests(batch)
    if isinstance(replica, int):
        return event_keys(seed, experiment, run, number, replica, content=content)
    keys = np.empty(len(batch), dtype=np.uint64)
    for value in np.unique(replica):
        chosen = replica == value
        keys[chosen] = event_keys(
            seed, experiment[chosen], run[chosen], number[chosen], int(value), content=content[chosen]
        )
    return keys


def _tracks(offsets: NDArray[np.int64], rows: NDArray[np.float64]) -> Tracks:
    column = rows[: offsets[-1]].T
    return Tracks(
        offsets,
        px=column[columns_of.TRACK_PX].copy(),
        py=column[columns_of.TRACK_PY].copy(),
        pz=column[columns_of.TRACK_PZ].copy(),
        charge=column[columns_of.TRACK_CHARGE].astype(np.int8),
        d0=column[columns_of.TRACK_D0].copy(),
        z0=column[columns_of.TRACK_Z0].copy(),
        d0_error=column[columns_of.TRACK_D0_ERROR].copy(),
        z0_error=column[columns_of.TRACK_Z0_ERROR].copy(),
        n_cdc_hits=column[columns_of.TRACK_HITS].astype(np.int16),
        pid=np.ascontiguousarray(column[columns_of.TRACK_PID :].T, dtype=np.float32),
        truth=column[columns_of.TRACK_TRUTH].astype(np.int64),
        origin=column[columns_of.TRACK_ORIGIN].astype(np.uint8),
    )


def _clusters(offsets: NDArray[np.int64], rows: NDArray[np.float64]) -> Clusters:
    column = rows[: offsets[-1]].T
    return Clusters(
        offsets,
        energy=column[columns_of.CLUSTER_ENERGY].copy(),
        theta=column[columns_of.CLUSTER_THETA].copy(),
        phi=column[columns_of.CLUSTER_PHI].copy(),
        track=column[columns_of.CLUSTER_TRACK].astype(np.int32),
        e9_over_e21=column[columns_of.CLUSTER_E9_E21].astype(np.float32),
        n_hits=column[columns_of.CLUSTER_HITS].astype(np.float32),
        time=column[columns_of.CLUSTER_TIME].astype(np.float32),
        time_error=column[columns_of.CLUSTER_TIME_ERROR].astype(np.float32),
        track_distance=column[columns_of.CLUSTER_DISTANCE].astype(np.float32),
        is_photon=column[columns_of.CLUSTER_IS_PHOTON] > 0.0,
        is_hadron=column[columns_of.CLUSTER_IS_HADRON] > 0.0,
        truth=column[columns_of.CLUSTER_TRUTH].astype(np.int64),
        origin=column[columns_of.CLUSTER_ORIGIN].astype(np.uint8),
    )


def _v0s(offsets: NDArray[np.int64], rows: NDArray[np.float64]) -> V0s:
    column = rows[: offsets[-1]].T
    return V0s(
        offsets,
        positive=column[vertexing.V0_POSITIVE].astype(np.int32),
        negative=column[vertexing.V0_NEGATIVE].astype(np.int32),
        code=column[vertexing.V0_CODE].astype(np.int32),
        x=column[vertexing.V0_X].copy(),
        y=column[vertexing.V0_Y].copy(),
        z=column[vertexing.V0_Z].copy(),
        px=column[vertexing.V0_PX].copy(),
        py=column[vertexing.V0_PY].copy(),
        pz=column[vertexing.V0_PZ].copy(),
        mass=column[vertexing.V0_MASS].copy(),
    )


def _klm(offsets: NDArray[np.int64], rows: NDArray[np.float64]) -> KLMClusters:
    column = rows[: offsets[-1]].T
    return KLMClusters(
        offsets,
        theta=column[columns_of.KLM_THETA].copy(),
        phi=column[columns_of.KLM_PHI].copy(),
        n_layers=column[columns_of.KLM_LAYERS].astype(np.int16),
        track=column[columns_of.KLM_TRACK].astype(np.int32),
        truth=column[columns_of.KLM_TRUTH].astype(np.int64),
    )
