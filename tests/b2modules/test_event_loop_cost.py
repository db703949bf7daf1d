"""What the filter costs in the event loop, the network included."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

#: Seconds of CPU time an event of about 41 particles, on a core that is not slowed down by others.
LIMIT = 0.5e-3
#: Seconds of `yardstick` on such a core (3 GHz, Python 3.11).
QUIET_YARDSTICK = 0.09e-3


def yardstick() -> float:
    """CPU time of a fixed piece of Python: how fast this core is at the moment."""
    start = time.process_time()
    total = 0
    for number in range(2000):
        total += number * number
    return time.process_time() - start


def test_event_costs_at_most_half_a_millisecond(
    basf2: ModuleType, mdst: Path, reference_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPU time in units of a yardstick measured in between, and the lower quartile of both: others use the machine."""
    import generators

    from smartbkg.b2modules.NN_filter_module import NNFilterModule

    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))
    seconds: list[float] = []
    yards: list[float] = []
    n_particles: list[int] = []

    class Timed(NNFilterModule):
        def event(self) -> None:
            yards.append(yardstick())
            start = time.process_time()
            super().event()
            seconds.append(time.process_time() - start)
            n_particles.append(len(self._particles))

    path = basf2.create_path()
    path.add_module("EventInfoSetter", evtNumList=700)
    generators.add_evtgen_generator(path, finalstate="mixed")
    path.add_module(Timed(model_file=reference_model))
    basf2.process(path)
    assert 38 < np.mean(n_particles) < 46
    slowdown = max(1.0, float(np.quantile(yards, 0.25)) / QUIET_YARDSTICK)
    cost = float(np.quantile(seconds[100:], 0.25)) / slowdown
    assert cost < LIMIT, f"{1e3 * cost:.2f} ms an event (core slowed down {slowdown:.1f} times)"
