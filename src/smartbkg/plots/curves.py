"""Figures of the report. Each function takes arrays and returns a figure; the global style is left alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smartbkg.closure.check import VariableClosure
from smartbkg.scores.metrics import CalibrationCurve, RocCurve
from smartbkg.storage.printing import for_picture

#: Colour-blind safe (Okabe and Ito, https://jfly.uni-koeln.de/color/).
ALL_COLOUR: Final = "#0072B2"
KEPT_COLOUR: Final = "#D55E00"
GUIDE_COLOUR: Final = "#888888"

#: Inches; at the 330 pixels of a report's column, and on a telephone, text is then as large as that of the page.
_WIDTH, _HEIGHT = 4.4, 3.5


def new_figure(*, height: float = _HEIGHT) -> tuple[Figure, Axes]:
    """A figure of the report's width, inches, with one pair of axes."""
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def with_headroom(axes: Axes, *, n_columns: int = 1, rows: int = 1) -> None:
    """A legend above the data: the axis is made longer by the height of its rows."""
    low, high = axes.get_ylim()
    share = 0.16 * rows
    if axes.get_yscale() == "log":
        axes.set_ylim(low, high * (high / low) ** (share / (1 - share)))
    else:
        axes.set_ylim(low, high + (high - low) * share / (1 - share))
    axes.legend(frameon=False, fontsize="small", loc="upper center", ncols=n_columns, columnspacing=1.2)


def plot_roc(curve: RocCurve) -> Figure:
    """Efficiency for passing events against the fraction of failing events that stays."""
    figure, axes = new_figure()
    axes.plot(curve.false_positive_rate, curve.true_positive_rate, color=ALL_COLOUR)
    axes.plot([0, 1], [0, 1], ":", color=GUIDE_COLOUR, label="no separation")
    axes.set(xlabel="fraction of failing events above threshold", ylabel="fraction of passing events above threshold")
    axes.set_title(f"AUC = {curve.area:.3f} ± {curve.area_error:.3f}", fontsize="medium")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(frameon=False, loc="lower right")
    return figure


def plot_calibration(curve: CalibrationCurve) -> Figure:
    """Fraction of passing events against the mean score, on logarithmic axes: small scores decide the weights."""
    figure, axes = new_figure()
    top = float(max(curve.mean_score.max(), curve.pass_fraction.max())) * 1.5
    bottom = float(curve.mean_score[curve.mean_score > 0].min(initial=top)) / 2
    axes.plot([bottom, top], [bottom, top], ":", color=GUIDE_COLOUR, label="perfect")
    axes.errorbar(
        curve.mean_score, curve.pass_fraction, curve.pass_fraction_error, fmt="o", color=ALL_COLOUR, markersize=4
    )
    axes.set(xscale="log", yscale="log", xlim=(bottom, top), ylim=(bottom, top))
    axes.set(xlabel="mean score", ylabel="fraction that passes")
    axes.set_title(f"expected calibration error {curve.expected_calibration_error:.4f}", fontsize="medium")
    axes.legend(frameon=False, loc="lower right")
    return figure


def plot_scores(score: NDArray[np.float64], label: NDArray[np.bool_], weight: NDArray[np.float64]) -> Figure:
    """Scores of passing and of failing events, each normalised to one.

    Parameters
    ----------
    score, label, weight : (n_events,).
    """
    figure, axes = new_figure()
    positive = score[score > 0]
    low = float(np.quantile(positive, 0.001)) if len(positive) else 1e-4
    edges = np.geomspace(max(low, 1e-5), max(float(score.max(initial=0)), 2 * max(low, 1e-5)), 41)
    for chosen, colour, name in ((~label, ALL_COLOUR, "fail the skim"), (label, KEPT_COLOUR, "pass the skim")):
        heights, _ = np.histogram(score[chosen].clip(edges[0], edges[-1]), bins=edges, weights=weight[chosen])
        mplhep.histplot(heights / max(heights.sum(), 1e-300), edges, ax=axes, color=colour, label=name, yerr=False)
    axes.set(xscale="log", xlabel="score = P(pass | generated event)", ylabel="fraction of events in the bin")
    axes.set_ylim(bottom=0)
    with_headroom(axes, n_columns=2)
    return figure


def plot_weights(weight: NDArray[np.float64]) -> Figure:
    """Distribution of the weights of kept events.

    Parameters
    ----------
    weight : (n_kept,).
    """
    figure, axes = new_figure()
    axes.hist(weight, bins=50, color=KEPT_COLOUR, histtype="stepfilled", alpha=0.7)
    axes.set(xlabel="weight of a kept event", ylabel="kept events", yscale="log")
    return figure


def plot_learning(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses, AUC and speed-up of each epoch; the best epoch, whose weights the model has, is marked.

    Parameters
    ----------
    history : an epoch each, with the keys of `smartbkg.training.progress.reporting.EpochMetrics.reproducible`.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    epoch = [row["epoch"] for row in history]
    for key, colour in (("training_loss", ALL_COLOUR), ("validation_loss", KEPT_COLOUR)):
        above.plot(epoch, [row[key] for row in history], "o-", color=colour, markersize=3, label=key.replace("_", " "))
    below.plot(epoch, [row["auc"] for row in history], "o-", color=ALL_COLOUR, markersize=3)
    right = below.twinx()
    right.plot(epoch, [row["speed_up"] for row in history], "s--", color=KEPT_COLOUR, markersize=3)
    best = [row["epoch"] for row in history if row["is_best"]]
    if best:
        above.axvline(best[-1], color=GUIDE_COLOUR, linestyle=":", label="best epoch")
        below.axvline(best[-1], color=GUIDE_COLOUR, linestyle=":")
    above.set_ylabel("loss")
    with_headroom(above, n_columns=2, rows=2)
    below.set_xlabel("epoch")
    below.set_ylabel("AUC", color=ALL_COLOUR)
    right.set_ylabel("speed-up", color=KEPT_COLOUR)
    below.xaxis.get_major_locator().set_params(integer=True)
    return figure


def plot_closure(closure: VariableClosure, title: str) -> Figure:
    """All passing events against kept and weighted ones, with pulls below; ``title`` names the variable and unit."""
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    mplhep.histplot(
        closure.all_sum,
        closure.edges,
        yerr=np.sqrt(closure.all_variance),
        ax=above,
        color=ALL_COLOUR,
        label="all passing",
    )
    mplhep.histplot(
        closure.kept_sum,
        closure.edges,
        yerr=np.sqrt(closure.kept_variance),
        ax=above,
        color=KEPT_COLOUR,
        histtype="errorbar",
        markersize=4,
        label="kept, weighted",
    )
    above.set_ylabel("Σ weights")
    above.set_ylim(bottom=0)
    with_headroom(above, n_columns=2)
    centres = (closure.edges[1:] + closure.edges[:-1]) / 2
    below.axhspan(-1, 1, color=GUIDE_COLOUR, alpha=0.25, linewidth=0)
    below.axhline(0, color=GUIDE_COLOUR, linewidth=0.8)
    below.plot(centres, closure.pull, "o", color=KEPT_COLOUR, markersize=3)
    largest = np.abs(closure.pull[np.isfinite(closure.pull)]).max(initial=0.0)
    limit = max(3.5, float(largest) * 1.1)
    below.set(xlabel=for_picture(title), ylabel="pull", ylim=(-limit, limit))
    return figure


def as_data_uri(figure: Figure) -> str:
    """The figure as an SVG inside a ``data:`` address, so that a page needs no other file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
