"""Full simulation and reconstruction from a basf2 mDST file, in the records of the embedded detector.

So one code measures both. Momenta are computed with the field of `GeometryParameters`; tracks take the pion fit, as the
embedded ones. Truth indices point to primary particles: what a secondary made belongs to its primary ancestor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.experiment.detector.objects import (
    FROM_BEAM,
    FROM_PARTICLE,
    FROM_SECONDARY,
    Clusters,
    DetectorResponse,
    KLMClusters,
    Tracks,
    V0s,
)
from smartbkg.experiment.detector.parameters import GeometryParameters
from smartbkg.experiment.detector.propagation import GEV_PER_TESLA_CM
from smartbkg.io import open_events
from smartbkg.io.root import open_root, root_errors

_PION: Final = 2  # position in basf2's set of charged stable particles e, μ, π, K, p, d
_PHOTON_HYPOTHESIS, _HADRON_HYPOTHESIS = 1 << 4, 1 << 5  # ECLCluster::EHypothesisBit
_FIT_CODES: Final = {(211, 211): 310, (2212, 211): 3122, (211, 2212): -3122, (11, 11): 22}


class FullSimulation(NamedTuple):
    """Events of a basf2 file: what was generated and what was reconstructed."""

    batch: EventBatch
    """generated particles, and the secondaries of the simulation with status bit 0 clear"""
    response: DetectorResponse
    """what basf2 reconstructed"""


class _Relation(NamedTuple):
    """Links of one collection to another, the strongest of each object first."""

    source: NDArray[np.int64]
    """(n,) flat position"""
    target: NDArray[np.int64]
    """(n,) flat position"""


def read_full_simulation(path: Path) -> FullSimulation:
    """Read generated particles and reconstructed objects of an mDST file, whole: meant for samples of thousands.

    Raises
    ------
    FileFormatError
        Not an mDST file, or one without the reconstructed collections.
    """
    with open_events(path) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    with open_root(path) as file:
        if "tree" not in file or "Tracks" not in file["tree"]:
            raise FileFormatError(f"{path}: holds no reconstructed tracks, expected an mDST file of basf2")
        tree = file["tree"]
        with root_errors(str(path), "reconstructed objects"):
            return FullSimulation(batch, _Reading(tree, batch).response())


class _Reading:
    """The collections of one file."""

    def __init__(self, tree: Any, batch: EventBatch) -> None:
        self.tree = tree
        self.batch = batch
        self.primary = _primary_ancestors(batch)

    def array(self, collection: str, member: str) -> ak.Array:
        """A member of a collection, jagged."""
        return self.tree[f"{collection}/{collection}.{member}"].array(library="ak")

    def flat(self, collection: str, member: str) -> NDArray[Any]:
        """A member of a collection, flat."""
        return np.asarray(ak.to_numpy(ak.flatten(self.array(collection, member), axis=1)))

    def offsets(self, collection: str, member: str) -> NDArray[np.int64]:
        """(n_events + 1,) of a collection."""
        counts = ak.to_numpy(ak.num(self.array(collection, member), axis=1))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def relation(self, name: str, source: NDArray[np.int64], target: NDArray[np.int64]) -> _Relation:
        """The links of a relation container, given the offsets of both collections."""
        elements = self.tree[name]["m_elements"]
        start, to, weight = (
            next(branch for branch in elements.branches if branch.name.endswith(member)).array(library="ak")
            for member in ("m_from", "m_to", "m_weights")
        )
        n_events = len(start)
        start, _ = ak.broadcast_arrays(start + source[:n_events], to)
        flat = [ak.to_numpy(ak.flatten(values, axis=None)) for values in (start, to + target[:n_events], weight)]
        order = np.lexsort((-np.abs(flat[2]), flat[0]))
        return _Relation(flat[0][order].astype(np.int64), flat[1][order].astype(np.int64))

    def truth(self, name: str, offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """(truth, origin) of each object of a collection that is linked to MCParticles."""
        relation = self.relation(name, offsets, self.batch.offsets)
        objects, first = np.unique(relation.source, return_index=True)
        particle = relation.target[first]
        truth = np.full(offsets[-1], -1, dtype=np.int64)
        origin = np.full(offsets[-1], FROM_BEAM, dtype=np.uint8)
        truth[objects] = self.primary[particle]
        origin[objects] = np.where(self.primary[particle] == particle, FROM_PARTICLE, FROM_SECONDARY)
        return truth, origin

    def linked_track(self, name: str, offsets: NDArray[np.int64], tracks: NDArray[np.int64]) -> NDArray[np.int32]:
        """(n,) track within the event that each object is matched to, -1 where there is none."""
        relation = self.relation(name, tracks, offsets)
        event = np.searchsorted(tracks, relation.source, side="right") - 1
        linked = np.full(offsets[-1], -1, dtype=np.int32)
        linked[relation.target] = relation.source - tracks[event]
        return linked

    def response(self) -> DetectorResponse:
        """All records."""
        tracks = self.tracks()
        n_unknown = np.zeros(len(self.batch), dtype=np.int32)
        return DetectorResponse(tracks, self.clusters(tracks), self.v0s(), self.klm(tracks), n_unknown)

    def helices(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Momentum and impact parameters of fit results at flat positions."""
        d0, phi0, omega, z0, slope = self.flat("TrackFitResults", "m_tau[5]")[rows].astype(np.float64).T
        pt = GEV_PER_TESLA_CM * GeometryParameters().field / np.abs(omega)
        momenta = {"px": pt * np.cos(phi0), "py": pt * np.sin(phi0), "pz": pt * slope}
        return momenta | {"d0": d0, "z0": z0, "charge": np.sign(omega)}

    def tracks(self) -> Tracks:
        """Tracks with the pion fit, or another where that failed."""
        offsets = self.offsets("Tracks", "m_qualityIndicator")
        fits = self.offsets("TrackFitResults", "m_pValue")
        index = self.flat("Tracks", "m_trackFitIndices[6]").astype(np.int64)
        fitted = np.where(index[:, _PION] >= 0, index[:, _PION], index.max(axis=1))
        rows = fitted + np.repeat(fits[:-1], np.diff(offsets))
        helix = self.helices(rows)
        covariance = self.flat("TrackFitResults", "m_cov5[15]")[rows]
        hits = self.flat("TrackFitResults", "m_hitPatternCDCInitializer")[rows].astype(np.uint64)
        truth, origin = self.truth("TracksToMCParticles", offsets)
        return Tracks(
            offsets,
            px=helix["px"],
            py=helix["py"],
            pz=helix["pz"],
            charge=helix["charge"].astype(np.int8),
            d0=helix["d0"],
            z0=helix["z0"],
            d0_error=np.sqrt(covariance[:, 0].astype(np.float64)),
            z0_error=np.sqrt(covariance[:, 12].astype(np.float64)),
            n_cdc_hits=np.bitwise_count(hits).astype(np.int16),
            pid=self.identification(len(truth)),
            truth=truth,
            origin=origin,
        )

    def identification(self, n_tracks: int) -> NDArray[np.float32]:
        """(n_tracks, 5) probabilities from the log-likelihoods of all sub-detectors, stored in step with the tracks."""
        values = self.flat("PIDLikelihoods", "m_logl[6][6]").reshape(-1, 6, 6).sum(axis=1)[:, :5].astype(np.float64)
        if len(values) != n_tracks:
            raise FileFormatError(f"{len(values)} PID likelihoods of {n_tracks} tracks")
        relative = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(relative / relative.sum(axis=1, keepdims=True), dtype=np.float32)

    def clusters(self, tracks: Tracks) -> Clusters:
        """ECL clusters of all hypotheses."""
        offsets = self.offsets("ECLClusters", "m_logEnergy")
        truth, origin = self.truth("ECLClustersToMCParticles", offsets)
        hypotheses = self.flat("ECLClusters", "m_hypotheses")
        is_track = self.flat("ECLClusters", "m_isTrack").astype(np.bool_)
        linked = self.linked_track("TracksToECLClusters", offsets, tracks.offsets)
        return Clusters(
            offsets,
            energy=np.exp(self.flat("ECLClusters", "m_logEnergy").astype(np.float64)),
            theta=self.flat("ECLClusters", "m_theta").astype(np.float64),
            phi=self.flat("ECLClusters", "m_phi").astype(np.float64),
            track=np.where(is_track, np.maximum(linked, 0), -1).astype(np.int32),
            e9_over_e21=self.flat("ECLClusters", "m_E9oE21").astype(np.float32),
            n_hits=self.flat("ECLClusters", "m_numberOfCrystals").astype(np.float32),
            time=self.flat("ECLClusters", "m_time").astype(np.float32),
            time_error=self.flat("ECLClusters", "m_deltaTime99").astype(np.float32),
            track_distance=self.flat("ECLClusters", "m_minTrkDistance").astype(np.float32),
            is_photon=(hypotheses & _PHOTON_HYPOTHESIS) > 0,
            is_hadron=(hypotheses & _HADRON_HYPOTHESIS) > 0,
            truth=truth,
            origin=origin,
        )

    def v0s(self) -> V0s:
        """V0s with the momenta of their fit results; vertices are not stored and given as NaN."""
        offsets = self.offsets("V0s", "m_trackIndexPositive")
        first = np.repeat(self.offsets("TrackFitResults", "m_pValue")[:-1], np.diff(offsets))
        rows = [first + self.flat("V0s", f"m_trackFitResultIndex{sign}") for sign in ("Positive", "Negative")]
        codes = [self.flat("TrackFitResults", "m_pdg")[row] for row in rows]
        code = np.array([_FIT_CODES.get(pair, 0) for pair in zip(*(c.tolist() for c in codes), strict=True)])
        helices = [self.helices(row) for row in rows]
        masses = np.array([[{11: 0.000511, 211: 0.13957, 2212: 0.938272}.get(c, 0.0) for c in row] for row in codes])
        total = {name: helices[0][name] + helices[1][name] for name in ("px", "py", "pz")}
        squares = [sum(helix[name] ** 2 for name in ("px", "py", "pz")) for helix in helices]
        energy = sum(np.sqrt(square + mass**2) for square, mass in zip(squares, masses, strict=True))
        squared = np.asarray(energy) ** 2 - sum(values**2 for values in total.values())
        nowhere = np.full(len(code), np.nan)
        return V0s(
            offsets,
            positive=self.flat("V0s", "m_trackIndexPositive").astype(np.int32),
            negative=self.flat("V0s", "m_trackIndexNegative").astype(np.int32),
            code=code.astype(np.int32),
            x=nowhere,
            y=nowhere,
            z=nowhere,
            mass=np.sqrt(np.maximum(squared, 0.0)),
            **total,
        )

    def klm(self, tracks: Tracks) -> KLMClusters:
        """KLM clusters."""
        offsets = self.offsets("KLMClusters", "m_layers")
        truth, _ = self.truth("KLMClustersToMCParticles", offsets)
        x, y, z = (self.flat("KLMClusters", f"m_global{axis}").astype(np.float64) for axis in "XYZ")
        return KLMClusters(
            offsets,
            theta=np.arctan2(np.hypot(x, y), z),
            phi=np.arctan2(y, x),
            n_layers=self.flat("KLMClusters", "m_layers").astype(np.int16),
            track=self.linked_track("TracksToKLMClusters", offsets, tracks.offsets),
            truth=truth,
        )


def _primary_ancestors(batch: EventBatch) -> NDArray[np.int64]:
    """(n_particles,) flat position of the nearest primary particle on the way to the root, itself included; else -1."""
    columns = batch.particle
    mother = columns["motherIndex"].astype(np.int64)
    start = np.repeat(batch.offsets[:-1], batch.counts)
    mother = np.where(mother >= 0, mother + start, -1)  # an mDST's arrayIndex is the position within the event
    is_primary = (columns["status"] & ParticleStatus.PRIMARY) > 0
    ancestor = np.arange(batch.n_particles)
    for _ in range(int(batch.counts.max(initial=0))):
        waiting = (ancestor >= 0) & ~is_primary[ancestor]
        if not waiting.any():
            break
        ancestor[waiting] = mother[ancestor[waiting]]
    return ancestor
