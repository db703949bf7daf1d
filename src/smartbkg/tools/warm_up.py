"""Compile for this machine ahead of time: `python -m smartbkg.tools.warm_up [PART...]`, by default all of `PARTS`.

Events go through a file, as in the work that follows: a kernel is compiled for the kind of arrays that it is given, and
those from a file are read-only.

Compiled kernels are kept on disk, so that this costs a few minutes once for a version and seconds later. A batch farm
does it once into a shared ``NUMBA_CACHE_DIR``; the demo does it at the same time as it generates.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from smartbkg.errors import SmartBKGError, UsageError, nearest
from smartbkg.optional import needed_for
from smartbkg.storage.kinds import EVENTS, SCHEMA_VERSIONS
from smartbkg.storage.provenance import record

if TYPE_CHECKING:
    from smartbkg.events import EventBatch


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


def _events() -> list[EventBatch]:
    """A few events as the readers give them: arrays from Parquet cannot be written, those from text can."""
    import numpy as np

    from smartbkg.events import EventBatch
    from smartbkg.events.columns import PARTICLE_DTYPES
    from smartbkg.io import create_events, open_events

    position = np.tile(np.arange(10), 4)
    columns = {name: np.ones(40) for name in PARTICLE_DTYPES} | {
        "arrayIndex": position,
        "motherIndex": position // 3 - 1,
    }
    event = {"experiment": np.zeros(4), "run": np.zeros(4), "evtNum": np.arange(4)}
    batches = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("events.parquet", "events.hepmc3", "events.hepmc2"):
            path = Path(folder) / name
            if path.suffix == ".hepmc2":
                path.write_text(_HEPMC2)
            else:
                with create_events(path, record(EVENTS, SCHEMA_VERSIONS[EVENTS], {})) as writer:
                    writer.write(EventBatch.from_columns(np.full(4, 10), event, columns))
            with open_events(path) as reader:
                batches += list(reader.batches())
    return batches


#: One event: a pion from two beams.
_HEPMC2: Final = """
HepMC::Version 2.06.09
HepMC::IO_GenEvent-START_EVENT_LISTING
E 1 -1 -1.0 -1.0 -1.0 0 -1 1 1 2 0 0
U GEV MM
V -1 0 0 0 0 0 2 1 0
P 1 11 0 0 7 7 0.0005 4 0 0 -1 0
P 2 -11 0 0 -4 4 0.0005 4 0 0 -1 0
P 3 211 0 0 3 3.1 0.14 1 0 0 0 0
HepMC::IO_GenEvent-END_EVENT_LISTING
"""


def _readers() -> None:
    import numpy as np

    from smartbkg.events.content import content_digests  # of draws
    from smartbkg.io.ancestry import nearest_mothers  # of EDM4hep files, which are not written here

    for batch in _events():
        content_digests(batch)
    nearest_mothers(np.array([2]), np.array([0, 1]), np.array([0]), np.array([False, False]))


def _network() -> None:
    import numpy as np

    from smartbkg.graphs import SMART_BACKGROUND_RULE, GraphRule
    from smartbkg.networks import ModelBundle, parse_config
    from smartbkg.networks.gatgap import runtime as gatgap
    from smartbkg.networks.scorer import scorer_of
    from smartbkg.networks.transformer import runtime as transformer

    for rule in (GraphRule(), SMART_BACKGROUND_RULE):
        size = {"num_features": len(rule.features), "num_pdg": len(rule.tokens)}
        architectures: tuple[tuple[str, Any], ...] = (("gatgap", gatgap), ("transformer", transformer))
        for name, runtime in architectures:
            config = parse_config({"architecture": name, **size})
            state = {key: np.ones(shape, dtype=np.float32) for key, shape in runtime.state_shapes(config).items()}
            scorer = scorer_of(ModelBundle(config, state, graph_rule=rule))
            for batch in _events():
                scorer.logits(batch)


def _training() -> None:
    with needed_for("compiling for training"):
        import torch

        from smartbkg.graphs.collate import collate
    from smartbkg.graphs import GraphRule, build_graphs
    from smartbkg.networks import build_model

    graphs = collate(build_graphs(_events()[0], GraphRule()))
    loss: torch.Tensor = build_model({"architecture": "gatgap"})(graphs).sum()
    loss.backward()  # type: ignore[no-untyped-call]  # torch's


#: Part → what calls its kernels. The core runs `readers` and `network`; the others need extras.
PARTS: Final[Mapping[str, _WarmUp]] = {
    "experiment": _experiment,
    "readers": _readers,
    "network": _network,
    "training": _training,
}


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


#: What is compiled at the same time: a name and its parts, in order.
_JOBS: Final[Mapping[str, Sequence[str]]] = {"experiment": ("experiment",), "network": ("network", "training")}


class BackgroundWarmUp:
    """Compiles the experiment and the networks, each in a process of its own, while something else goes on."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "smartbkg.tools.warm_up"]
        self._processes = {
            job: subprocess.Popen([*command, *parts], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for job, parts in _JOBS.items()
        }

    def wait(self, job: str) -> None:
        """Wait until ``experiment`` or ``network`` is compiled.

        Raises
        ------
        SmartBKGError
            Compilation failed.
        """
        process = self._processes[job]
        _, messages = process.communicate()
        if process.returncode != 0:
            raise SmartBKGError(f"compiling '{job}' failed: {messages.strip().splitlines()[-1:]}")

    def stop(self) -> None:
        """End what is still compiling."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
                process.communicate()


@click.command()
@click.argument("parts", metavar="[PART]...", nargs=-1)
def command(parts: tuple[str, ...]) -> None:
    """Compile kernels ahead of time, into numba's cache (NUMBA_CACHE_DIR): experiment, readers, network, training.

    Without PART all that the installed extras can use.
    """
    try:
        warm_up(parts or tuple(PARTS))
    except SmartBKGError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    command()
