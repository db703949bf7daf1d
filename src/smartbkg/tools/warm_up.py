"""Compile ahead of time: `python -m smartbkg.tools.warm_up [experiment] [network]`.

Events go through a file, as in the work that follows: a kernel is compiled for the kind of arrays that it is given, and
those from a file are read-only.

Compiled kernels are kept on disk, so that this costs a few minutes once for a version and seconds later. A batch farm
does it once into a shared ``NUMBA_CACHE_DIR``; the demo does both parts at the same time as it generates.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from smartbkg.errors import SmartBKGError, UsageError, nearest


class _WarmUp(Protocol):
    def __call__(self) -> None:
        """Call every kernel of one part once."""


def _experiment() -> None:
    from smartbkg.experiment.generator.files import generate_to_file
    from smartbkg.experiment.generator.generate import GeneratorRequest
    from smartbkg.experiment.simulation import simulate_file

    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.parquet"
        generate_to_file(GeneratorRequest("mixed", 20, 0), events)
        simulate_file(events, Path(folder) / "flags.parquet")


def _network() -> None:
    import numpy as np
    import torch

    from smartbkg.events import EventBatch
    from smartbkg.events.columns import PARTICLE_DTYPES
    from smartbkg.graphs import GraphRule, build_graphs
    from smartbkg.graphs.collate import collate
    from smartbkg.io import create_events, open_events
    from smartbkg.networks import ModelBundle, build_model, parse_config
    from smartbkg.networks.bundle import state_of
    from smartbkg.networks.scorer import scorer_of

    position = np.tile(np.arange(10), 4)
    columns = {name: np.ones(40) for name in PARTICLE_DTYPES} | {
        "arrayIndex": position,
        "motherIndex": position // 3 - 1,
    }
    event = {"experiment": np.zeros(4), "run": np.zeros(4), "evtNum": np.arange(4)}
    models = {name: build_model({"architecture": name}) for name in ("gatgap", "transformer")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        with create_events(path, {"kind": "events", "schema_version": 1}) as writer:
            writer.write(EventBatch.from_columns(np.full(4, 10), event, columns))
        with open_events(path) as reader:
            batch = next(reader.batches())
    loss: torch.Tensor = models["gatgap"](collate(build_graphs(batch, GraphRule()))).sum()
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    for name, model in models.items():
        scorer_of(ModelBundle(parse_config({"architecture": name}), state_of(model))).logits(batch)


PARTS: Final[Mapping[str, _WarmUp]] = {"experiment": _experiment, "network": _network}


def warm_up(parts: Sequence[str] = tuple(PARTS)) -> None:
    """Compile the kernels of some parts, or load them where they are compiled.

    Raises
    ------
    UsageError
        There is no such part.
    """
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"nothing to compile is called '{part}': {nearest(part, PARTS)}")
        PARTS[part]()


class BackgroundWarmUp:
    """Compiles each part in a process of its own, while something else goes on."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "smartbkg.tools.warm_up"]
        self._processes = {
            part: subprocess.Popen([*command, part], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for part in PARTS
        }

    def wait(self, part: str) -> None:
        """Wait until a part is compiled.

        Raises
        ------
        SmartBKGError
            Compilation failed.
        """
        process = self._processes[part]
        _, messages = process.communicate()
        if process.returncode != 0:
            raise SmartBKGError(f"compiling '{part}' failed: {messages.strip().splitlines()[-1:]}")

    def stop(self) -> None:
        """End what is still compiling."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
                process.communicate()


if __name__ == "__main__":
    warm_up(sys.argv[1:] or tuple(PARTS))
