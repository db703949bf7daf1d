"""A program as a surrogate: known by its placeholders, called once with every replica under a number of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.experiment import program_surrogate
from smartbkg.experiment.program_surrogate import PROGRAM, ProgramSurrogate

COMMAND = "mysim {input} {output} --seed {seed}"


def test_it_is_known_by_its_placeholder_and_comes_back_from_a_record() -> None:
    assert PROGRAM.recognise("embedded:64") is None
    plain = PROGRAM.recognise(COMMAND)
    assert plain == ProgramSurrogate(COMMAND)
    hepmc = PROGRAM.recognise(f"hepmc3: {COMMAND}")
    assert hepmc is not None
    assert hepmc.settings == {"command": COMMAND, "input_suffix": ".hepmc3"}
    assert PROGRAM.restore(hepmc.settings) == hepmc
    assert hepmc.name == "mysim"


def test_a_command_without_output_says_how_a_program_is_called() -> None:
    with pytest.raises(UsageError, match=r"has no \{output\}; a program is called as .* passes_<skim> for a, b"):
        ProgramSurrogate("mysim {input}").check(("a", "b"))


def test_replicas_are_events_of_their_own_and_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def simulate(batch: EventBatch, command: str, skims: Sequence[str], *, input_suffix: str) -> np.ndarray:
        calls.append((batch, command, input_suffix))
        passes = np.zeros((len(batch), len(skims)), dtype=bool)
        passes[:, 0] = np.arange(len(batch)) % 5 == 0  # the first event of each replica
        return passes

    monkeypatch.setattr(program_surrogate, "flags_of_program", simulate)
    events = random_events(5, first_event=40)
    counts = ProgramSurrogate(COMMAND).count(events, ("a", "b"), 9, 1, 3)
    np.testing.assert_array_equal(counts, [[3, 0], [0, 0], [0, 0], [0, 0], [0, 0]])
    ((batch, command, suffix),) = calls
    assert suffix == ".parquet"
    assert len(np.unique(batch.event["evtNum"])) == 15
    assert (batch.event["evtNum"] >= 10**9).all()
    np.testing.assert_array_equal(batch.counts, np.tile(events.counts, 3))
    assert "{seed}" not in command
    ProgramSurrogate(COMMAND).count(events, ("a", "b"), 9, 4, 3)
    assert calls[1][1] != command, "further replicas with the numbers of the first"


def test_nothing_is_called_for_no_events_or_no_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_surrogate, "flags_of_program", None)
    surrogate = ProgramSurrogate(COMMAND)
    assert surrogate.count(random_events(3), ("a",), 1, 1, 0).tolist() == [[0], [0], [0]]
    assert surrogate.count(random_events(1).select(np.zeros(1, bool)), ("a",), 1, 1, 5).shape == (0, 1)
