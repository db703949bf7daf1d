"""The status page: one file without links to others, which is asked for again every half minute while work goes on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.status import Status
from smartbkg.campaign.watch.alarms import Alarm
from smartbkg.errors import MissingDependencyError
from smartbkg.storage.atomic import write_text_atomically

_REFRESH_SECONDS: Final = 30
_NAMED: Final = 20


def write_page(path: Path, campaign: Campaign, status: Status, alarms: list[Alarm]) -> None:
    """Write the status page of a campaign.

    Raises
    ------
    MissingDependencyError
        matplotlib or jinja2 is not installed.
    """
    try:
        from smartbkg.campaign.watch import plots
        from smartbkg.plots.curves import as_data_uri
        from smartbkg.plots.page import page_environment
    except ImportError as error:
        raise MissingDependencyError(str(error.name), "report", "the status page") from error
    metrics, ledger = status.metrics, status.ledger
    kept = ledger.totals.filter_efficiency
    pictures = [
        (plots.plot_progress(metrics), "How many chunks were done, by the workers' clocks."),
        (
            plots.plot_by_chunk(metrics.kept_fraction, "Kept fraction by chunk", kept),
            "Kept events over generated ones.",
        ),
        (
            plots.plot_by_chunk(metrics.weight_ratio, "Σ kept weights / Σ weights by chunk", 1.0),
            "Scatters about 1 where the weights are right, whatever the scores are worth.",
        ),
        (plots.plot_stages(ledger.cpu), "Where the CPU time goes."),
    ]
    pictures += [
        (plots.plot_score_histogram(skim, counts, status.stored.get(skim)), "What the filter sees.")
        for skim, counts in status.scores.items()
    ]
    text = (
        page_environment("smartbkg.campaign.watch")
        .get_template("status.html")
        .render(
            name=campaign.config.name,
            done=status.n_done,
            total=status.n_chunks,
            pending=len(status.pending),
            set_aside=status.set_aside[:_NAMED],
            damaged=(status.damaged + status.foreign)[:_NAMED],
            refresh=_REFRESH_SECONDS if status.pending else None,
            written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
            cards=_cards(status),
            alarms=[str(alarm) for alarm in alarms[:_NAMED]],
            figures=[(as_data_uri(figure), caption) for figure, caption in pictures],
        )
    )
    write_text_atomically(path, text)


def _cards(status: Status) -> list[tuple[str, str]]:
    ledger = status.ledger
    totals: Any = ledger.totals
    cards = [(f"{totals.n_events:,}", "events generated"), (f"{totals.n_kept:,}", "events kept")]
    if totals.n_events:
        cards.append((f"{totals.n_kept / totals.n_events:.2%}", "kept fraction"))
        cards.append((f"{float(totals.sum_kept_weight):,.6g}", "sum of weights"))
    for skim, result in ledger.skims(ledger.costs()).items():
        cards.append((f"{result.effective:,.5g}", f"effective events of {skim}"))
        if result.speed_up is not None:
            cards.append((str(result.speed_up), f"speed-up for {skim} at the campaign's own costs"))
    cards.append((f"{sum(ledger.cpu.values()) / 3600:,.3g} h", "CPU time"))
    return cards
