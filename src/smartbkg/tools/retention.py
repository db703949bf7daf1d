"""How many events of each process pass each skim: the table of `docs/skims.md`.

    python -m smartbkg.tools.retention FLAGS.parquet [FLAGS.parquet ...]

The files are those of `smartbkg simulate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from smartbkg.events.columns import PASSES_PREFIX, PROCESSES
from smartbkg.io.tables import iterate_table


class Retention(NamedTuple):
    """Events that pass a skim."""

    n_passing: int
    n_events: int

    @property
    def per_cent(self) -> float:
        """Share of events that pass, in per cent."""
        return 100 * self.n_passing / max(1, self.n_events)

    @property
    def error(self) -> float:
        """Binomial standard deviation of `per_cent`."""
        share = self.n_passing / max(1, self.n_events)
        return float(100 * np.sqrt(share * (1 - share) / max(1, self.n_events)))

    def __str__(self) -> str:
        if self.n_passing == 0:
            return f"< {300 / max(1, self.n_events):.2g}"  # 95 % upper limit of zero events
        return f"{self.per_cent:.3g} ± {self.error:.1g}"


def measure_retention(flags: Sequence[Path]) -> dict[str, dict[str, Retention]]:
    """Retention by skim and process, from files of flags."""
    passing: dict[tuple[str, str], int] = {}
    total: dict[str, int] = {}
    skims: dict[str, None] = {}
    for path in flags:
        for table in iterate_table(path, "flags"):
            for process in np.unique(table["process"]):
                chosen = table["process"] == process
                total[str(process)] = total.get(str(process), 0) + int(chosen.sum())
                for name in table.columns:
                    if name.startswith(PASSES_PREFIX):
                        skim = name.removeprefix(PASSES_PREFIX)
                        skims[skim] = None
                        key = (skim, str(process))
                        passing[key] = passing.get(key, 0) + int(table[name][chosen].sum())
    return {
        skim: {process: Retention(passing.get((skim, process), 0), n) for process, n in total.items()} for skim in skims
    }


def retention_table(retention: Mapping[str, Mapping[str, Retention]]) -> str:
    """The table as Markdown, in per cent; "< x" is the 95 % upper limit where no event passed."""
    found = {process for row in retention.values() for process in row}
    processes = [process for process in PROCESSES if process in found] + sorted(found - set(PROCESSES))
    lines = [f"| skim | {' | '.join(processes)} |", "|---" * (len(processes) + 1) + "|"]
    lines += [
        f"| {skim} | {' | '.join(str(row[process]) for process in processes)} |" for skim, row in retention.items()
    ]
    counts = next(iter(retention.values()), {})
    lines.append(f"| events | {' | '.join(str(counts[process].n_events) for process in processes)} |")
    return "\n".join(lines)


@click.command()
@click.argument("flags", type=click.Path(path_type=Path), nargs=-1, required=True)
def command(flags: tuple[Path, ...]) -> None:
    """Print the retention of every skim in FLAGS by process."""
    click.echo(retention_table(measure_retention(flags)))


if __name__ == "__main__":
    command()
