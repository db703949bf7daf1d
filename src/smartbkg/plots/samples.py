"""Figures of a sample: particles per event, fractions that pass, scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import mplhep
import numpy as np
from numpy.typing import NDArray

from smartbkg.plots.curves import ALL_COLOUR, new_figure
from smartbkg.storage.printing import for_picture

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure


#: Fractions further apart than this are drawn on a logarithmic axis.
_DECADE: Final = 10


def plot_multiplicity(particles: pa.ChunkedArray) -> Figure:
    """Distribution of the number of particles per event, one bin per number up to 100 bins.

    Parameters
    ----------
    particles : one list per event.
    """
    import pyarrow.compute as pc

    count = pc.fill_null(pc.list_value_length(particles), 0).to_numpy()
    low, high = (int(count.min()), int(count.max())) if len(count) else (0, 0)
    step = 1 + (high - low) // 100
    edges = np.arange(low, high + 1 + step, step) - 0.5
    heights, _ = np.histogram(count, bins=edges)
    figure, axes = new_figure()
    mplhep.histplot(heights, edges, ax=axes, color=ALL_COLOUR, yerr=False)
    axes.set(xlabel="particles per event", ylabel=f"events per {step}" if step > 1 else "events", ylim=(0, None))
    return figure


def plot_pass_fractions(passes: Mapping[str, NDArray[Any]], weight: NDArray[np.float64] | None = None) -> Figure:
    """Fraction of the events that pass, with binomial errors.

    Parameters
    ----------
    passes : skim → (n_events,) bool, or fractions; NaN where the skim was not run.
    weight : (n_events,) how many events each stands for; 1 where not given.
    """
    figure, axes = new_figure(height=max(2.0, 0.4 * len(passes) + 1.2))
    names = list(passes)[::-1]
    fraction, n_events = np.zeros(len(names)), np.ones(len(names))
    for place, name in enumerate(names):
        is_run = np.isfinite(passes[name].astype(np.float64))
        w = np.ones(len(is_run))[is_run] if weight is None else weight[is_run]
        if w.sum() > 0:
            fraction[place] = np.average(passes[name][is_run], weights=w)
            n_events[place] = w.sum() ** 2 / (w**2).sum()
    axes.errorbar(
        100 * fraction, np.arange(len(names)), xerr=100 * np.sqrt(fraction * (1 - fraction) / n_events),
        fmt="o", color=ALL_COLOUR,
    )  # fmt: skip
    axes.set_yticks(np.arange(len(names)), [for_picture(name) for name in names])
    axes.set(xlabel="events that pass, %", ylim=(-0.6, len(names) - 0.4))
    if (fraction > 0).all() and fraction.max() > _DECADE * fraction.min():
        axes.set_xscale("log")
    else:  # a logarithmic axis of less than a decade labels itself illegibly
        axes.set_xlim(0, 120 * max(float(fraction.max(initial=0.0)), 1e-6))
    return figure


def plot_score_distribution(scores: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Distribution of the scores on a logarithmic axis.

    Parameters
    ----------
    scores : name → (n_events,) scores.
    """
    figure, axes = new_figure()
    positive = np.concatenate([score[score > 0] for score in scores.values()])
    low = max(float(np.quantile(positive, 0.001)), 1e-5) if len(positive) else 1e-5
    edges = np.geomspace(low, max(float(positive.max(initial=0)), 2 * low), 41)
    for name, score in scores.items():
        heights, _ = np.histogram(score.clip(edges[0], edges[-1]), bins=edges)
        label = for_picture(name.removeprefix("score").strip("_") or "score")
        mplhep.histplot(heights, edges, ax=axes, label=label, yerr=False)
    axes.set(xscale="log", xlabel="score = P(pass | generated event)", ylabel="events", ylim=(0, None))
    axes.legend(frameon=False, fontsize="small")
    return figure
