"""The embedded experiment as a surrogate: what it counts is what the simulation would say, from another stream."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.errors import UsageError
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2
from smartbkg.experiment.embedded_surrogate import EMBEDDED, EmbeddedSurrogate
from smartbkg.experiment.simulation import passes_only
from smartbkg.experiment.skims.registry import find_skim
from smartbkg.surrogate.registry import open_surrogate, restore_surrogate, surrogate_digest, surrogate_kinds
from smartbkg.surrogate.replicas import surrogate_seed

SKIMS = ("BtoXll", "InclusiveLambda")


def test_counts_are_those_of_single_simulations_for_any_number_of_events() -> None:
    batch = random_events(40, seed=5)
    counts = EmbeddedSurrogate().count(batch, SKIMS, 9, 1, 12)
    for column, skim in enumerate(SKIMS):
        expected = sum(passes_only(batch, 9, replica, find_skim(skim)).astype(int) for replica in range(1, 13))
        np.testing.assert_array_equal(counts[:, column], expected)
    alone = EmbeddedSurrogate().count(batch.slice(7, 8), SKIMS, 9, 1, 12)
    np.testing.assert_array_equal(alone[0], counts[7])
    assert EmbeddedSurrogate().count(batch.slice(0, 0), SKIMS, 9, 1, 12).shape == (0, 2)


def test_the_surrogates_numbers_are_not_those_of_the_simulation_of_one_seed() -> None:
    batch = random_events(60, seed=6)
    own = EmbeddedSurrogate().count(batch, ("BtoXll",), surrogate_seed(1), 0, 8)
    simulation = EmbeddedSurrogate().count(batch, ("BtoXll",), 1, 0, 8)
    assert not np.array_equal(own, simulation)


def test_names_and_files_are_recognised_and_come_back_from_a_model(tmp_path: Path) -> None:
    assert set(surrogate_kinds()) >= {"embedded", "program"}
    path = tmp_path / "mine.json"
    path.write_text('{"base": "alternative", "name": "mine", "background": {"tracks": 0.5}}')
    mine = open_surrogate(str(path))
    path.unlink()
    restored = restore_surrogate(mine.kind, json.loads(json.dumps(mine.settings)), surrogate_digest(mine), "m")
    assert restored == mine
    assert surrogate_digest(mine) != surrogate_digest(EmbeddedSurrogate(ALTERNATIVE))
    assert open_surrogate("belle2") == EmbeddedSurrogate(BELLE2)
    assert EMBEDDED.recognise("mysim {input} {output}") is None
    with pytest.raises(UsageError, match="did you mean 'alternative'"):
        open_surrogate("alternativ")
    with pytest.raises(UsageError, match="expected a detector"):
        open_surrogate("delphes")
