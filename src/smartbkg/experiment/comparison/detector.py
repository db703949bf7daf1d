"""The embedded detector against full simulation: the same generated particles through both, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.experiment.comparison.full_simulation import read_full_simulation
from smartbkg.experiment.comparison.resolutions import Resolution, compare_resolutions
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.detector.objects import FROM_PARTICLE, KAON, PID_CODES, PID_HYPOTHESES, PION, DetectorResponse
from smartbkg.experiment.detector.parameters import BELLE2_WITHOUT_BACKGROUND, DetectorParameters
from smartbkg.optional import needed_for

#: Agreement asked of the means of the event's multiplicities.
TOLERANCE: Final = 0.10


class ComparedQuantity(NamedTuple):
    """One quantity of both simulations."""

    name: str
    """Name."""
    label: str
    """Text with unit for tables and axes."""
    full: NDArray[np.float64]
    """(n_full,) values in full simulation."""
    fast: NDArray[np.float64]
    """(n_fast,) values of all replicas of the embedded one."""
    full_mean: float
    """Mean; of an object's quantity, objects per event differ and are compared elsewhere."""
    fast_mean: float
    """Mean over the replicas."""
    ratio: float
    """Embedded over full."""
    ratio_uncertainty: float
    """Standard deviation from the full simulation's statistics."""
    ks_distance: float
    """Largest distance of the cumulative distributions."""
    ks_p_value: float
    """Its p-value, as if entries of one event were independent."""
    tolerance: float | None
    """Agreement asked of the ratio, None where none is."""

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the ratio is as near to 1 as asked."""
        return self.tolerance is None or abs(self.ratio - 1.0) <= self.tolerance


class Efficiency(NamedTuple):
    """A fraction in bins of a quantity, in both simulations."""

    name: str
    """What it is."""
    label: str
    """Axis."""
    edges: NDArray[np.float64]
    """(n_bins + 1,)"""
    full: NDArray[np.float64]
    """(n_bins,) NaN where there is no particle"""
    full_uncertainty: NDArray[np.float64]
    """(n_bins,) binomial, after Jeffreys' prior"""
    fast: NDArray[np.float64]
    """(n_bins,)"""
    n_particles: int
    """in full simulation, all bins together"""
    full_total: float
    """fraction of all bins together"""
    full_total_uncertainty: float
    """binomial, after Jeffreys' prior"""
    fast_total: float
    """fraction of all bins together"""

    @property
    def chi_square_per_bin(self) -> float:
        """χ² over the number of bins with particles, with the uncertainty of full simulation."""
        is_filled = np.isfinite(self.full) & np.isfinite(self.fast)
        pulls = (self.fast - self.full)[is_filled] / self.full_uncertainty[is_filled]
        return float((pulls**2).mean())


class DetectorComparison(NamedTuple):
    """The embedded detector and full simulation."""

    events: tuple[ComparedQuantity, ...]
    """multiplicities and sums of an event"""
    objects: tuple[ComparedQuantity, ...]
    """spectra of tracks, clusters and V0s"""
    efficiencies: tuple[Efficiency, ...]
    """tracking, photons, identification"""
    resolutions: tuple[Resolution, ...]
    """of momentum, impact parameters and photon energy"""
    n_events: int
    """events of the file"""
    n_replicas: int
    """times each was simulated"""
    detector: str
    """name of the embedded detector"""

    @property
    def disagreeing(self) -> tuple[ComparedQuantity, ...]:
        """Quantities whose means differ by more than asked."""
        return tuple(one for one in self.events if not one.is_within_tolerance)

    @property
    def further(self) -> tuple[ComparedQuantity, ...]:
        """Quantities exempt from the tolerance whose means would fail it."""
        return tuple(one for one in self.events if one.tolerance is None and abs(one.ratio - 1.0) > TOLERANCE)


def _count(offsets: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chosen objects per event."""
    return _sum(offsets, chosen.astype(np.float64))


def _sum(offsets: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.diff(np.concatenate([[0.0], np.cumsum(values)])[offsets])


def event_quantities(response: DetectorResponse) -> dict[str, NDArray[np.float64]]:
    """Multiplicities and sums of each event, by name."""
    tracks, clusters, v0s, klm = response.tracks, response.clusters, response.v0s, response.klm
    is_neutral = clusters.track < 0
    pt = np.hypot(tracks.px, tracks.py)
    is_good = (np.abs(tracks.d0) < 0.5) & (np.abs(tracks.z0) < 2.0) & (pt > 0.1)
    pair = (
        v0s.positive.astype(np.int64) * 100_000
        + v0s.negative
        + np.repeat(np.arange(response.n_events) * 10**10, np.diff(v0s.offsets))
    )
    is_first = np.zeros(len(pair), dtype=np.bool_)
    is_first[np.unique(pair, return_index=True)[1]] = True
    return {
        "tracks": np.diff(tracks.offsets).astype(np.float64),
        "good tracks": _count(tracks.offsets, is_good),
        "clusters": np.diff(clusters.offsets).astype(np.float64),
        "neutral clusters": _count(clusters.offsets, is_neutral),
        "neutral clusters > 0.1 GeV": _count(clusters.offsets, is_neutral & (clusters.energy > 0.1)),
        "neutral energy": _sum(clusters.offsets, np.where(is_neutral, clusters.energy, 0.0)),
        "photon clusters": _count(clusters.offsets, is_neutral & clusters.is_photon),
        "matched clusters": _count(clusters.offsets, ~is_neutral),
        "V0s": np.diff(v0s.offsets).astype(np.float64),
        "V0 pairs": _count(v0s.offsets, is_first),
        "KLM clusters": np.diff(klm.offsets).astype(np.float64),
    }


_LABELS: Final[Mapping[str, str]] = {
    "tracks": "tracks", "good tracks": "tracks, |d0| < 0.5 cm, |z0| < 2 cm, p_T > 0.1 GeV", "clusters": "clusters",
    "neutral clusters": "neutral clusters", "neutral clusters > 0.1 GeV": "neutral clusters above 0.1 GeV",
    "neutral energy": "neutral cluster energy, sum [GeV]", "photon clusters": "neutral clusters as photons",
    "matched clusters": "clusters with a track", "V0s": "V0s, all hypotheses", "V0 pairs": "V0s, pairs of tracks",
    "KLM clusters": "KLM clusters",
}  # fmt: skip
_ASKED: Final = ("tracks", "clusters", "neutral clusters", "neutral clusters > 0.1 GeV", "neutral energy", "V0s")


def object_quantities(response: DetectorResponse) -> dict[str, NDArray[np.float64]]:
    """Quantities of single objects, by axis label."""
    tracks, clusters, v0s = response.tracks, response.clusters, response.v0s
    pt = np.hypot(tracks.px, tracks.py)
    is_photon = (clusters.track < 0) & clusters.is_photon
    is_matched = (clusters.track >= 0) & clusters.is_photon
    return {
        "track p_T [GeV]": np.minimum(pt, 5.0),
        "track cos θ": tracks.pz / np.hypot(pt, tracks.pz),
        "log10 |d0 / cm|": np.log10(np.abs(tracks.d0) + 1e-5),
        "log10 |z0 / cm|": np.log10(np.abs(tracks.z0) + 1e-5),
        "drift chamber hits": tracks.n_cdc_hits.astype(np.float64),
        "log10 E of neutral photon clusters [GeV]": np.log10(clusters.energy[is_photon]),
        "θ of neutral photon clusters [rad]": clusters.theta[is_photon],
        "log10 E of matched clusters [GeV]": np.log10(clusters.energy[is_matched]),
        "E9/E21 of neutral photon clusters": clusters.e9_over_e21[is_photon].astype(np.float64),
        "crystals of neutral photon clusters": clusters.n_hits[is_photon].astype(np.float64),
        "V0 mass as K_S [GeV]": v0s.mass[v0s.code == 310],
        "kaon probability": tracks.pid[:, KAON].astype(np.float64),
        "pion probability": tracks.pid[:, PION].astype(np.float64),
    }


def truth_quantities(batch: EventBatch, response: DetectorResponse) -> dict[str, NDArray[np.float64]]:
    """Resolutions: measured against true values of pions and photons."""
    tracks, clusters, particle = response.tracks, response.clusters, batch.particle
    own = (tracks.origin == FROM_PARTICLE) & (tracks.truth >= 0)
    own &= np.abs(particle["PDG"][np.maximum(tracks.truth, 0)]) == 211
    truth = tracks.truth[own]
    true_pt = np.hypot(particle["px"][truth], particle["py"][truth]).astype(np.float64)
    is_fast = true_pt > 0.3
    residual = np.hypot(tracks.px[own], tracks.py[own]) / true_pt - 1.0
    shower = (clusters.track < 0) & clusters.is_photon & (clusters.origin == FROM_PARTICLE) & (clusters.truth >= 0)
    shower &= particle["PDG"][np.maximum(clusters.truth, 0)] == 22
    energy = particle["energy"][clusters.truth[shower]].astype(np.float64)
    return {
        "p_T / true - 1, π above 0.3 GeV": np.clip(residual[is_fast], -0.05, 0.05),
        "p_T / true - 1, π below 0.3 GeV": np.clip(residual[~is_fast], -0.3, 0.3),
        "E / true, photons": np.clip((clusters.energy[shower] / energy)[energy > 0.05], 0.0, 1.3),
    }


def _compared(
    name: str, label: str, full: NDArray[np.float64], fast: NDArray[np.float64], tolerance: float | None
) -> ComparedQuantity:
    full, fast = full[np.isfinite(full)], fast[np.isfinite(fast)]
    full_mean, fast_mean = float(full.mean()), float(fast.mean())
    error = float(full.std(ddof=1) / np.sqrt(len(full)))
    with needed_for("a comparison of simulations", "report"):
        from scipy import stats

    test = stats.ks_2samp(full, fast, method="asymp")
    ratio = fast_mean / full_mean
    return ComparedQuantity(
        name, label, full, fast, full_mean, fast_mean, ratio, abs(ratio * error / full_mean),
        float(test.statistic), float(test.pvalue), tolerance,
    )  # fmt: skip


class _Particles(NamedTuple):
    """Generated particles that should be seen."""

    code: NDArray[np.int64]
    pt: NDArray[np.float64]
    energy: NDArray[np.float64]
    is_accepted: NDArray[np.bool_]


def _particles(batch: EventBatch) -> _Particles:
    particle = batch.particle
    pt = np.hypot(particle["px"], particle["py"]).astype(np.float64)
    theta = np.degrees(np.arctan2(pt, particle["pz"]))
    is_primary = (particle["status"] & ParticleStatus.PRIMARY) > 0
    is_prompt = np.hypot(particle["x"], particle["y"]) < 1.0
    is_accepted = is_primary & is_prompt & (theta > 17.0) & (theta < 150.0)
    return _Particles(np.abs(particle["PDG"]).astype(np.int64), pt, particle["energy"].astype(np.float64), is_accepted)


def _fraction(
    name: str, label: str, edges: Sequence[float], value: NDArray[np.float64], full: NDArray[np.float64],
    fast: NDArray[np.float64],
) -> Efficiency:  # fmt: skip
    """Fractions of `full` and `fast` (seen or not, or how often) in bins of a value."""
    bins = np.asarray(edges, dtype=np.float64)
    place = np.digitize(value, bins) - 1
    is_inside = (place >= 0) & (place < len(bins) - 1)
    n = len(bins) - 1
    total = np.bincount(place[is_inside], minlength=n).astype(np.float64)
    seen = np.bincount(place[is_inside], full[is_inside], minlength=n).astype(np.float64)
    mean = np.bincount(place[is_inside], fast[is_inside], minlength=n).astype(np.float64)
    return _efficiency(name, label, bins, (seen, total), (mean, total))


def _efficiency(
    name: str, label: str, edges: NDArray[np.float64], full: tuple[NDArray[np.float64], NDArray[np.float64]],
    fast: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Efficiency:  # fmt: skip
    """From (seen, all) in each bin of both simulations."""
    (seen, total), (fast_seen, fast_total) = full, fast
    n_seen, n_all = float(seen.sum()), float(total.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return Efficiency(
            name, label, edges, seen / total, _beta_spread(seen + 0.5, total - seen + 0.5),
            fast_seen / fast_total, int(n_all), n_seen / n_all,
            float(_beta_spread(n_seen + 0.5, n_all - n_seen + 0.5)), float(fast_seen.sum() / fast_total.sum()),
        )  # fmt: skip


def _beta_spread(a: NDArray[np.float64] | float, b: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Standard deviation of Beta(a, b)."""
    return np.asarray(np.sqrt(a * b / (a + b + 1)) / (a + b))


def _found(batch: EventBatch, response: DetectorResponse) -> NDArray[np.float64]:
    """(n_particles,) 1 where the particle's own track or cluster is found."""
    found = np.zeros(batch.n_particles)
    for record in (response.tracks, response.clusters):
        own = (record.truth >= 0) & (record.origin == FROM_PARTICLE)
        found[record.truth[own]] = 1.0
    return found


def _identified(response: DetectorResponse, kind: int) -> tuple[NDArray[np.int64], ...]:
    """(particle of each own track, whether its most probable hypothesis is ``kind``)."""
    tracks = response.tracks
    own = (tracks.truth >= 0) & (tracks.origin == FROM_PARTICLE)
    return tracks.truth[own], (tracks.pid[own].argmax(axis=1) == kind).astype(np.int64)


def _efficiencies(batch: EventBatch, full: DetectorResponse, fast: Sequence[DetectorResponse]) -> Iterator[Efficiency]:
    particles = _particles(batch)
    found_full = _found(batch, full)
    found_fast = np.mean([_found(batch, response) for response in fast], axis=0)
    momentum = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.5, 3.0)
    for code, label in ((211, "π"), (321, "K")):
        chosen = particles.is_accepted & (particles.code == code)
        yield _fraction(
            f"{label} track or cluster found", "p_T [GeV]", momentum, particles.pt[chosen], found_full[chosen],
            found_fast[chosen],
        )  # fmt: skip
    chosen = particles.is_accepted & (particles.code == 22)
    yield _fraction(
        "photon cluster found", "E [GeV]", (0.02, 0.04, 0.06, 0.1, 0.2, 0.4, 0.8, 3.0), particles.energy[chosen],
        found_full[chosen], found_fast[chosen],
    )  # fmt: skip
    for true_kind, kind in ((PION, PION), (KAON, KAON), (PION, KAON), (KAON, PION), (PION, 1), (1, 1), (0, 0)):
        yield _identification(batch, full, fast, true_kind, kind)


def _identification(
    batch: EventBatch, full: DetectorResponse, fast: Sequence[DetectorResponse], true_kind: int, kind: int
) -> Efficiency:
    """How often a track of one kind is most probably another, against momentum."""
    edges = np.array([0.1, 0.3, 0.6, 1.0, 1.5, 3.0])
    particle = batch.particle
    momentum = np.sqrt(sum(particle[name].astype(np.float64) ** 2 for name in ("px", "py", "pz")))

    def fraction(responses: Sequence[DetectorResponse]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        total, seen = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
        for response in responses:
            truth, is_kind = _identified(response, kind)
            chosen = np.abs(particle["PDG"][truth]) == PID_CODES[true_kind]
            total += np.histogram(momentum[truth[chosen]], edges)[0]
            seen += np.histogram(momentum[truth[chosen]], edges, weights=is_kind[chosen])[0]
        return total, seen

    total, seen = fraction([full])
    fast_total, fast_seen = fraction(fast)
    name = f"{PID_HYPOTHESES[true_kind]} track most probably {PID_HYPOTHESES[kind]}"
    return _efficiency(name, "p [GeV]", edges, (seen, total), (fast_seen, fast_total))


def compare_with_full_simulation(
    path: Path, *, n_replicas: int = 20, seed: int = 1, parameters: DetectorParameters = BELLE2_WITHOUT_BACKGROUND
) -> DetectorComparison:
    """Simulate the generated particles of an mDST file again and compare with what full simulation made of them.

    Parameters
    ----------
    path : mDST file with generated particles and reconstructed objects.
    n_replicas : times each event is simulated.
    seed : of the embedded detector.
    parameters : of the embedded detector; the default has no beam background.

    Raises
    ------
    FileFormatError
        The file holds no such thing.
    """
    batch, full = read_full_simulation(path)
    fast = [simulate_detector(batch, seed, replica, parameters) for replica in range(n_replicas)]

    def gathered(measure: Callable[[DetectorResponse], dict[str, NDArray[np.float64]]]) -> dict[str, Any]:
        parts = [measure(response) for response in fast]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    fast_events = gathered(event_quantities)
    events = tuple(
        _compared(name, _LABELS[name], values, fast_events[name], TOLERANCE if name in _ASKED else None)
        for name, values in event_quantities(full).items()
    )
    fast_objects = gathered(object_quantities) | gathered(lambda response: truth_quantities(batch, response))
    objects = tuple(
        _compared(name, name, values, fast_objects[name], None)
        for name, values in (object_quantities(full) | truth_quantities(batch, full)).items()
    )
    return DetectorComparison(
        events, objects, tuple(_efficiencies(batch, full, fast)), compare_resolutions(batch, full, fast), len(batch),
        n_replicas, parameters.name,
    )  # fmt: skip
