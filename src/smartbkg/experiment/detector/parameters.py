"""Every number of the parametrised detector, with its unit and its source.

Sources, in brackets after each number:

[geo]   Belle II Technical Design Report, arXiv:1011.0352: sub-detectors and their places.
[phys]  The Belle II Physics Book, arXiv:1808.10567, by subject: performance in simulation.
[pdg]   Particle Data Group, Prog. Theor. Exp. Phys. 2022, 083C01.
[fit]   fitted to 100 fully simulated Υ(4S) events, the file that the comparison page names; docs/detector.md says how.
[guess] our choice where no public number was found; of little weight in what the skims see.

The places of a table ("nodes") are our choice and share the source of the table that follows them.

A changed detector is a changed set: ``BELLE2.replace("thin", tracking={"efficiency_scale": 0.95})``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError, nearest
from smartbkg.storage.provenance import digest_of

PARAMETERS_VERSION: Final = 1


class GeometryParameters(NamedTuple):
    """Magnetic field, acceptance, places."""

    field: float = 1.4535
    """T, solenoid along z [fit: true against fitted p_T; nominal 1.5 in geo]"""
    theta_minimum: float = 17.0
    """degrees, tracking acceptance [geo]"""
    theta_maximum: float = 150.0
    """degrees [geo]"""
    acceptance_edge: float = 4.0
    """degrees outside the acceptance over which the tracking efficiency falls to 0 [fit: 9 of 13 tracks found at
    12-17 and 150-155 degrees]"""
    cdc_inner_radius: float = 16.0
    """cm [geo]"""
    cdc_outer_radius: float = 113.0
    """cm [geo]"""
    ecl_radius: float = 125.0
    """cm, inner radius of the calorimeter barrel [geo]"""
    ecl_forward: float = 196.0
    """cm, z of the forward endcap [geo]"""
    ecl_backward: float = -102.0
    """cm, z of the backward endcap [geo]"""
    ecl_theta_minimum: float = 12.4
    """degrees, calorimeter coverage [geo]"""
    ecl_theta_maximum: float = 155.1
    """degrees [geo]"""
    gap_forward_low: float = 31.4
    """degrees, gap between forward endcap and barrel [geo]"""
    gap_forward_high: float = 32.2
    """degrees [geo]"""
    gap_backward_low: float = 128.7
    """degrees, gap between barrel and backward endcap [geo]"""
    gap_backward_high: float = 130.7
    """degrees [geo]"""
    gap_efficiency: float = 0.45
    """probability that a shower in a gap is seen [fit: 7 of 16 photons]"""
    beam_pipe_radius: float = 1.0
    """cm [geo]"""


class TrackingParameters(NamedTuple):
    """Charged tracks."""

    efficiency_scale: float = 1.0
    """factor on every efficiency: 1 = nominal"""
    efficiency_pt: tuple[float, ...] = (0.030, 0.050, 0.065, 0.085, 0.120, 0.170, 0.250, 0.400, 0.700, 1.500)
    """GeV, p_T nodes"""
    efficiency: tuple[float, ...] = (0.00, 0.35, 0.75, 0.95, 0.96, 0.98, 0.985, 0.99, 0.995, 1.00)
    """efficiency at the nodes for a particle that neither decays nor interacts [fit; phys, tracking]"""
    radius_nodes: tuple[float, ...] = (0.0, 4.0, 8.0, 14.0, 30.0, 60.0, 90.0)
    """cm, nodes of the production radius"""
    radius_efficiency: tuple[float, ...] = (1.0, 0.99, 0.93, 0.85, 0.72, 0.45, 0.0)
    """factor for tracks that begin at those radii [fit; phys, tracking: K_S efficiency against radius]"""
    resolution_pt: tuple[float, ...] = (0.060, 0.080, 0.125, 0.175, 0.250, 0.350, 0.500, 0.800, 1.500, 3.000)
    """GeV, p_T nodes of the resolutions"""
    momentum_resolution: tuple[float, ...] = (
        0.023, 0.019, 0.013, 0.0069, 0.0041, 0.0024, 0.0021, 0.0016, 0.0017, 0.0029)  # fmt: skip
    """σ(p_T)/p_T of the core at θ = 90 degrees [fit below 2 GeV; above 0.11 % p_T ⊕ 0.25 %/β of phys, tracking]"""
    d0_resolution: tuple[float, ...] = (
        0.11, 0.074, 0.023, 0.013, 0.0063, 0.0046, 0.0031, 0.0021, 0.0014, 0.001)  # fmt: skip
    """cm, core at θ = 90 degrees [fit; phys, tracking]"""
    z0_resolution: tuple[float, ...] = (
        0.16, 0.087, 0.023, 0.012, 0.0074, 0.005, 0.0037, 0.0023, 0.0014, 0.0012)  # fmt: skip
    """cm, core at θ = 90 degrees [fit; phys, tracking]"""
    angle_resolution: tuple[float, ...] = (
        0.061, 0.048, 0.018, 0.01, 0.0058, 0.004, 0.0026, 0.0014, 0.00087, 0.00052)  # fmt: skip
    """rad, core of azimuth and dip angle at θ = 90 degrees [fit]"""
    forward_momentum_factor: float = 2.6
    """σ(p_T)/p_T below 30 degrees over that at 90, falling to 1 at 50 degrees: fewer drift chamber layers [fit]"""
    d0_sine_power: float = 0.6
    """σ(d0) grows as sin(θ) to minus this [fit]"""
    z0_sine_power: float = 1.75
    """σ(z0) grows as sin(θ) to minus this [fit]"""
    tail_fraction: float = 0.13
    """share of tracks in the wide part of the resolution [fit: 95 % quantiles]"""
    tail_width: float = 4.5
    """its width over that of the core [fit]"""
    silicon_radius: float = 3.8
    """cm, tracks that begin outside miss the pixel layers [geo: SVD begins at 3.9 cm]"""
    outside_pixel_factor: float = 4.0
    """their impact parameter resolution over the nominal one [guess]"""
    outside_silicon_factor: float = 15.0
    """the same for tracks that begin outside the drift chamber's inner wall [guess]"""
    wrong_charge: tuple[float, float] = (0.15, 0.22)
    """probability of a wrong charge at p_T = 0, and the p_T (GeV) where it has fallen to 0 [fit: 18 of 192 below
    0.2 GeV, 4 of 139 at 0.2-0.3, none of 516 above]"""
    clone_pt: float = 0.28
    """GeV, below it tracks curl within the drift chamber [geo: 2R < 125 cm at 0.27 GeV]"""
    clone_curling: float = 0.12
    """probability of a second track from the same curling particle [fit: 44 in 100 events]"""
    clone_straight: float = 0.015
    """the same above `clone_pt` [fit]"""
    interaction: float = 0.018
    """probability that a hadron interacts in beam pipe, silicon or inner wall at normal incidence and is lost
    [fit: kaons and pions above 0.5 GeV]"""
    interaction_track: float = 0.065
    """probability that a hadronic interaction anywhere sends a soft track back through the chamber [fit: 56 in 100
    events]"""
    kink_radius: float = 25.0
    """cm, a particle that decays inside is seen as its charged daughter, outside as itself [guess: 6 layers]"""
    conversion_thickness: float = 0.034
    """radiation lengths before the drift chamber at normal incidence [geo: pipe 0.8 %, PXD 0.4 %, SVD 2.4 %]"""
    bremsstrahlung_threshold: float = 0.020
    """GeV, softest photon radiated one by one [guess: below the calorimeter threshold it is unseen]"""
    v0_gap: float = 0.42
    """cm, largest distance in z of two tracks at a V0's vertex [fit: V0s per event]"""
    fake_rate: float = 0.20
    """tracks per event that no particle made [fit: 20 in 100 events]"""


class CalorimeterParameters(NamedTuple):
    """Clusters."""

    threshold: float = 0.020
    """GeV, least energy of a cluster [fit: the lowest seen is 0.0200]"""
    resolution_noise: float = 0.00066
    """a of σ/E = a/E ⊕ b/E^(1/4) ⊕ c, E in GeV [geo 9.1: 0.066 %]"""
    resolution_stochastic: float = 0.0081
    """b [geo 9.1: 0.81 %]"""
    resolution_constant: float = 0.0134
    """c [geo 9.1: 1.34 %]"""
    energy_scale: float = 1.0
    """factor on every cluster energy: 1 = nominal"""
    photon_bias: float = 1.005
    """most probable reconstructed over true photon energy [fit]"""
    leakage_small: float = 0.030
    """mean energy fraction lost by most showers, exponential [fit]"""
    leakage_large: float = 0.33
    """the same for those that begin before the calorimeter [fit]"""
    leakage_fraction: float = 0.24
    """share of the latter [fit; 20 % of a radiation length in front, geo]"""
    photon_efficiency_energy: tuple[float, ...] = (0.018, 0.030, 0.050, 0.080, 0.150, 0.300)
    """GeV, nodes"""
    photon_efficiency: tuple[float, ...] = (0.70, 0.85, 0.91, 0.94, 0.965, 0.99)
    """probability that a photon that did not convert makes a cluster, before threshold [fit]"""
    angle_resolution: float = 0.0030
    """rad, at 1 GeV in each direction, growing as E^(-1/2) up to... [fit; geo 9.1: 0.5 cm/√E at 125 cm]"""
    angle_resolution_maximum: float = 0.0080
    """rad, at low energy [fit]"""
    separation: float = 0.055
    """rad, closer showers are one cluster [fit: least angle between clusters of one region]"""
    region_near: float = 0.08
    """rad, closer clusters share a connected region, always [fit]"""
    region_far: float = 0.22
    """rad, more distant ones never do [fit]"""
    lone_split_scale: float = 1.6
    """GeV, a lone cluster of energy E is listed twice, once a hypothesis, with probability
    min(E / scale, maximum) [fit]"""
    lone_split_maximum: float = 0.65
    """[fit]"""
    photon_split_probability: float = 0.035
    """further cluster of a photon shower, barrel [fit: 37 of 950]"""
    photon_split_endcap: float = 0.11
    """the same in the endcaps [fit]"""
    split_energy: float = 0.030
    """GeV above threshold, mean energy of such a cluster, exponential [fit]"""
    minimum_ionising_energy: float = 0.195
    """GeV, most probable deposit of a particle that crosses without a shower [fit: muons]"""
    minimum_ionising_width: float = 0.016
    """GeV [fit: muons]"""
    interaction_probability: float = 0.55
    """a charged hadron showers in the calorimeter: 0.8 interaction lengths [geo; fit]"""
    hadron_response_low: float = 0.10
    """least fraction of the available energy that a hadronic shower leaves in its main cluster [fit]"""
    hadron_response_high: float = 0.80
    """largest such fraction [fit]"""
    stopping_momentum: float = 0.45
    """GeV, slower charged pions stop; other hadrons at the same velocity [fit]"""
    reach_momentum: tuple[float, ...] = (0.25, 0.30, 0.40, 0.50, 0.70, 1.50)
    """GeV, nodes"""
    reach: tuple[float, ...] = (0.25, 0.52, 0.82, 0.94, 0.97, 0.99)
    """probability that a muon or hadron that comes to the calorimeter makes a cluster there: slow ones stop before
    [fit]"""
    low_reach: float = 0.04
    """probability that a particle that curls reaches the calorimeter all the same, at its end [fit]"""
    extra_pion: float = 0.44
    """mean number of further clusters from a charged pion that reaches the calorimeter [fit: 0.41 an accepted pion]"""
    extra_kaon: float = 1.10
    """the same for a charged kaon: absorption and decay at rest [fit]"""
    extra_proton: float = 0.05
    """proton [fit]"""
    extra_antinucleon: float = 3.8
    """antiproton, antineutron: annihilation [fit]"""
    extra_neutral: float = 1.2
    """K_L that showers: further clusters beside the first, at 1 GeV; proportional to its momentum [fit]"""
    extra_electron: float = 0.30
    """electrons: showers that begin before the calorimeter [fit: 21 of 45]"""
    extra_muon: float = 0.60
    """slow muons [fit]"""
    extra_energy: float = 0.105
    """GeV above threshold, mean energy of a further cluster, exponential [fit]"""
    extra_energy_annihilation: float = 0.16
    """GeV, the same for annihilation [fit]"""
    extra_distance: float = 0.14
    """rad, mean angle of a further cluster to its track's entry, exponential beyond `separation` [fit]"""
    extra_isotropic: float = 0.30
    """share of further clusters that are anywhere [fit]"""
    klong_interaction: float = 0.80
    """probability that a K_L at 0.5 GeV showers [fit]"""
    neutron_interaction: float = 0.45
    """probability that a neutron showers visibly [fit: 3 of 8]"""
    klong_energy: float = 0.24
    """GeV above threshold, mean energy of the first cluster at 1 GeV momentum, exponential [fit]"""
    match_probability: float = 0.97
    """a track that reaches a cluster is matched to it [fit]"""
    match_angle: float = 0.060
    """rad, a neutral cluster nearer to a track's entry becomes the track's [fit: 1.7 % of photons]"""


class IdentificationParameters(NamedTuple):
    """Charged-particle identification: what each sub-detector measures and how well."""

    dedx_resolution: float = 0.070
    """relative, CDC and SVD together [phys, dE/dx: 6 to 8 %]"""
    dedx_curling_factor: float = 2.2
    """factor on it below p_T of 0.28 GeV: few and curling hits [fit: e, μ and π are hardly told apart below 0.3 GeV]"""
    dedx_tail: float = 0.04
    """share of tracks whose measurement is three times worse [guess]"""
    top_resolution: float = 0.042
    """ns, one track's time of propagation and flight over 130 cm, effective [phys, TOP: K efficiency 90 % at
    4 to 10 % π misidentification]"""
    top_outlier: float = 0.05
    """share of TOP measurements that are unrelated to the particle [phys, TOP]"""
    arich_resolution: float = 0.0040
    """rad, Cherenkov angle of a track [geo 8: 14 mrad a photon, 13 photons]"""
    arich_outlier: float = 0.05
    """[guess]"""
    arich_index: float = 1.05
    """refractive index of the aerogel [geo 8]"""
    top_efficiency: float = 0.90
    """share of barrel tracks of sufficient p_T with a measurement [fit: 42 % of all tracks]"""
    arich_efficiency: float = 0.85
    """the same for the forward endcap [fit: 16 % of all tracks]"""
    electron_peak: float = 0.97
    """E/p of electrons [fit]"""
    electron_width: float = 0.05
    """[fit]"""
    electron_tail: float = 0.15
    """share of electrons with E/p spread evenly below the peak [fit]"""
    klm_momentum: float = 0.55
    """GeV, muons above it reach the K_L and muon detector [phys, muons]"""
    klm_muon: float = 0.90
    """efficiency for muons far above it [phys, muons: 89 %]"""
    klm_pion: float = 0.06
    """probability that a hadron looks like a muon there: punch-through and decay [phys, muons]"""
    overconfidence: float = 1.25
    """factor on the log-likelihood differences: real likelihoods are not calibrated [fit]"""
    klm_klong: float = 0.50
    """K_L clusters there [phys, K_L; fit: 28 clusters of 65 K_L]"""
    klm_hadron: float = 0.25
    """clusters of a charged pion that reaches the calorimeter [fit: 126 of 816]"""
    klm_kaon: float = 0.30
    """clusters of a charged kaon that reaches the calorimeter [fit: 29 of 143]"""


class BackgroundParameters(NamedTuple):
    """Beam background: what is there without any collision."""

    clusters: float = 1.2
    """clusters per event above threshold and within the time window [phys, beam background; of the order of the
    first years' luminosity; guess]"""
    cluster_energy: float = 0.025
    """GeV above threshold, mean, exponential [phys, calorimeter: mostly below 50 MeV]"""
    tracks: float = 0.04
    """tracks per event [guess]"""
    time_width: float = 300.0
    """ns, uniform time window around the collision [phys, calorimeter]"""


#: Groups of numbers, in the order of their columns.
GROUPS: Final = ("geometry", "tracking", "calorimeter", "identification", "background")


@dataclass(frozen=True)
class DetectorParameters:
    """A detector: five groups of numbers under a name."""

    name: str = "belle2"
    version: int = PARAMETERS_VERSION
    geometry: GeometryParameters = field(default_factory=GeometryParameters)
    tracking: TrackingParameters = field(default_factory=TrackingParameters)
    calorimeter: CalorimeterParameters = field(default_factory=CalorimeterParameters)
    identification: IdentificationParameters = field(default_factory=IdentificationParameters)
    background: BackgroundParameters = field(default_factory=BackgroundParameters)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        groups = {name: dict(getattr(self, name)._asdict()) for name in GROUPS}
        return {"name": self.name, "version": self.version, **groups}

    @property
    def digest(self) -> str:
        """SHA-256 of all numbers."""
        return digest_of(self.to_dict())

    def to_record(self) -> NDArray[np.void]:
        """(1,) structured array with a nested record a group: what compiled code reads by the same names."""
        groups = {name: getattr(self, name) for name in GROUPS}
        dtype = [
            (
                name,
                [
                    (key, np.float64, (len(value),)) if isinstance(value, tuple) else (key, np.float64)
                    for key, value in group._asdict().items()
                ],
            )
            for name, group in groups.items()
        ]
        record = np.zeros(1, dtype=np.dtype(dtype))
        for name, group in groups.items():
            for key, value in group._asdict().items():
                record[name][key] = value
        return record

    def replace(self, name: str, **changes: Mapping[str, Any]) -> DetectorParameters:
        """A changed detector.

        Parameters
        ----------
        name : of the new set.
        changes : group → {number: value}.

        Raises
        ------
        UsageError
            An unknown group or number, or a table of another length.

        >>> BELLE2.replace("thin", tracking={"efficiency_scale": 0.9}).tracking.efficiency_scale
        0.9
        """
        groups: dict[str, Any] = {}
        for group, numbers in changes.items():
            if group not in GROUPS:
                raise UsageError(f"detector parameters: unknown group '{group}': {nearest(group, GROUPS)}")
            old = getattr(self, group)
            for key, value in numbers.items():
                if key not in old._fields:
                    raise UsageError(
                        f"detector parameters: unknown {group} number '{key}': {nearest(key, old._fields)}"
                    )
                expected = len(getattr(old, key)) if isinstance(getattr(old, key), tuple) else None
                got = len(value) if isinstance(value, tuple) else None
                if got != expected:
                    raise UsageError(f"detector parameters: {group} '{key}' has {got} values, expected {expected}")
            groups[group] = old._replace(
                **{key: value if isinstance(value, tuple) else float(value) for key, value in numbers.items()}
            )
        return replace(self, name=name, **groups)


BELLE2: Final = DetectorParameters()
"""Belle II as in the fully simulated reference events, with a little beam background."""

BELLE2_WITHOUT_BACKGROUND: Final = BELLE2.replace(
    "belle2-without-background", background={"clusters": 0.0, "tracks": 0.0}
)
"""For comparison with full simulation that has no beam background."""

ALTERNATIVE: Final = BELLE2.replace(
    "alternative",
    tracking={"efficiency_scale": 0.96, "tail_fraction": 0.20, "conversion_thickness": 0.05, "fake_rate": 0.35},
    calorimeter={"resolution_constant": 0.025, "energy_scale": 0.99, "threshold": 0.025, "extra_pion": 0.6},
    identification={"dedx_resolution": 0.09, "top_resolution": 0.11, "klm_pion": 0.09},
    background={"clusters": 5.0, "tracks": 0.15},
)
"""Another detector, or a later year: worse resolutions, more material, more background. For studies of transfer."""

_BY_NAME: Final = {parameters.name: parameters for parameters in (BELLE2, BELLE2_WITHOUT_BACKGROUND, ALTERNATIVE)}


def detector_names() -> tuple[str, ...]:
    """Names of the sets of this package."""
    return tuple(_BY_NAME)


def detector_parameters(name: str) -> DetectorParameters:
    """The set of that name.

    Raises
    ------
    UsageError
        There is no such set.
    """
    if name not in _BY_NAME:
        raise UsageError(f"unknown detector '{name}': {nearest(name, _BY_NAME)}; or a file of changes, FILE.json")
    return _BY_NAME[name]
