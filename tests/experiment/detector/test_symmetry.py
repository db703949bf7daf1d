"""What training with symmetries relies on: mirrored events, with antiparticles, pass as often as the originals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from smartbkg.events import EventBatch, load_token_table
from smartbkg.events.pdg import DEFAULT_TOKEN_TABLE
from smartbkg.experiment.simulation import simulate_events

SKIMS = ("feiHadronicB0", "feiHadronicBplus", "feiSLB0", "feiSLBplus", "BtoXll")


def mirrored(batch: EventBatch) -> EventBatch:
    """Every event reflected at y = 0, with antiparticles."""
    particle, table = dict(batch.particle), load_token_table(DEFAULT_TOKEN_TABLE)
    for code in ("PDG", "motherPDG"):
        has_antiparticle = ~table.tokens(-particle[code])[1]
        particle[code] = np.where(has_antiparticle, -particle[code], particle[code])
    for column in ("charge", "y", "py"):
        particle[column] = -particle[column]
    return dataclasses.replace(batch, particle=particle)


def test_mirrored_events_pass_as_often_as_the_originals() -> None:
    pytest.importorskip("pythia8mc")
    from smartbkg.experiment.generator.generate import generate_events

    batch = EventBatch.concatenate(list(generate_events("mixed", 3000, 17)))
    original = simulate_events(batch, 5, skims=SKIMS)
    mirror = simulate_events(mirrored(batch), 6, skims=SKIMS)
    for skim in SKIMS:
        change = mirror.passes[skim].astype(float) - original.passes[skim]
        assert abs(change.mean()) < 4 * change.std() / np.sqrt(len(change)), skim
    energy = mirror.variables["visibleEnergy"] - original.variables["visibleEnergy"]
    assert abs(np.nanmean(energy)) < 4 * np.nanstd(energy) / np.sqrt(len(energy))
