"""The page that shows the embedded experiment beside full simulation and EvtGen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from smartbkg._version import __version__
from smartbkg.experiment.comparison.detector import (
    TOLERANCE,
    ComparedQuantity,
    DetectorComparison,
    Efficiency,
    compare_with_full_simulation,
)
from smartbkg.experiment.comparison.generator import KNOWN_DIFFERENCES as GENERATOR_DIFFERENCES
from smartbkg.experiment.comparison.generator import GeneratorComparison, draw_comparison
from smartbkg.optional import needed_for
from smartbkg.scores.histogram import even_edges
from smartbkg.storage.atomic import write_text_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What does not agree, and why, for the page.
KNOWN_DIFFERENCES: Final = (
    "Beam background: the file has none (every cluster belongs to a particle), so the embedded detector runs without "
    "its own here; in production it adds 1.2 clusters and 0.04 tracks per event.",
    "Tracks of poor quality (p_T below 0.1 GeV, later turns of curling particles, fragments of hadronic interactions) "
    "are drawn from their spectra, not followed: their impact parameters have shorter tails than in full simulation.",
    "Neutral clusters of hadrons: number and energy are fitted by species; their shape variables are independent of "
    "one another, and showers share no crystals beyond the merging of near ones.",
    "Identification below 0.3 GeV tells e, μ and π apart better than the file's release did, and the file mistakes a "
    "tenth of its kaons for electrons in the calorimeter, which later releases mended and we left out.",
    "Cluster shapes (E9/E21, number of crystals) have the right quantiles, not the right steps: the file stores them "
    "rounded, with most photons at exactly 1.",
    "V0s: basf2 fits without mass windows and rejects by the fit's quality; here loose windows take its place, so "
    "that numbers agree and the masses of random pairs do not.",
    "One hundred events: a mean of 11.35 tracks is known to 3 %, an efficiency in a bin of 30 kaons to 5 %.",
    "Clusters with a track: those of the track's own shower agree to 2 %; what is missing are fragments of hadronic "
    "showers, of which full simulation gives the tracks 1.5 an event and we 0.5.",
    "Drift chamber hits are drawn about a mean that depends on polar angle and p_T alone, 53 for long tracks; in the "
    "file these have 58, and a tenth of the tracks none.",
    "Probabilities of kaons and pions: the largest distances are among values below 1e-19, the least that occur here; "
    "between 0.001 and 0.999 the distances are 0.05 and 0.07.",
    "z0 above p_T of 0.3 GeV: 1.3 times as wide as in the file; kaons are found 5 % less often. Both remain as they "
    "are: trained signal probabilities and networks depend on them.",
)


def draw_quantity(one: ComparedQuantity) -> Figure:
    """Full simulation as points, the embedded one as filled steps."""
    from smartbkg.plots.curves import new_figure, with_headroom

    figure, axes = new_figure()
    low, high = np.percentile(np.concatenate([one.full, one.fast]), [0.2, 99.8])
    edges = even_edges(np.concatenate([one.full, one.fast]), float(low), float(high), 20)
    centres = 0.5 * (edges[1:] + edges[:-1])
    full, fast = np.histogram(one.full, edges)[0], np.histogram(one.fast, edges)[0]
    scale = max(1, len(one.full))
    axes.stairs(fast / max(1, len(one.fast)), edges, fill=True, color="0.8", label="smartbkg")
    axes.errorbar(centres, full / scale, np.sqrt(full) / scale, fmt=".", color="black", label="full simulation")
    axes.set(xlabel=one.label, ylabel="fraction")
    axes.set_title(f"KS {one.ks_distance:.3f}, p = {one.ks_p_value:.2g}", fontsize="medium")
    with_headroom(axes, n_columns=2)
    return figure


def draw_efficiency(one: Efficiency) -> Figure:
    """Full simulation as points with errors, the embedded one as a line."""
    from smartbkg.plots.curves import new_figure

    figure, axes = new_figure()
    centres = np.sqrt(one.edges[1:] * one.edges[:-1])
    axes.stairs(one.fast, one.edges, baseline=None, color="#0072B2", label="smartbkg")
    axes.errorbar(centres, one.full, one.full_uncertainty, fmt=".", color="black", label="full simulation")
    axes.set(xscale="log", ylim=(-0.05, 1.3), xlabel=one.label, ylabel="fraction")
    axes.set_title(one.name, fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="upper center", ncols=2)
    return figure


def render_comparison(
    comparison: DetectorComparison, *, data_name: str, generator: GeneratorComparison | None = None
) -> str:
    """The comparison as one HTML page without references to other files.

    Parameters
    ----------
    comparison : of `compare_with_full_simulation`.
    data_name : name of the file of full simulation.
    generator : of `smartbkg.experiment.comparison.generator.compare_with_evtgen`, where it was made.
    """
    with needed_for("the comparison's page", "report"):
        from smartbkg.plots.curves import as_data_uri
        from smartbkg.plots.page import page_environment

    environment = page_environment("smartbkg.experiment")
    pictures = {
        "events": [as_data_uri(draw_quantity(one)) for one in comparison.events],
        "objects": [as_data_uri(draw_quantity(one)) for one in comparison.objects],
        "efficiencies": [as_data_uri(draw_efficiency(one)) for one in comparison.efficiencies],
    }
    if generator is not None:
        pictures["multiplicities"] = [as_data_uri(draw_comparison(one)) for one in generator.multiplicities]
        pictures["shapes"] = [as_data_uri(draw_comparison(one)) for one in generator.shapes]
    return environment.get_template("comparison.html").render(
        comparison=comparison,
        pictures=pictures,
        generator=generator,
        data_name=data_name,
        differences=KNOWN_DIFFERENCES,
        generator_differences=GENERATOR_DIFFERENCES,
        tolerance=TOLERANCE,
        n_asked=sum(one.tolerance is not None for one in comparison.events),
        version=__version__,
    )


def write_comparison(
    path: Path, output: Path, *, n_replicas: int = 20, seed: int = 1, generator: GeneratorComparison | None = None
) -> DetectorComparison:
    """Compare with the full simulation in an mDST file and write the page; returns the numbers."""
    comparison = compare_with_full_simulation(path, n_replicas=n_replicas, seed=seed)
    write_text_atomically(output, render_comparison(comparison, data_name=path.name, generator=generator))
    return comparison
