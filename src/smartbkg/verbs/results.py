"""What the verbs return: a file, what was counted when it was made, and ways to look at it.

A result whose file was not named lives in a folder of its own, which goes when the last result that needs it goes.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import awkward as ak
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

    from smartbkg.closure.files import Validation
    from smartbkg.evaluation.evaluate import Evaluation
    from smartbkg.networks.scorer import Scorer
    from smartbkg.sampling.labelled import LabelledEvents
    from smartbkg.sampling.plan import Plan
    from smartbkg.verbs.inputs import TemporaryFolder


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


class Result:
    """Something with a title and figures that a notebook shows as a table."""

    @property
    def figures(self) -> Mapping[str, Any]:
        """Name → number or text, in the order in which they are shown."""
        return {}

    @property
    def title(self) -> str:
        """What this is, in a few words."""
        return type(self).__name__

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in self.figures.items())
        return f"<{self.title}: {shown}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(_shown(value))}</td></tr>"
            for name, value in self.figures.items()
        )
        return f"<table><caption>{html.escape(self.title)}</caption>{rows}</table>"


@dataclass(frozen=True, repr=False)
class FileResult(Result):
    """A file that a verb wrote."""

    path: Path
    """Where it is."""
    counted: Mapping[str, Any]
    """What was counted while it was written."""
    folder: TemporaryFolder | None = field(default=None, compare=False)
    """Keeps a file that nobody named alive."""

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        """Kind and file name."""
        return f"{type(self).__name__} {self.path.name}"

    @property
    def figures(self) -> Mapping[str, Any]:
        """What was counted."""
        return self.counted


class TableResult(FileResult):
    """A Parquet file, whole in memory on demand."""

    def to_arrow(self) -> pa.Table:
        """All rows, checked against what the file announces."""
        from smartbkg.io.parquet import open_parquet

        with open_parquet(self.path) as file:
            return file.read()

    def to_pandas(self) -> pd.DataFrame:
        """All rows; lists of particles stay lists."""
        from smartbkg.errors import MissingDependencyError

        try:
            import pandas  # noqa: F401 - pyarrow needs it
        except ImportError as error:
            raise MissingDependencyError("pandas", "basf2", "a data frame") from error
        return self.to_arrow().to_pandas()

    def to_awkward(self) -> ak.Array:
        """All rows as records."""
        import awkward as ak

        return ak.from_arrow(self.to_arrow())


class Events(TableResult):
    """Generated events."""

    def plot(self) -> Figure:
        """Distribution of the number of particles per event."""
        from smartbkg.plots.samples import plot_multiplicity

        return plot_multiplicity(self.to_arrow()["PDG"])


class Kept(Events):
    """Events that the filter kept, with their weights."""

    def plot(self) -> Figure:
        """Distribution of the weights."""
        from smartbkg.plots.curves import plot_weights

        return plot_weights(self.to_arrow()["weight"].to_numpy())


class Flags(TableResult):
    """Which events passed which skims."""

    def plot(self) -> Figure:
        """Fraction of the events that pass, for each skim."""
        from smartbkg.events.columns import PASSES_PREFIX
        from smartbkg.plots.samples import plot_pass_fractions

        table = self.to_arrow()
        chosen = [name for name in table.column_names if name.startswith(PASSES_PREFIX)]
        return plot_pass_fractions({name.removeprefix(PASSES_PREFIX): table[name].to_numpy() for name in chosen})


class Dataset(TableResult):
    """Events joined with flags."""

    def plot(self) -> Figure:
        """Fraction of the events that pass, for each skim, at the retention before failing ones were thinned out."""
        from smartbkg.events.columns import LABEL_PREFIX, SAMPLING_WEIGHT
        from smartbkg.plots.samples import plot_pass_fractions

        table = self.to_arrow()
        chosen = [name for name in table.column_names if name.startswith(LABEL_PREFIX)]
        labels = {name.removeprefix(LABEL_PREFIX): table[name].to_numpy().astype(float) for name in chosen}
        return plot_pass_fractions(labels, table[SAMPLING_WEIGHT].to_numpy())


class Scores(TableResult):
    """Every event's score."""

    def plot(self) -> Figure:
        """Distribution of the scores."""
        from smartbkg.plots.samples import plot_score_distribution

        table = self.to_arrow()
        return plot_score_distribution(
            {name: table[name].to_numpy() for name in table.column_names if name.startswith("score")}
        )


@dataclass(frozen=True, repr=False)
class Model(FileResult):
    """A trained model."""

    history: tuple[Mapping[str, Any], ...] = ()
    """One mapping per epoch."""

    def load(self, *, threads: int | None = None, device: str = "cpu") -> Scorer:
        """The model, ready to score."""
        from smartbkg.networks.model_file import load_scorer

        return load_scorer(self.path, threads=threads, device=device)

    def plot(self) -> Figure:
        """Loss and speed-up against epochs."""
        from smartbkg.plots.curves import plot_learning

        return plot_learning(self.history)


@dataclass(frozen=True, repr=False)
class Report(FileResult):
    """The report of an evaluation: one HTML page, and the numbers in it."""

    evaluation: Evaluation | None = None
    """All numbers."""

    def plot(self) -> Figure:
        """The ROC curve."""
        from smartbkg.errors import UsageError
        from smartbkg.plots.curves import plot_roc

        if self.evaluation is None:
            raise UsageError("this report was made without its numbers")
        return plot_roc(self.evaluation.roc)

    def _repr_html_(self) -> str:
        return super()._repr_html_() + f"<p>{html.escape(str(self.path))}</p>"


@dataclass(frozen=True, repr=False)
class Planned(Result):
    """Policies compared on labelled events."""

    plan: Plan
    """All numbers."""
    events: LabelledEvents
    """The events that it rests on."""

    @property
    def figures(self) -> Mapping[str, Any]:
        """Of the optimal policy."""
        best = self.plan.outlooks[0]
        return {
            "skims": ", ".join(self.plan.skims),
            "speed-up": self.plan.stated(best),
            "simulated": f"{best.kept_fraction:.2%}",
            "largest weight": best.largest_weight,
        }

    def plot(self) -> Figure:
        """Speed-up against the fraction of events that is simulated."""
        from smartbkg.plots.plan import plot_plan

        return plot_plan(self.plan, self.events)


@dataclass(frozen=True, repr=False)
class Validated(Result):
    """Whether a kept sample is whole, rightly weighted and unbiased."""

    validation: Validation
    """All numbers."""

    @property
    def figures(self) -> Mapping[str, Any]:
        """The findings, one by one."""
        found = {finding.name: finding.state for finding in self.validation.inventory}
        return found | {f"statistics {k}": report.verdict for k, report in enumerate(self.validation.reports, start=1)}

    def __bool__(self) -> bool:
        return self.validation.is_compatible

    def plot(self, variable: str | None = None) -> Figure:
        """Kept and weighted events against all, with pulls below.

        Parameters
        ----------
        variable : its name; that of the smallest p-value where not given.

        Raises
        ------
        UsageError
            No variable was looked at, or none of that name.
        """
        from smartbkg.errors import UsageError, nearest
        from smartbkg.plots.curves import plot_closure
        from smartbkg.plots.variables import variable_title

        found = {one.name: one for report in self.validation.reports for one in report.variables}
        if not found:
            raise UsageError("no variable was looked at: give flags with variables, scores or events")
        if variable is not None and variable not in found:
            raise UsageError(f"no variable '{variable}': {nearest(variable, found)}")
        name = min(found, key=lambda key: found[key].chi2_p_value) if variable is None else variable
        return plot_closure(found[name], variable_title(name))


__all__ = [
    "Dataset", "Events", "FileResult", "Flags", "Kept", "Model", "Planned", "Report", "Result", "Scores", "TableResult",
    "Validated",
]  # fmt: skip
