"""The generator against EvtGen: Belle II's histograms of 100,000 B0 B̄0 events, numbers and figures.

The histograms are those of basf2's validation (generators/validation): how many particles of a kind an event has, and
event shapes. There the K_L decays in the generator, as here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import uproot
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.experiment.beams import FourMomenta, boost_to_rest_frame
from smartbkg.experiment.reconstruction.event_shape import event_shapes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MULTIPLICITY_FILE: Final = "MultiplicityPlotsMixed.root"
EVENT_SHAPE_FILE: Final = "EventShapePlotsMixed.root"

#: Histogram → PDG code (either sign) and label.
MULTIPLICITIES: Final[Mapping[str, tuple[int, str]]] = {
    "nPIp": (211, "π±"), "nPI0": (111, "π0"), "nKp": (321, "K±"), "nKS0": (310, "K_S"), "nKL0": (130, "K_L"),
    "nD0": (421, "D0"), "nDp": (411, "D±"), "nELECTRON": (11, "e"), "nMUON": (13, "μ"), "nPHOTON": (22, "γ"),
    "nTAUON": (15, "τ"), "nENEUTRINO": (12, "ν_e"), "nMNEUTRINO": (14, "ν_μ"), "nTNEUTRINO": (16, "ν_τ"),
    "nRHOp": (213, "ρ±"), "nRHO0": (113, "ρ0"), "nKstarp": (323, "K*±"), "nKstar0": (313, "K*0"),
    "nETA": (221, "η"), "nETAprim": (331, "η'"), "nPHI": (333, "φ"), "nJPSI": (443, "J/ψ"),
}  # fmt: skip

#: Histogram → label.
EVENT_SHAPES: Final[Mapping[str, str]] = {
    "foxWolframR1": "R1", "foxWolframR2": "R2", "foxWolframR3": "R3", "foxWolframR4": "R4", "thrust": "thrust",
    "sphericity": "sphericity", "aplanarity": "aplanarity",
}  # fmt: skip

#: Particles whose momenta enter EvtGen's event shapes: basf2 lists the K_L beside its decay products.
SHAPE_CODES: Final = (211, 321, 13, 11, 2212, 130, 22)

#: Agreement asked for: ratio of means within 5 % (multiplicities of the first ten) and 3 % (R2, thrust, sphericity).
TOLERANCE_OF_MEANS: Final[Mapping[str, float]] = dict.fromkeys(tuple(MULTIPLICITIES)[:10], 0.05) | dict.fromkeys(
    ("foxWolframR2", "thrust", "sphericity"), 0.03
)

#: What does not agree, and why, for the page that shows the comparison.
KNOWN_DIFFERENCES: Final = (
    "Matrix elements: PYTHIA decays by phase space where EvtGen has form factors, Dalitz amplitudes and helicity "
    "amplitudes (D → Kππ, B → D* ρ, B → D(*) ℓ ν beyond V-A). Branching fractions are EvtGen's.",
    "Fragmentation: 48 % of the B0 decays are quarks that PYTHIA's strings turn into hadrons, with its own default "
    "parameters: 3-4 % more kaons, 5 % more K*, and c c̄ pairs that end as J/ψ (15 % more).",
    "Decay table: the one used here is of 2023, the histograms are older: η 4 % fewer, φ 4 % more.",
    "τ leptons decay without spin, their three-pion decays through the a1 alone.",
    "Event shapes, 1-2.5 % (R2 and R1 high, R3 and sphericity low): the spin correlations that are missing.",
)


class HistogramComparison(NamedTuple):
    """One distribution, EvtGen's and the generator's."""

    name: str
    """Name of the histogram."""
    label: str
    """Text for tables and axes."""
    edges: NDArray[np.float64]
    """(n_bins + 1,) edges of the bins."""
    expected: NDArray[np.float64]
    """(n_bins,) fraction of EvtGen's events per bin."""
    expected_uncertainty: NDArray[np.float64]
    """(n_bins,) its standard deviation."""
    found: NDArray[np.float64]
    """(n_bins,) fraction of the generator's events per bin."""
    found_uncertainty: NDArray[np.float64]
    """(n_bins,) its standard deviation."""
    expected_mean: float
    """Mean of EvtGen's histogram, overflows left out."""
    found_mean: float
    """Mean of the generator's events, over the same bins and with values at their centres."""
    ratio: float
    """Found mean over expected mean."""
    ratio_uncertainty: float
    """Standard deviation of the ratio, from both numbers of events."""
    chi_square_per_bin: float
    """χ² of the two histograms over the number of bins with events."""
    tolerance: float | None
    """Agreement asked of the ratio, None where none is."""

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the ratio is as near to 1 as asked (True where nothing is asked)."""
        return self.tolerance is None or abs(self.ratio - 1.0) <= self.tolerance


class GeneratorComparison(NamedTuple):
    """All distributions."""

    multiplicities: tuple[HistogramComparison, ...]
    """Particles per event, in the order of `MULTIPLICITIES`."""
    shapes: tuple[HistogramComparison, ...]
    """Event shapes, in the order of `EVENT_SHAPES`."""
    n_events: int
    """Generated events that were compared."""

    @property
    def disagreeing(self) -> tuple[HistogramComparison, ...]:
        """Distributions whose means differ by more than asked."""
        return tuple(one for one in (*self.multiplicities, *self.shapes) if not one.is_within_tolerance)


def _moments(values: NDArray[np.float64], centres: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of a histogram and the standard deviation of that mean."""
    total = values.sum()
    mean = (values * centres).sum() / total
    variance = (values * (centres - mean) ** 2).sum() / total
    return float(mean), float(np.sqrt(variance / total))


def compare_histogram(
    name: str, label: str, edges: NDArray[np.float64], expected: NDArray[np.float64], found: NDArray[np.float64]
) -> HistogramComparison:
    """Compare two histograms of events.

    Parameters
    ----------
    name, label : for tables; the name finds the tolerance.
    edges : (n_bins + 1,) edges of the bins.
    expected, found : (n_bins,) numbers of events.
    """
    centres = 0.5 * (edges[1:] + edges[:-1])
    n_expected, n_found = expected.sum(), found.sum()
    expected_mean, expected_error = _moments(expected, centres)
    found_mean, found_error = _moments(found, centres)
    fractions = expected / n_expected, found / n_found
    pooled = (expected + found) / (n_expected + n_found)
    variance = pooled * (1.0 / n_expected + 1.0 / n_found)
    has_events = pooled > 0
    chi_square = ((fractions[1] - fractions[0])[has_events] ** 2 / variance[has_events]).sum()
    return HistogramComparison(
        name,
        label,
        edges,
        fractions[0],
        np.sqrt(expected) / n_expected,
        fractions[1],
        np.sqrt(found) / n_found,
        expected_mean,
        found_mean,
        found_mean / expected_mean,
        float(np.hypot(found_error / expected_mean, found_mean * expected_error / expected_mean**2)),
        float(chi_square / has_events.sum()),
        TOLERANCE_OF_MEANS.get(name),
    )


def _read_histograms(path: Path, names: Iterable[str]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Name → (edges, numbers of events) of the histograms in a ROOT file."""
    try:
        with uproot.open(path) as file:
            return {name: (file[name].axis().edges(), file[name].values()) for name in names}
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such file") from error
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError(f"{path}: not EvtGen's histograms: {str(error).splitlines()[0]}") from error


def multiplicities_of(batch: EventBatch) -> dict[str, NDArray[np.float64]]:
    """Histogram name → (n_events,) number of particles of that kind."""
    codes, event = np.abs(batch.particle["PDG"]), batch.event_index
    return {
        name: np.bincount(event[codes == code], minlength=len(batch)).astype(np.float64)
        for name, (code, _) in MULTIPLICITIES.items()
    }


def event_shapes_of(batch: EventBatch) -> dict[str, NDArray[np.float64]]:
    """Histogram name → (n_events,) event shape, of the particles and in the frame of EvtGen's histograms."""
    is_used = np.isin(np.abs(batch.particle["PDG"]), SHAPE_CODES)
    counts = np.bincount(batch.event_index[is_used], minlength=len(batch))
    columns = (batch.particle[name][is_used].astype(np.float64) for name in ("energy", "px", "py", "pz"))
    momenta = boost_to_rest_frame(FourMomenta(*columns))
    shapes = event_shapes(np.concatenate([[0], np.cumsum(counts)]), momenta.px, momenta.py, momenta.pz)
    return {f"foxWolframR{order}": shapes.fox_wolfram[:, order] for order in range(1, 5)} | {
        "thrust": shapes.thrust,
        "sphericity": shapes.sphericity,
        "aplanarity": shapes.aplanarity,
    }


def compare_with_evtgen(batches: Iterable[EventBatch], folder: Path) -> GeneratorComparison:
    """Compare events of the process ``mixed`` with EvtGen's histograms.

    Parameters
    ----------
    batches : generated events; 100,000 make the statistical errors those of the histograms.
    folder : holds `MULTIPLICITY_FILE` and `EVENT_SHAPE_FILE`.

    Raises
    ------
    FileFormatError
        A file is missing or holds something else.
    """
    expected = _read_histograms(folder / MULTIPLICITY_FILE, MULTIPLICITIES)
    expected |= _read_histograms(folder / EVENT_SHAPE_FILE, EVENT_SHAPES)
    found = {name: np.zeros(len(edges) - 1) for name, (edges, _) in expected.items()}
    n_events = 0
    for batch in batches:
        n_events += len(batch)
        for name, values in (multiplicities_of(batch) | event_shapes_of(batch)).items():
            found[name] += np.histogram(values, bins=expected[name][0])[0]
    labels = {name: label for name, (_, label) in MULTIPLICITIES.items()} | dict(EVENT_SHAPES)
    compared = {name: compare_histogram(name, labels[name], *expected[name], found[name]) for name in expected}
    return GeneratorComparison(
        tuple(compared[name] for name in MULTIPLICITIES), tuple(compared[name] for name in EVENT_SHAPES), n_events
    )


def generate_and_compare(folder: Path, *, n_events: int = 10_000, seed: int = 1) -> GeneratorComparison | None:
    """Generate events of ``mixed`` and compare them with EvtGen's histograms.

    Parameters
    ----------
    folder : where the histograms are looked for.
    n_events : events to generate: ten thousand take a few seconds and know the means to 1 %.
    seed : of the generator.

    Returns
    -------
    The comparison, or None where the folder lacks the histograms or PYTHIA is not installed.
    """
    has_histograms = all((folder / name).is_file() for name in (MULTIPLICITY_FILE, EVENT_SHAPE_FILE))
    if not has_histograms or importlib.util.find_spec("pythia8mc") is None:
        return None
    from smartbkg.experiment.generator.generate import generate_events

    return compare_with_evtgen(generate_events("mixed", n_events, seed), folder)


def draw_comparison(one: HistogramComparison) -> Figure:
    """EvtGen as steps, the generator as points with error bars."""
    from smartbkg.plots.curves import new_figure, with_headroom

    figure, axes = new_figure()
    centres = 0.5 * (one.edges[1:] + one.edges[:-1])
    axes.stairs(one.expected, one.edges, fill=True, color="0.8", label="EvtGen")
    axes.errorbar(centres, one.found, one.found_uncertainty, fmt=".", color="tab:blue", label="smartbkg")
    axes.set(xlabel=one.label, ylabel="fraction of events")
    axes.set_title(f"ratio of means {one.ratio:.3f} ± {one.ratio_uncertainty:.3f}", fontsize="medium")
    with_headroom(axes, n_columns=2)
    return figure
