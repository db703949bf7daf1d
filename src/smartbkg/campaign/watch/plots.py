"""Pictures of a campaign that runs, from a few numbers per chunk."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smartbkg.campaign.status import ChunkMetrics
from smartbkg.scores.histogram import N_SCORE_BINS
from smartbkg.storage.printing import for_picture

_SIZE = (5.6, 3.2)
#: Points drawn at most: neighbours are averaged beyond.
_POINTS = 1000


def _figure(title: str) -> Figure:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(for_picture(title), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _thinned(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chunk numbers and values, averaged over neighbours so that there are not too many; chunks not done left out."""
    size = max(-(-len(values) // _POINTS), 1)
    padded = np.full(-(-len(values) // size) * size, np.nan)
    padded[: len(values)] = values
    groups = padded.reshape(-1, size)
    n_known = np.isfinite(groups).sum(axis=1)
    known = n_known > 0
    return np.arange(len(groups))[known] * size, np.nansum(groups, axis=1)[known] / n_known[known]


def plot_by_chunk(values: NDArray[np.float64], title: str, expected: float | None = None) -> Figure:
    """A number of each chunk, with the value that it should scatter about."""
    figure = _figure(title)
    axes = figure.axes[0]
    chunks, means = _thinned(values)
    axes.plot(chunks, means, ".", markersize=3 if len(chunks) > 100 else 8, color="#0072b2")
    axes.locator_params(axis="x", integer=True)
    if expected is not None:
        axes.axhline(expected, color="#5d6878", linewidth=1, linestyle="--")
    axes.set_xlabel("chunk")
    return figure


def plot_progress(metrics: ChunkMetrics) -> Figure:
    """Chunks done against time."""
    figure = _figure("Chunks done against hours")
    axes = figure.axes[0]
    finished = np.sort(metrics.finished[np.isfinite(metrics.finished)])
    if len(finished):
        shown = np.unique(np.linspace(0, len(finished) - 1, _POINTS).astype(int))
        axes.plot((finished[shown] - finished[0]) / 3600, shown + 1, color="#1a7f4b")
    axes.locator_params(axis="y", integer=True)
    axes.set_xlabel("hours since the first chunk was done")
    return figure


def plot_stages(seconds: Mapping[str, float]) -> Figure:
    """CPU seconds of each stage."""
    figure = _figure("CPU hours by stage")
    axes = figure.axes[0]
    axes.barh(list(seconds), [value / 3600 for value in seconds.values()], color="#0072b2")
    axes.invert_yaxis()
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("hours")
    return figure


def plot_score_histogram(skim: str, counts: NDArray[np.float64], stored: NDArray[np.float64] | None) -> Figure:
    """Scores of all generated events, with those stored with the model where there are some.

    Parameters
    ----------
    counts, stored : (n_bins,) events in bins of √score.
    """
    figure = _figure(f"Scores for {skim}, all generated events")
    axes = figure.axes[0]
    edges = np.linspace(0, 1, N_SCORE_BINS + 1)
    for values, label, color in ((counts, "this campaign", "#0072b2"), (stored, "stored with the model", "#d55e00")):
        if values is not None and values.sum():
            axes.stairs(values / values.sum(), edges, label=label, color=color)
    axes.set_yscale("log")
    axes.set_xlabel("√score")
    axes.legend(frameon=False, fontsize=8)
    return figure
