"""What a campaign will be: chunks, events, kept fraction, CPU hours, disk, speed-up, and the numbers behind them.

A few events of each process are generated, filtered and simulated here and now, exactly as chunks would be. The
speed-up is promised twice: as the scores say it, and as the simulated events of the pilot say it, which needs no
calibrated scores and is less precise. The ledger compares both with what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.campaign import Campaign, first_policy, load_model
from smartbkg.campaign.chunk.chunks import plan_chunks
from smartbkg.campaign.config import CampaignConfig, read_campaign
from smartbkg.campaign.folder import CampaignFolder
from smartbkg.campaign.identity import describe, described_sources, read_identities
from smartbkg.campaign.ledger import SkimResult
from smartbkg.campaign.pilot import Pilot, run_pilot
from smartbkg.campaign.status import read_status
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, score_columns
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.statistics import Estimate

PILOT_EVENTS: Final = 3000


@dataclass(frozen=True)
class Outlook:
    """What a campaign will be."""

    n_chunks: int
    n_events: int | None
    """None where files say."""
    n_pilot: int
    """Events on which it was measured."""
    kept_fraction: Estimate
    costs: Costs
    costs_from: str
    """Where each of the three times comes from."""
    speed_up: dict[str, Estimate]
    """Skim → what the scores promise, at these costs."""
    speed_up_simulated: dict[str, Estimate]
    """Skim → the same by the simulated events of the pilot that passed; empty where none was simulated."""
    speed_up_at_belle_ii_costs: dict[str, Estimate]
    """Skim → what the scores promise at Belle II's costs."""
    speed_up_simulated_at_belle_ii_costs: dict[str, Estimate]
    """... and what the simulated events do."""
    passing: dict[str, tuple[int, float]]
    """Skim → simulated events of the pilot that passed, and how many the scores say."""
    bytes_an_event: float
    """Of files, per generated event."""
    chunk_seconds: float
    """CPU seconds of a chunk."""

    @property
    def cpu_hours(self) -> float | None:
        """Of the whole campaign."""
        return None if self.n_events is None else self.n_events * self.seconds_an_event / 3600

    @property
    def seconds_an_event(self) -> float:
        """CPU seconds per generated event."""
        return self.costs.before_decision + self.kept_fraction.value * self.costs.simulation

    @property
    def cpu_hours_unfiltered(self) -> float | None:
        """Of the same events without filter."""
        if self.n_events is None:
            return None
        return self.n_events * (self.costs.generation + self.costs.simulation) / 3600


def foresee(root: Path, n_pilot: int = PILOT_EVENTS) -> Outlook:
    """Make a few events of a campaign, without beginning it, and say what the whole will be.

    Parameters
    ----------
    root : folder of the campaign.
    n_pilot : events to generate.

    Raises
    ------
    SmartBKGError
        The configuration, the model or a stage does not work: nothing else would either.
    """
    folder = CampaignFolder.of(root)
    config = read_campaign(folder.config)
    campaign = draft(folder, config)
    status = read_status(campaign) if read_identities(folder) else None
    measured = None if status is None else status.ledger.costs()
    is_known = config.costs.simulation is not None or measured is not None
    pilot = run_pilot(campaign, n_pilot, is_simulation_tried=not is_known)
    ledger, n = pilot.ledger, pilot.n_events
    kept = ledger.draw["sum_keep_probability"] / n
    spread = np.sqrt(max(kept * (1 - kept), 0.0) / n)
    plan = campaign.plan
    first = plan[0].n_events or n
    costs, source = _costs(config, pilot, first, measured)
    uncertainty = _cost_uncertainty(pilot, first) if "measured now" in source else 0.0
    spreads, expected = _spreads(campaign, pilot.columns), _expected(campaign, pilot.columns)
    own, belle = ledger.skims(costs), ledger.skims(BELLE_II_COSTS)
    return Outlook(
        n_chunks=len(plan), n_events=plan.n_events, n_pilot=n, kept_fraction=Estimate(kept, float(spread)),
        costs=costs, costs_from=source,
        speed_up=_promised(campaign, pilot.columns, costs, kept, uncertainty),
        speed_up_simulated=_simulated(own, spreads, uncertainty),
        speed_up_at_belle_ii_costs=_promised(campaign, pilot.columns, BELLE_II_COSTS, kept),
        speed_up_simulated_at_belle_ii_costs=_simulated(belle, spreads),
        passing={skim: (one.n_passing, expected.get(skim, 0.0)) for skim, one in own.items()},
        bytes_an_event=ledger.n_bytes / n,
        chunk_seconds=(costs.before_decision + kept * costs.simulation) * first,
    )  # fmt: skip


def draft(folder: CampaignFolder, config: CampaignConfig) -> Campaign:
    """A campaign as it would begin now, or as it began."""
    found = read_identities(folder)
    if found:
        return Campaign(folder, config, plan_chunks(config, folder.root, found[0]["sources"]), found[0])
    sources = described_sources(config, folder)
    plan = plan_chunks(config, folder.root, sources or None)
    policy = first_policy(config, load_model(config, folder)).to_dict()
    return Campaign(folder, config, plan, describe(config, folder, plan, policy) | {"sources": sources})


def _costs(config: CampaignConfig, pilot: Pilot, chunk_events: int, measured: Costs | None) -> tuple[Costs, str]:
    """The three times: of the configuration, else of the chunks that are done, else of the pilot, else Belle II's."""
    now = _pilot_costs(pilot, pilot.pieces, chunk_events)
    if config.simulate.by != "embedded":
        now["simulation"] = pilot.simulation or 0.0
    values, sources = {}, []
    for name, given in config.costs.model_dump().items():
        if given is not None:
            values[name], source = given, "configured"
        elif measured is not None:
            values[name], source = measured.to_dict()[name], "of the chunks done"
        elif now[name] > 0:
            values[name], source = now[name], "measured now"
        else:
            values[name] = BELLE_II_COSTS.to_dict()[name]
            source = "not measured, Belle II's taken (costs.simulation says yours)"
        sources.append(f"{name} {source}")
    return Costs(**values), ", ".join(sources)


def _pilot_costs(pilot: Pilot, records: Sequence[Mapping[str, Any]], chunk_events: int) -> dict[str, float]:
    """CPU seconds per event of the three stages in chunks of so many events, from some pieces; 0 where there was none.

    A piece is a part of a chunk and pays as much to begin as a whole one does: open files, write their ends. What a
    piece of very few events cost says how much that is.
    """
    beginning = pilot.beginning
    n_events, n_kept = (sum(record["totals"][name] for record in records) for name in ("n_events", "n_kept"))
    n_chunks = n_events / chunk_events
    seconds = {}
    for stage, name in (("generate", ""), ("filter", "n_events"), ("simulate", "n_kept"), ("write", "n_kept")):
        seconds[stage] = sum(record["cpu"][stage] for record in records)
        if not name:  # the embedded generator makes blocks of events: few cost as much as many
            continue
        share = beginning["totals"][name] / max(n_events if name == "n_events" else n_kept, 1)
        begin = (beginning["cpu"][stage] - share * seconds[stage]) / max(1 - share * len(records), 0.5)
        seconds[stage] -= (len(records) - n_chunks) * min(max(begin, 0.0), seconds[stage] / len(records))
    return {
        "generation": seconds["generate"] / n_events,
        "filtering": seconds["filter"] / n_events,
        "simulation": (seconds["simulate"] + seconds["write"]) / n_kept if n_kept else 0.0,
    }


def _cost_uncertainty(pilot: Pilot, chunk_events: int) -> float:
    """Relative uncertainty of the gain in CPU time, by how much the pieces of the pilot differ."""
    gains = []
    for content in pilot.pieces:
        n_events, n_kept = content["totals"]["n_events"], content["totals"]["n_kept"]
        if not n_kept:
            continue
        costs = _pilot_costs(pilot, [content], chunk_events)
        if min(costs.values()) > 0:
            gains.append(_gain(Costs(**costs), n_kept / n_events))
    return float(np.std(gains, ddof=1) / np.mean(gains) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0


def _gain(costs: Costs, kept: float) -> float:
    """CPU seconds per generated event without filter over those with it."""
    return (costs.generation + costs.simulation) / (costs.before_decision + kept * costs.simulation)


def _wider(estimate: Estimate, relative: float) -> Estimate:
    """An estimate with a further relative uncertainty."""
    return Estimate(estimate.value, float(np.hypot(estimate.error, relative * estimate.value)))


def _promised(
    campaign: Campaign, columns: Mapping[str, NDArray[Any]], costs: Costs, kept: float, uncertainty: float = 0.0
) -> dict[str, Estimate]:
    """Skim → speed-up with the scores in place of what will pass; kept events, each 1/q times, stand for all."""
    found = {}
    for skim, name in zip(campaign.skims, score_columns(campaign.skims), strict=True):
        if not columns or not len(columns[name]):
            continue
        q, w = columns[KEEP_PROBABILITY], columns[GENERATOR_WEIGHT]
        u = columns[name] * w * w / q
        v = u / q
        value = float(u.sum() / v.sum()) * _gain(costs, kept)
        relative = float(np.sqrt(np.square(u / u.sum() - v / v.sum()).sum()))
        found[skim] = _wider(Estimate(value, value * relative), uncertainty)
    return found


def _spreads(campaign: Campaign, columns: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Skim → relative error of the simulated speed-up as the scores foresee it.

    What happens to have passed knows nothing of rare events of large weight that did not; the scores know them. Σ over
    kept events of p·(u/Σpu − v/Σpv)², u = w²/q and v = (w/q)².
    """
    found = {}
    for skim, name in zip(campaign.skims, score_columns(campaign.skims), strict=True):
        if columns and len(columns[name]):
            p, q, w = columns[name], columns[KEEP_PROBABILITY], columns[GENERATOR_WEIGHT]
            u, v = w * w / q, (w / q) ** 2
            found[skim] = float(np.sqrt((p * np.square(u / (p * u).sum() - v / (p * v).sum())).sum()))
    return found


def _expected(campaign: Campaign, columns: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Skim → how many of the kept events pass, by their scores."""
    names = zip(campaign.skims, score_columns(campaign.skims), strict=True)
    return {skim: float(columns[name].sum()) if columns else 0.0 for skim, name in names}


def _simulated(
    results: Mapping[str, SkimResult], spreads: Mapping[str, float], uncertainty: float = 0.0
) -> dict[str, Estimate]:
    """Skim → speed-up by the simulated events, with the larger of its two errors and that of the costs."""
    found = {}
    for skim, result in results.items():
        if result.speed_up is not None:
            value, error = result.speed_up
            found[skim] = _wider(Estimate(value, max(error, spreads.get(skim, 0.0) * value)), uncertainty)
    return found


def outlook_lines(outlook: Outlook) -> list[str]:
    """What a campaign will be, in words."""
    c = outlook.costs
    lines = [
        f"{outlook.n_chunks} chunks"
        + ("" if outlook.n_events is None else f", {outlook.n_events} events")
        + f"; {outlook.chunk_seconds:.3g} CPU seconds per chunk",
        f"kept: {outlook.kept_fraction.value:.2%} ± {outlook.kept_fraction.error:.2%} of the events (from "
        f"{outlook.n_pilot} made now)",
        f"CPU seconds per event: {c.generation:.3g} to generate, {c.filtering:.3g} to decide, {c.simulation:.4g} to "
        f"simulate a kept one ({outlook.costs_from})",
    ]
    if outlook.cpu_hours is not None and outlook.n_events is not None:
        lines.append(
            f"{outlook.cpu_hours:.4g} CPU hours, {outlook.cpu_hours_unfiltered:.4g} without the filter; "
            f"{outlook.n_events * outlook.bytes_an_event / 1e9:.3g} GB on disk"
        )
    for skim, value in outlook.speed_up.items():
        theirs = outlook.speed_up_at_belle_ii_costs[skim]
        lines.append(f"{skim}: speed-up {value} at these costs, {theirs} at Belle II's (by the model's own scores)")
    for skim, value in outlook.speed_up_simulated.items():
        theirs = outlook.speed_up_simulated_at_belle_ii_costs[skim]
        n_passing, expected = outlook.passing[skim]
        lines.append(
            f"{skim}: speed-up {value} at these costs, {theirs} at Belle II's (by events simulated now: {n_passing} "
            f"passed, {expected:.0f} by their scores)"
        )
    return lines
