"""What a detector delivers: tracks, clusters, V0s and K_L/muon hits of some events as flat columns.

Every record starts with ``offsets`` (n_events + 1,): event i owns the rows ``offsets[i]:offsets[i + 1]``. References
from one record to another count **within the event** (cluster → track, V0 → tracks); references to the truth are
positions in the flat particle columns of the `smartbkg.events.EventBatch` that was simulated. The records are
NamedTuples of arrays, so that compiled code takes them as they are. Units: GeV, cm, ns, rad.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Order of the columns of `Tracks.pid`.
PID_HYPOTHESES: Final = ("e", "mu", "pi", "K", "p")
ELECTRON, MUON, PION, KAON, PROTON = range(5)
#: PDG codes (without the sign) and masses (GeV, PDG 2022) of those hypotheses.
PID_CODES: Final = (11, 13, 211, 321, 2212)
PID_MASSES: Final = (0.000510999, 0.105658, 0.139570, 0.493677, 0.938272)

#: Polar angles (rad) of the drift chamber's acceptance, 17 to 150 degrees, as basf2's `thetaInCDCAcceptance` has them.
DRIFT_CHAMBER_THETA: Final = (0.296706, 2.61799)

#: Values of the columns ``origin``.
FROM_PARTICLE: Final = 0
"""The particle of the record itself made it."""
FROM_SECONDARY: Final = 1
"""Something the detector made of it did: decay in flight, conversion, hadronic interaction, split-off."""
FROM_BEAM: Final = 2
"""Beam background; its truth index is -1."""


class Tracks(NamedTuple):
    """Charged tracks, fitted with the pion hypothesis, at the point of closest approach (POCA) to the z axis."""

    offsets: NDArray[np.int64]
    """(n_events + 1,)"""
    px: NDArray[np.float64]
    """(n_tracks,) GeV, momentum at the POCA"""
    py: NDArray[np.float64]
    """(n_tracks,) GeV"""
    pz: NDArray[np.float64]
    """(n_tracks,) GeV"""
    charge: NDArray[np.int8]
    """(n_tracks,) +1 or -1; rarely the wrong one"""
    d0: NDArray[np.float64]
    """(n_tracks,) cm, signed distance of the POCA from the z axis, sign as in basf2's helix:
    POCA = d0 · (sin φ0, -cos φ0)"""
    z0: NDArray[np.float64]
    """(n_tracks,) cm, z of the POCA"""
    d0_error: NDArray[np.float64]
    """(n_tracks,) cm, expected resolution"""
    z0_error: NDArray[np.float64]
    """(n_tracks,) cm, expected resolution"""
    n_cdc_hits: NDArray[np.int16]
    """(n_tracks,) hits in the drift chamber, 0 = silicon only"""
    pid: NDArray[np.float32]
    """(n_tracks, 5) probability of each of `PID_HYPOTHESES`; the rows sum to 1 (global PID, flat priors)"""
    truth: NDArray[np.int64]
    """(n_tracks,) particle in the batch's flat columns, -1 for beam background"""
    origin: NDArray[np.uint8]
    """(n_tracks,) `FROM_PARTICLE`, `FROM_SECONDARY` or `FROM_BEAM`"""


class Clusters(NamedTuple):
    """Clusters of the electromagnetic calorimeter, of charged and neutral particles alike."""

    offsets: NDArray[np.int64]
    """(n_events + 1,)"""
    energy: NDArray[np.float64]
    """(n_clusters,) GeV"""
    theta: NDArray[np.float64]
    """(n_clusters,) rad, polar angle seen from the interaction point"""
    phi: NDArray[np.float64]
    """(n_clusters,) rad, azimuth in (-π, π]"""
    track: NDArray[np.int32]
    """(n_clusters,) matched track, counted within the event; -1 = neutral"""
    e9_over_e21: NDArray[np.float32]
    """(n_clusters,) energy of the 3×3 over that of the 5×5 crystals without corners; near 1 for photons"""
    n_hits: NDArray[np.float32]
    """(n_clusters,) weighted number of crystals"""
    time: NDArray[np.float32]
    """(n_clusters,) ns, relative to the collision"""
    time_error: NDArray[np.float32]
    """(n_clusters,) ns, the width that holds 99 % (basf2's deltaTime99)"""
    track_distance: NDArray[np.float32]
    """(n_clusters,) cm, to the entry of the nearest track into the calorimeter; 250 where there is none near"""
    is_photon: NDArray[np.bool_]
    """(n_clusters,) True = reconstructed as a photon's; photon candidates want it (basf2's hypothesis nPhotons)"""
    is_hadron: NDArray[np.bool_]
    """(n_clusters,) True = reconstructed as a neutral hadron's. Most clusters are both; where several photon clusters
    touch, one more row holds their sum as a hadron cluster, so that adding all rows would count energy twice"""
    truth: NDArray[np.int64]
    """(n_clusters,) particle in the batch's flat columns with the largest deposit, -1 for beam background"""
    origin: NDArray[np.uint8]
    """(n_clusters,) `FROM_PARTICLE`, `FROM_SECONDARY` or `FROM_BEAM`"""


class V0s(NamedTuple):
    """Pairs of opposite tracks with a common vertex away from the beam; one pair may have several hypotheses."""

    offsets: NDArray[np.int64]
    """(n_events + 1,)"""
    positive: NDArray[np.int32]
    """(n_v0s,) positive track, counted within the event"""
    negative: NDArray[np.int32]
    """(n_v0s,) negative track, counted within the event"""
    code: NDArray[np.int32]
    """(n_v0s,) PDG code of the hypothesis: 310, 3122, -3122 or 22"""
    x: NDArray[np.float64]
    """(n_v0s,) cm, fitted vertex"""
    y: NDArray[np.float64]
    """(n_v0s,) cm"""
    z: NDArray[np.float64]
    """(n_v0s,) cm"""
    px: NDArray[np.float64]
    """(n_v0s,) GeV, sum of the daughters' momenta at the vertex"""
    py: NDArray[np.float64]
    """(n_v0s,) GeV"""
    pz: NDArray[np.float64]
    """(n_v0s,) GeV"""
    mass: NDArray[np.float64]
    """(n_v0s,) GeV, invariant mass at the vertex under the hypothesis, not constrained"""


class KLMClusters(NamedTuple):
    """Clusters of the K_L and muon detector."""

    offsets: NDArray[np.int64]
    """(n_events + 1,)"""
    theta: NDArray[np.float64]
    """(n_klm,) rad"""
    phi: NDArray[np.float64]
    """(n_klm,) rad"""
    n_layers: NDArray[np.int16]
    """(n_klm,) layers with hits"""
    track: NDArray[np.int32]
    """(n_klm,) matched track, counted within the event; -1 = neutral, a K_L candidate"""
    truth: NDArray[np.int64]
    """(n_klm,) particle in the batch's flat columns, -1 for beam background"""


class DetectorResponse(NamedTuple):
    """All that the detector saw of some events."""

    tracks: Tracks
    clusters: Clusters
    v0s: V0s
    klm: KLMClusters
    n_unknown: NDArray[np.int32]
    """(n_events,) particles that nothing in the record decays and whose PDG code the detector does not know; they
    passed through unseen"""

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.tracks.offsets) - 1
