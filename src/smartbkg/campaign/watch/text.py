"""A campaign's status and report in words, for the terminal."""

from __future__ import annotations

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.ledger import Ledger
from smartbkg.campaign.status import Status
from smartbkg.sampling.cost import BELLE_II_COSTS

_NAMED = 10


def status_lines(campaign: Campaign, status: Status) -> list[str]:
    """How a campaign stands, in lines."""
    ledger = status.ledger
    totals = ledger.totals
    lines = [
        f"{campaign.config.name}: {status.n_done} of {status.n_chunks} chunks done, {len(status.pending)} to do, "
        f"{len(status.set_aside)} set aside",
    ]
    if totals.n_events:
        lines.append(
            f"{totals.n_events} events generated, {totals.n_kept} kept ({totals.n_kept / totals.n_events:.2%}); sum of "
            f"weights {float(totals.sum_kept_weight):.6g}, of the generator {float(totals.sum_weight):.6g}"
        )
    lines += skim_lines(ledger)
    lines += failure_lines(status)
    return lines


def skim_lines(ledger: Ledger) -> list[str]:
    """What there is of each skim, and the speed-up at the campaign's own costs and at Belle II's."""
    own, lines = ledger.costs(), []
    belle = ledger.skims(BELLE_II_COSTS)
    for skim, result in ledger.skims(own).items():
        said = "" if result.speed_up is None else f"; speed-up {result.speed_up} at the campaign's own costs"
        theirs = belle[skim].speed_up
        said += "" if theirs is None else f", {theirs} at Belle II's"
        lines.append(f"{skim}: {result.n_passing} pass, n_eff {result.effective:.5g}{said}")
    return lines


def failure_lines(status: Status) -> list[str]:
    """What is set aside or damaged, and what that means for the normalisation."""
    lines = [
        f"set aside: chunk {one.chunk} after {one.n_failures} failures: {one.error} (log: {one.log})"
        for one in status.set_aside[:_NAMED]
    ]
    if len(status.set_aside) > _NAMED:
        lines.append(f"... and {len(status.set_aside) - _NAMED} more")
    if status.set_aside:
        lines.append(
            "sums and luminosities are those of the chunks that are done: right as long as chunks fail for other "
            "reasons than what their events are; `smartbkg campaign retry` gives them another chance"
        )
    lines += [f"damaged: {line}" for line in (status.damaged + status.foreign)[:_NAMED]]
    return lines
