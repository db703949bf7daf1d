"""The report of a campaign: what it made, how it is normalised, what it cost, and what it was made with."""

from __future__ import annotations

from typing import Any

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.status import Status, as_dict
from smartbkg.events.totals import Totals
from smartbkg.sampling.cost import BELLE_II_COSTS

#: 1/fb in 1/nb.
_INVERSE_FEMTOBARN = 1e6


def report_dict(campaign: Campaign, status: Status) -> dict[str, Any]:
    """All of it as plain values, for programs."""
    ledger = status.ledger
    cross_sections = campaign.config.generate.processes
    luminosity = ledger.luminosity(cross_sections)
    processes = {}
    for process, totals in ledger.processes.items():
        sigma = cross_sections.get(process)
        processes[process] = totals.to_dict() | {
            "luminosity_inverse_femtobarn": luminosity.get(process),
            "events_an_inverse_femtobarn": None if sigma is None else sigma * _INVERSE_FEMTOBARN,
            "weight_to_one_inverse_femtobarn": 1 / luminosity[process] if process in luminosity else None,
        }
    identity = campaign.identity
    return as_dict(status) | {
        "name": campaign.config.name,
        "processes": processes,
        "totals": ledger.totals.to_dict(),
        "speed_up_at_belle_ii_costs": {
            skim: None if one.speed_up is None else one.speed_up._asdict()
            for skim, one in ledger.skims(BELLE_II_COSTS).items()
        },
        "largest_weight": ledger.largest,
        "seed": campaign.config.seed,
        "draw_stream": campaign.stream,
        "model_sha256": identity["model_sha256"],
        "policy": identity["policy"],
        "policies": dict(ledger.policies),
        "detector_sha256": identity["detector_sha256"],
        "configuration_digest": identity["physics_digest"],
        "package_versions": dict(ledger.package_versions),
    }


def generator_filter_lines(totals: Totals) -> list[str]:
    """Cross-section and filter efficiency in the words that job transforms of LHC experiments print.

    Others read them as ``float(line.split("=")[1])``: nothing may follow the number.
    """
    lines = []
    if totals.cross_section is not None:
        lines.append(f"MetaData: cross-section (nb)= {totals.cross_section / 1000:.6e}")
    if totals.filter_efficiency is not None:
        lines.append(f"MetaData: GenFiltEff = {totals.filter_efficiency:.6e}")
    return lines


def report_lines(campaign: Campaign, status: Status) -> list[str]:
    """The report for people."""
    content = report_dict(campaign, status)
    lines = [f"campaign {campaign.config.name}: {status.n_done} of {status.n_chunks} chunks"]
    for process, totals in status.ledger.processes.items():
        about = content["processes"][process]
        stands = about["luminosity_inverse_femtobarn"]
        said = "no cross-section is known" if stands is None else (
            f"{stands:.4g} /fb; {about['events_an_inverse_femtobarn']:.4g} events are 1 /fb, so multiply weights by "
            f"{about['weight_to_one_inverse_femtobarn']:.6g} for 1 /fb"
        )  # fmt: skip
        lines.append(f"{process}: {totals.n_events} generated, {totals.n_kept} kept; stand for {said}")
        lines += generator_filter_lines(totals)
    lines.append("GenFiltEff is the share of events kept; weights make up for it, so that weighted sums take 1 instead")
    cpu = {stage: seconds for stage, seconds in status.ledger.cpu.items() if seconds}
    whole = sum(cpu.values()) or 1.0
    lines.append(
        f"CPU: {whole / 3600:.4g} hours ("
        + ", ".join(f"{stage} {seconds / whole:.1%}" for stage, seconds in cpu.items())
        + f"); {status.ledger.n_bytes / 1e6:.4g} MB of files"
    )
    lines.append(
        f"seed {content['seed']}, model {content['model_sha256'][:12]}, configuration "
        f"{content['configuration_digest'][:12]}, smartbkg {', '.join(content['package_versions'])}; "
        f"{status.ledger.n_unknown_codes} particles of unknown PDG code"
    )
    return lines
