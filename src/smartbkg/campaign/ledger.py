"""The ledger: sums over the records of a campaign, exact in any order and grouping; empty chunks count."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple, Self

from smartbkg.campaign.chunk.stages import STAGES
from smartbkg.campaign.exact import ExactSum
from smartbkg.errors import FileFormatError
from smartbkg.events.totals import Totals
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.statistics import Estimate

_SUMS: Final = tuple(field.name for field in fields(Totals) if field.type == "Fraction")
_COUNTS: Final = tuple(field.name for field in fields(Totals) if field.type == "int")
_OF_SKIM: Final = ("w", "v", "u", "uu", "uv", "vv")
_COUNTERS: Final = ("_passing", "identities", "policies", "package_versions")
_NUMBERS: Final = ("n_chunks", "n_particles", "n_unknown_codes", "n_bytes")


class SkimResult(NamedTuple):
    """What a campaign has of a skim."""

    n_passing: int
    """Simulated events that passed."""
    sum_weight: float
    """Σw/q of them: generated events that pass, estimated without bias."""
    effective: float
    """Effective number of passing events, (Σw)²/Σw²."""
    speed_up: Estimate | None
    """Effective events per CPU second, over those without filter, at the given costs; None where it is undefined."""


class Ledger:
    """Running sums over records.

    Attributes
    ----------
    n_chunks : records added.
    processes : process → its totals, as counts and exact sums.
    """

    def __init__(self) -> None:
        self.n_chunks = 0
        self._counts: dict[str, collections.Counter[str]] = {}
        self._sums: dict[str, dict[str, ExactSum]] = {}
        self._skims: dict[str, dict[str, ExactSum]] = {}
        self._passing: collections.Counter[str] = collections.Counter()
        self._cpu = {stage: ExactSum() for stage in STAGES}
        self._wall = ExactSum()
        self._draw = {name: ExactSum() for name in ("variance", "sum_keep_probability", "count_variance")}
        self.largest = 0.0
        self.n_particles = self.n_unknown_codes = self.n_bytes = 0
        self.identities: collections.Counter[str] = collections.Counter()
        self.policies: collections.Counter[str] = collections.Counter()
        self.package_versions: collections.Counter[str] = collections.Counter()

    def add(self, content: Mapping[str, Any]) -> None:
        """Add the record of a chunk.

        Raises
        ------
        FileFormatError
            It lacks something, or a sum is no number.
        """
        try:
            self._add(content)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"record of chunk {content.get('chunk')}: cannot be added up: {error}") from error

    def _add(self, content: Mapping[str, Any]) -> None:
        process, totals = content["process"], content["totals"]
        counts = self._counts.setdefault(process, collections.Counter())
        sums = self._sums.setdefault(process, {name: ExactSum() for name in _SUMS})
        for name in _COUNTS:
            counts[name] += totals[name]
        exact = totals["exact"]
        for name in _SUMS:
            sums[name].add(exact[name])
        for skim, numbers in content["skims"].items():
            self._passing[skim] += numbers["n"]
            of_skim = self._skims.setdefault(skim, {name: ExactSum() for name in _OF_SKIM})
            for name in _OF_SKIM:
                of_skim[name].add(numbers[name])
        for stage, seconds in content["cpu"].items():
            self._cpu[stage].add(float(seconds))
        self._wall.add(float(content["wall"]))
        draw = content["draw"]
        for name, total in self._draw.items():
            total.add(float(draw[name]))
        self.largest = max(self.largest, draw["largest"])
        self.n_particles += content["particles"]
        self.n_unknown_codes += content["unknown_codes"]
        self.n_bytes += sum(file["bytes"] for file in content["files"].values())
        self.identities[content["identity"]] += 1
        self.policies[content["policy"]] += 1
        self.package_versions[content["package_version"]] += 1
        self.n_chunks += 1

    def to_dict(self) -> dict[str, Any]:
        """As plain values, exact: what `from_dict` reads."""
        return {
            "counts": {name: dict(counts) for name, counts in self._counts.items()},
            "sums": {key: _texts(sums) for key, sums in self._sums.items()},
            "skims": {key: _texts(sums) for key, sums in self._skims.items()},
            "cpu": _texts(self._cpu), "draw": _texts(self._draw), "wall": self._wall.to_text(),
            **{name: dict(getattr(self, name)) for name in _COUNTERS},
            **{name: getattr(self, name) for name in ("largest", *_NUMBERS)},
        }  # fmt: skip

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """What `to_dict` made.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is something else.
        """
        ledger = cls()
        ledger._counts = {name: collections.Counter(counts) for name, counts in content["counts"].items()}
        ledger._sums = {key: _from_texts(sums) for key, sums in content["sums"].items()}
        ledger._skims = {key: _from_texts(sums) for key, sums in content["skims"].items()}
        ledger._cpu, ledger._draw = _from_texts(content["cpu"]), _from_texts(content["draw"])
        ledger._wall = ExactSum.from_text(content["wall"])
        for name in _COUNTERS:
            setattr(ledger, name, collections.Counter(content[name]))
        for name in ("largest", *_NUMBERS):
            setattr(ledger, name, content[name])
        return ledger

    def add_ledger(self, other: Ledger) -> None:
        """Add the sums of other chunks."""
        for mine, its in ((self._sums, other._sums), (self._skims, other._skims)):
            for key, sums in its.items():
                place = mine.setdefault(key, {name: ExactSum() for name in sums})
                for name, total in sums.items():
                    place[name].add_sum(total)
        for process, counts in other._counts.items():
            self._counts.setdefault(process, collections.Counter()).update(counts)
        for mine_flat, its_flat in ((self._cpu, other._cpu), (self._draw, other._draw)):
            for name, total in its_flat.items():
                mine_flat[name].add_sum(total)
        self._wall.add_sum(other._wall)
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.largest = max(self.largest, other.largest)
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def processes(self) -> dict[str, Totals]:
        """Process → totals."""
        found = {}
        for process, counts in sorted(self._counts.items()):
            numbers: dict[str, Any] = {**counts, **{name: one.value for name, one in self._sums[process].items()}}
            found[process] = Totals(**numbers)
        return found

    @property
    def totals(self) -> Totals:
        """Of all processes together."""
        return sum(self.processes.values(), Totals())

    @property
    def cpu(self) -> dict[str, float]:
        """CPU seconds a stage."""
        return {stage: float(total) for stage, total in self._cpu.items()}

    @property
    def wall(self) -> float:
        """Wall seconds of all chunks together."""
        return float(self._wall)

    @property
    def draw(self) -> dict[str, float]:
        """Σ over all events of w²(1 − q)/q, q, and q(1 − q)."""
        return {name: float(total) for name, total in self._draw.items()}

    def costs(self) -> Costs | None:
        """CPU seconds per event of this campaign; None as long as a stage has not been measured."""
        totals = self.totals
        cpu = self.cpu
        if not totals.n_events or not totals.n_kept:
            return None
        per_event = (cpu["generate"] / totals.n_events, cpu["filter"] / totals.n_events)
        simulation = (cpu["simulate"] + cpu["write"]) / totals.n_kept
        return Costs(*per_event, simulation) if min(*per_event, simulation) > 0 else None

    def skims(self, costs: Costs | None) -> dict[str, SkimResult]:
        """Skim → what there is of it, with the speed-up at the given costs."""
        return {skim: self._result(skim, sums, costs) for skim, sums in sorted(self._skims.items())}

    def _result(self, skim: str, sums: Mapping[str, ExactSum], costs: Costs | None) -> SkimResult:
        w, v = sums["w"].value, sums["v"].value
        effective = float(w * w / v) if v else 0.0
        return SkimResult(self._passing[skim], float(w), effective, self._speed_up(sums, costs))

    def _speed_up(self, sums: Mapping[str, ExactSum], costs: Costs | None) -> Estimate | None:
        """Σu/Σv × costs without over costs with the filter, over kept events that passed; the delta method's error.

        u = w²/q estimates Σw² over all passing events, kept or not; v = (w/q)² is what n_eff has in its denominator.
        Var(log Σu/Σv) = Σ(u/Σu − v/Σv)².
        """
        totals = self.totals
        u, v = float(sums["u"]), float(sums["v"])
        if costs is None or not totals.n_events or u <= 0 or v <= 0:
            return None
        kept = totals.n_kept / totals.n_events
        gain = (costs.generation + costs.simulation) / (costs.before_decision + kept * costs.simulation)
        uu, uv, vv = (sums[name].value for name in ("uu", "uv", "vv"))
        exact_u, exact_v = sums["u"].value, sums["v"].value
        variance = uu / exact_u**2 - 2 * uv / (exact_u * exact_v) + vv / exact_v**2
        value = u / v * gain
        return Estimate(value, value * math.sqrt(max(float(variance), 0.0)))

    def luminosity(self, cross_sections: Mapping[str, float]) -> dict[str, float]:
        """Process → integrated luminosity in 1/fb that its generated events stand for.

        Parameters
        ----------
        cross_sections : process → nb.
        """
        return {
            process: totals.n_events / (cross_sections[process] * 1e6)
            for process, totals in self.processes.items()
            if process in cross_sections
        }


def _texts(sums: Mapping[str, ExactSum]) -> dict[str, str]:
    return {name: total.to_text() for name, total in sums.items()}


def _from_texts(texts: Mapping[str, str]) -> dict[str, ExactSum]:
    return {name: ExactSum.from_text(text) for name, text in texts.items()}
