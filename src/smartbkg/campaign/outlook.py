"""What a campaign will be: chunks, events, kept fraction, CPU hours, disk, speed-up, and the numbers behind them.

A few events are generated, filtered and, where that is embedded, simulated here and now, exactly as a chunk would be.
Speed-up and kept fraction are those that the scores themselves promise: λ and the model are then judged by the ledger.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from smartbkg.campaign.campaign import Campaign, first_policy, load_model
from smartbkg.campaign.chunk.chain import make_chunk
from smartbkg.campaign.chunk.chunks import Chunk, plan_chunks
from smartbkg.campaign.config import CampaignConfig, read_campaign
from smartbkg.campaign.folder import CampaignFolder
from smartbkg.campaign.identity import describe, described_sources, read_identities
from smartbkg.campaign.merge import ChunkFiles
from smartbkg.campaign.status import read_status
from smartbkg.errors import UsageError
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, score_columns
from smartbkg.io import open_events
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs
from smartbkg.sampling.statistics import Estimate

PILOT_EVENTS: Final = 1000


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
    speed_up_at_belle_ii_costs: dict[str, Estimate]
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
    with tempfile.TemporaryDirectory(prefix="smartbkg-plan-") as name:
        content, columns = _pilot(campaign, n_pilot, Path(name))
    totals, draw = content["totals"], content["draw"]
    n = totals["n_events"]
    if not n:
        raise UsageError("the first chunk holds no event: nothing can be planned from it")
    kept = draw["sum_keep_probability"] / n
    spread = np.sqrt(max(kept * (1 - kept), 0.0) / n)
    costs, source = _costs(config, content, measured)
    own = _promised(campaign, columns, costs, kept)
    plan = campaign.plan
    size = sum(file["bytes"] for file in content["files"].values()) / n
    per_event = costs.before_decision + kept * costs.simulation
    first = plan[0].n_events or n
    return Outlook(
        len(plan), plan.n_events, n, Estimate(kept, float(spread)), costs, source, own,
        _promised(campaign, columns, BELLE_II_COSTS, kept), size, per_event * first,
    )  # fmt: skip


def draft(folder: CampaignFolder, config: CampaignConfig) -> Campaign:
    """A campaign as it would begin now, or as it began."""
    found = read_identities(folder)
    if found:
        plan = plan_chunks(config, folder.root, [source["name"] for source in found[0]["sources"]])
        return Campaign(folder, config, plan, found[0])
    plan = plan_chunks(config, folder.root)
    policy = first_policy(config, load_model(config, folder)).to_dict()
    identity = describe(config, folder, plan, policy) | {"sources": described_sources(config, folder)}
    return Campaign(folder, config, plan, identity)


def _pilot(campaign: Campaign, n_events: int, scratch: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Record and columns of the kept events of a small chunk; an external simulation is not called."""
    config = campaign.config
    simulate = config.simulate
    if simulate.by == "command":
        simulate = simulate.model_copy(update={"by": "nothing", "command": None})
    small = config.model_copy(update={"simulate": simulate})
    first = campaign.plan[0]
    n_wanted = None if first.n_events is None else min(n_events, first.n_events)
    chunk = Chunk(0, first.process, first.run, first.first_event, n_wanted, first.source)
    pilot = Campaign(campaign.folder, small, campaign.plan, campaign.identity)
    content = make_chunk(pilot, chunk, "plan", scratch)
    with open_events(ChunkFiles(0, scratch, content["files"]).checked("kept")) as reader:
        names = (*score_columns(campaign.skims), KEEP_PROBABILITY, GENERATOR_WEIGHT)
        parts = [{name: batch.event[name] for name in names} for batch in reader.batches()]
    return content, {name: np.concatenate([part[name] for part in parts]) for name in names} if parts else {}


def _costs(config: CampaignConfig, content: dict[str, Any], measured: Costs | None) -> tuple[Costs, str]:
    """The three times: of the configuration, else of the chunks that are done, else of the pilot, else Belle II's."""
    cpu, totals = content["cpu"], content["totals"]
    pilot = {
        "generation": cpu["generate"] / totals["n_events"],
        "filtering": cpu["filter"] / totals["n_events"],
        "simulation": 0.0,
    }
    if content["skims"] and totals["n_kept"]:
        pilot["simulation"] = (cpu["simulate"] + cpu["write"]) / totals["n_kept"]
    values, sources = {}, []
    for name, given in config.costs.model_dump().items():
        if given is not None:
            values[name], source = given, "configured"
        elif measured is not None:
            values[name], source = measured.to_dict()[name], "of the chunks done"
        elif pilot[name] > 0:
            values[name], source = pilot[name], "measured now"
        else:
            values[name], source = BELLE_II_COSTS.to_dict()[name], "Belle II's, for none was given"
        sources.append(f"{name} {source}")
    return Costs(**values), ", ".join(sources)


def _promised(
    campaign: Campaign, columns: dict[str, np.ndarray[Any, Any]], costs: Costs, kept: float
) -> dict[str, Estimate]:
    """Skim → speed-up with the scores in place of what will pass; kept events, each 1/q times, stand for all."""
    found = {}
    for skim, name in zip(campaign.skims, score_columns(campaign.skims), strict=True):
        if not columns or not len(columns[name]):
            continue
        q, w = columns[KEEP_PROBABILITY], columns[GENERATOR_WEIGHT]
        u = columns[name] * w * w / q
        v = u / q
        gain = (costs.generation + costs.simulation) / (costs.before_decision + kept * costs.simulation)
        value = float(u.sum() / v.sum()) * gain
        relative = float(np.sqrt(np.square(u / u.sum() - v / v.sum()).sum()))
        found[skim] = Estimate(value, value * relative)
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
    return lines
