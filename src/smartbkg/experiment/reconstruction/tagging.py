"""Event-level variables from cleaned tracks and photons, the FEI's event cuts, and the best tag of each kind.

Cuts and definitions follow basf2's skim package (`skim/scripts/skim/WGs/fei.py`): cleaned tracks have |d0| < 0.5 cm,
|z0| < 2 cm, p_T > 0.1 GeV; cleaned clusters E > 0.1 GeV and 17° < θ < 150°; tracks count as pions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.experiment.detector.objects import DRIFT_CHAMBER_THETA, PID_MASSES, PION, DetectorResponse
from smartbkg.experiment.reconstruction.event_shape import EventShapes, event_shapes

CLEANING_D0: Final = 0.5
"""cm."""
CLEANING_Z0: Final = 2.0
"""cm."""
MINIMUM_PT: Final = 0.1
"""GeV."""
MINIMUM_CLUSTER_ENERGY: Final = 0.1
"""GeV."""
CLUSTER_THETA: Final = DRIFT_CHAMBER_THETA
"""rad, the polar acceptance of the drift chamber."""

#: Event cuts of the FEI skims: at least so many cleaned tracks and clusters, visible energy and calorimeter energy.
MINIMUM_TRACKS: Final = 3
MINIMUM_CLUSTERS: Final = 3
MINIMUM_VISIBLE_ENERGY: Final = 4.0
E_ECL_WINDOW: Final = (2.0, 7.0)

#: Event-level variables of the shape, NaN for events with fewer than two momenta.
_SHAPES: Final = ("R2", "thrust", "sphericity", "aplanarity")


@dataclass(frozen=True)
class EventCleaning:
    """Cleaned tracks and photons of some events and what follows from them.

    Attributes
    ----------
    is_track : (n_tracks,) True for cleaned tracks.
    is_photon : (n_clusters,) True for cleaned neutral clusters.
    pion_p4 : (n_tracks, 4) px, py, pz, E of all tracks as pions in the centre-of-mass frame, GeV.
    photon_p4 : (n_clusters, 4) of all clusters as photons.
    offsets : (n_events + 1,) of ``momenta``.
    momenta : (n, 4) px, py, pz, E of cleaned tracks, then photons, of each event in the centre-of-mass frame, GeV.
    kinematics : event-level variables but for those of the shape, (n_events,) each.
    passes_event_cuts : (n_events,) True within the event cuts of the FEI skims.
    """

    is_track: NDArray[np.bool_]
    is_photon: NDArray[np.bool_]
    pion_p4: NDArray[np.float64]
    photon_p4: NDArray[np.float64]
    offsets: NDArray[np.int64]
    momenta: NDArray[np.float64]
    kinematics: dict[str, NDArray[np.float64]]
    passes_event_cuts: NDArray[np.bool_]

    @functools.cached_property
    def shapes(self) -> EventShapes:
        """Shape variables of ``momenta``, which take longer than all else here: computed when they are looked at."""
        return event_shapes(self.offsets, self.momenta[:, 0], self.momenta[:, 1], self.momenta[:, 2])

    @property
    def variables(self) -> EventVariables:
        """Event-level variables, (n_events,) each, NaN where undefined."""
        return EventVariables(self)


class EventVariables(Mapping[str, NDArray[np.float64]]):
    """Event-level variables by name, the shapes among them only when they are asked for."""

    def __init__(self, cleaning: EventCleaning) -> None:
        self._cleaning = cleaning

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in _SHAPES:
            return self._cleaning.kinematics[name]
        is_defined = np.diff(self._cleaning.offsets) > 1
        return np.where(is_defined, getattr(self._cleaning.shapes, name), np.nan)

    def __iter__(self) -> Iterator[str]:
        return iter((*self._cleaning.kinematics, *_SHAPES))

    def __len__(self) -> int:
        return len(self._cleaning.kinematics) + len(_SHAPES)


def track_momenta(response: DetectorResponse, boost: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """(n_tracks, 4) px, py, pz, E of tracks in the centre-of-mass frame under one mass hypothesis, GeV."""
    tracks = response.tracks
    energy = np.sqrt(tracks.px**2 + tracks.py**2 + tracks.pz**2 + mass**2)
    return np.stack([tracks.px, tracks.py, tracks.pz, energy], axis=1) @ boost.T


def photon_momenta(response: DetectorResponse, boost: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_clusters, 4) px, py, pz, E of clusters as photons in the centre-of-mass frame, GeV."""
    clusters = response.clusters
    across = clusters.energy * np.sin(clusters.theta)
    laboratory = np.stack(
        [across * np.cos(clusters.phi), across * np.sin(clusters.phi), clusters.energy * np.cos(clusters.theta),
         clusters.energy], axis=1,
    )  # fmt: skip
    return laboratory @ boost.T


def _event_of(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _sum(event: NDArray[np.int64], values: NDArray[np.float64], n_events: int) -> NDArray[np.float64]:
    return np.bincount(event, weights=values, minlength=n_events).astype(np.float64)


def clean_events(response: DetectorResponse, boost: NDArray[np.float64], beam_energy: float) -> EventCleaning:
    """Cleaned tracks and photons, event kinematics and shape, and the FEI's event cuts.

    Parameters
    ----------
    boost : (4, 4) transformation from the laboratory to the centre-of-mass frame, order px, py, pz, E.
    beam_energy : energy of a beam in that frame, GeV.
    """
    tracks, clusters, n_events = response.tracks, response.clusters, response.n_events
    pt = np.hypot(tracks.px, tracks.py)
    is_track = (np.abs(tracks.d0) < CLEANING_D0) & (np.abs(tracks.z0) < CLEANING_Z0) & (pt > MINIMUM_PT)
    is_cluster = (
        clusters.is_photon
        & (clusters.energy > MINIMUM_CLUSTER_ENERGY)
        & (clusters.theta > CLUSTER_THETA[0])
        & (clusters.theta < CLUSTER_THETA[1])
    )
    is_photon = is_cluster & (clusters.track < 0)
    track_event, cluster_event = _event_of(tracks.offsets), _event_of(clusters.offsets)
    events = np.concatenate([track_event[is_track], cluster_event[is_photon]])
    pion_p4, photon_p4 = track_momenta(response, boost, PID_MASSES[PION]), photon_momenta(response, boost)
    momenta = np.concatenate([pion_p4[is_track], photon_p4[is_photon]])
    order = np.argsort(events, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(events, minlength=n_events))])
    momenta = np.ascontiguousarray(momenta[order])
    e_ecl = _calorimeter_energy(response, is_track, is_photon, cluster_event)
    n_clusters = np.bincount(cluster_event[is_cluster], minlength=n_events)
    kinematics = {
        "nTracks": np.bincount(track_event[is_track], minlength=n_events).astype(np.float64),
        "nClusters": n_clusters.astype(np.float64),
        "nPhotons": np.bincount(cluster_event[is_photon], minlength=n_events).astype(np.float64),
        "totalCharge": _sum(track_event[is_track], tracks.charge[is_track].astype(np.float64), n_events),
        **_kinematics(_sum_momenta(offsets, momenta), beam_energy, boost),
        "E_ECL": e_ecl,
    }
    passes = (
        (kinematics["nTracks"] >= MINIMUM_TRACKS)
        & (kinematics["nClusters"] >= MINIMUM_CLUSTERS)
        & (kinematics["visibleEnergy"] > MINIMUM_VISIBLE_ENERGY)
        & (e_ecl > E_ECL_WINDOW[0])
        & (e_ecl < E_ECL_WINDOW[1])
    )
    return EventCleaning(is_track, is_photon, pion_p4, photon_p4, offsets, momenta, kinematics, passes)


def _sum_momenta(offsets: NDArray[np.int64], momenta: NDArray[np.float64]) -> NDArray[np.float64]:
    event, n_events = _event_of(offsets), len(offsets) - 1
    return np.stack([_sum(event, momenta[:, k], n_events) for k in range(4)], axis=1)


def _calorimeter_energy(
    response: DetectorResponse,
    is_track: NDArray[np.bool_],
    is_photon: NDArray[np.bool_],
    cluster_event: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Energy of cleaned photons and of the clusters of cleaned tracks (E_ECL_FEI), GeV."""
    clusters = response.clusters
    matched = np.flatnonzero((clusters.track >= 0) & clusters.is_photon)
    track = response.tracks.offsets[cluster_event[matched]] + clusters.track[matched]
    counted = is_photon.copy()
    counted[matched] = is_track[track]
    return _sum(cluster_event[counted], clusters.energy[counted], response.n_events)


def _kinematics(
    visible: NDArray[np.float64], beam_energy: float, boost: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Missing momentum and energy: what the beams brought less what is visible."""
    missing = np.array([0.0, 0.0, 0.0, 2 * beam_energy]) - visible
    laboratory = missing @ np.linalg.inv(boost).T
    momentum = np.sqrt((laboratory[:, :3] ** 2).sum(axis=1))
    at_rest = np.sqrt((missing[:, :3] ** 2).sum(axis=1))
    return {
        "visibleEnergy": visible[:, 3],
        "missingMomentum": momentum,
        "missingMomentumCMS": at_rest,
        "missingMomentumTheta": np.arccos(np.clip(laboratory[:, 2] / np.maximum(momentum, 1e-12), -1.0, 1.0)),
        "missingMass2": missing[:, 3] ** 2 - at_rest**2,
    }
