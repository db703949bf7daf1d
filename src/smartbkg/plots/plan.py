"""The picture of a plan: speed-up against the fraction of events that is simulated."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT
from smartbkg.sampling.plan import Plan, evaluate_keep_probability
from smartbkg.storage.printing import for_picture

_CURVES = ((0.5, "#0072B2", "-", "λ·√p"), (1.0, "#009E73", "--", "λ·p"), (0.25, "#CC79A7", ":", "λ·p$^{1/4}$"))


def kept_fraction_curve(
    plan: Plan, events: LabelledEvents, exponent: float, max_weight: float = DEFAULT_MAX_WEIGHT, n_points: int = 40
) -> NDArray[np.float64]:
    """(n_points, 2) kept fraction and speed-up of q = clip(λ·u^exponent, 1/max_weight, 1) as λ varies.

    u is the score, or Σ p_i/E[p_i] for several skims; speed-ups are measured on the labels.
    """
    usefulness = (events.score / events.mean(events.score)).sum(axis=1)
    shape = usefulness**exponent
    shape = shape / shape.max()
    points = []
    for scale in np.geomspace(0.3 / max_weight, 3.0 / max(float(np.median(shape)), 1e-3), n_points):
        keep = np.clip(scale * shape, 1 / max_weight, 1)
        points.append((float(events.mean(keep)), evaluate_keep_probability(events, plan.costs, keep)))
    return np.array(points)


def plot_plan(plan: Plan, events: LabelledEvents) -> Figure:
    """Curves of three families, the policies of the plan, the free bound, and the oracle where there is one."""
    figure = Figure(figsize=(4.8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for exponent, colour, line, name in _CURVES:
        curve = kept_fraction_curve(plan, events, exponent, plan.recommended.max_weight)
        axes.plot(curve[:, 0], curve[:, 1], line, color=colour, label=f"q = {name}")
    for marker, outlook in zip("*osD^v<>" * 3, plan.outlooks, strict=False):
        if outlook.speed_up.value > 0:
            axes.errorbar(
                outlook.kept_fraction, outlook.speed_up.value, outlook.speed_up.error,
                fmt=marker, color="#D55E00" if outlook is plan.outlooks[0] else "#333333",
                markersize=10 if outlook is plan.outlooks[0] else 5, label=for_picture(outlook.label),
            )  # fmt: skip
    axes.axhline(plan.free_bound, color="#888888", linestyle="-.", linewidth=1, label="free bound E[p]/(E√p)²")
    if plan.oracle is not None:
        axes.axhspan(
            plan.oracle.value - plan.oracle.error, plan.oracle.value + plan.oracle.error,
            color="#E69F00", alpha=0.4, linewidth=0, label="oracle",
        )  # fmt: skip
    axes.axhline(1.0, color="#bbbbbb", linewidth=0.8)
    axes.set(xlabel="fraction of generated events that is simulated", ylabel="gain in effective events per CPU s")
    axes.set(xscale="log", ylim=(0, None))
    axes.set_title(for_picture(", ".join(plan.skims)), fontsize="medium")
    figure.legend(frameon=False, fontsize="small", loc="outside lower center", ncols=2)
    return figure
