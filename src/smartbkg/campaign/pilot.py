"""A pilot: a few events of each process, made here and now as chunks would be, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.chain import make_chunk
from smartbkg.campaign.chunk.chunks import Chunk, count_events
from smartbkg.campaign.chunk.stages import cpu_seconds
from smartbkg.campaign.chunk_files import ChunkFiles
from smartbkg.campaign.ledger import Ledger
from smartbkg.errors import UsageError
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, score_columns
from smartbkg.experiment.external import DEFAULT_BATCH_SIZE, simulate_file_externally
from smartbkg.experiment.generator.generate import BLOCK_EVENTS
from smartbkg.io import create_events, open_events
from smartbkg.seeds import derive_seed
from smartbkg.storage.kinds import KEPT
from smartbkg.storage.partial import scratch_folder

#: Pieces at least into which the pilot of each process is cut: how much they differ says how well costs are known.
_PIECES: Final = 3
#: Events of a piece that is made twice before the others: to load models and compiled kernels, and to see what a chunk
#: costs however few its events.
_FEW: Final = 40
#: Kept events that an external simulation is tried on: one, and so many.
_TRIED: Final = 20


class Pilot(NamedTuple):
    """What was measured on a few events."""

    n_events: int
    ledger: Ledger
    """Sums over the pieces, as over chunks of a campaign."""
    pieces: list[dict[str, Any]]
    """Record of each piece."""
    columns: dict[str, NDArray[Any]]
    """Scores, keep probability and generator weight of each kept event."""
    simulation: float | None
    """CPU seconds per kept event of an external simulation, in calls of the size that chunks have; None where it was
    not tried."""
    beginning: dict[str, Any]
    """Record of a piece of very few events, made when models and compiled kernels were loaded."""


def run_pilot(campaign: Campaign, n_events: int, *, is_simulation_tried: bool) -> Pilot:
    """Make a few events of a campaign, which does not begin by that.

    Parameters
    ----------
    n_events : to generate, of all processes together in their ratio.
    is_simulation_tried : call an external simulation for a few kept events.

    Raises
    ------
    SmartBKGError
        A stage does not work: no chunk would.
    """
    config = campaign.config
    simulate = config.simulate
    if simulate.by == "command":  # not for every kept event: that may take hours
        simulate = simulate.model_copy(update={"by": "nothing", "command": None})
    small = Campaign(
        campaign.folder, config.model_copy(update={"simulate": simulate}), campaign.plan, campaign.identity
    )
    names = (*score_columns(campaign.skims), KEEP_PROBABILITY, GENERATOR_WEIGHT)
    ledger, pieces = Ledger(), []
    parts: list[dict[str, NDArray[Any]]] = []
    simulation = None
    beginnings: list[dict[str, Any]] = []
    for chunk in _pieces(campaign, n_events):
        if not beginnings:
            beginnings = [_beginning(small, chunk) for _ in range(2)]
        with scratch_folder("plan", config.run.scratch) as folder:
            content = make_chunk(small, chunk, "plan", folder)
            kept = ChunkFiles(0, folder, content["files"]).checked(KEPT)
            with open_events(kept) as reader:
                parts += [{column: batch.event[column] for column in names} for batch in reader.batches()]
            if (
                simulation is None
                and is_simulation_tried
                and config.simulate.by == "command"
                and content["totals"]["n_kept"]
            ):
                simulation = _timed_simulation(campaign, kept, folder, content)
        ledger.add(content)
        pieces.append(content)
    if not ledger.totals.n_events:
        raise UsageError("the first chunk holds no event: nothing can be planned from it")
    columns = {column: np.concatenate([part[column] for part in parts]) for column in names} if parts else {}
    return Pilot(ledger.totals.n_events, ledger, pieces, columns, simulation, beginnings[-1])


def _beginning(campaign: Campaign, chunk: Chunk) -> dict[str, Any]:
    """Record of a chunk of so few events that what it costs is what any chunk costs to begin."""
    with scratch_folder("plan", campaign.config.run.scratch) as folder:
        return make_chunk(campaign, chunk._replace(n_events=min(_FEW, chunk.n_events or _FEW)), "plan", folder)


def _pieces(campaign: Campaign, n_events: int) -> Iterator[Chunk]:
    """Pieces of the first chunks of each process: at least three where its events can be cut, none beyond a chunk."""
    plan, config = campaign.plan, campaign.config
    wanted = {process: math.ceil(n_events * config.generate.ratio[process]) for process in plan.processes}
    block = 1
    if config.generate.kind == "embedded":  # its events come in blocks: part of one costs as much as all of it
        block = BLOCK_EVENTS
        wanted = {process: -(-number // block) * block for process, number in wanted.items()}
    largest = {process: -(-number // (block * _PIECES)) * block for process, number in wanted.items()}
    for chunk in plan:
        available = chunk.n_events
        if chunk.source is not None and available is None:
            available = count_events(chunk.source)
        stop = min(wanted[chunk.process], available or 0)
        for start in range(0, stop, largest[chunk.process]):
            n_piece = min(largest[chunk.process], stop - start)
            yield chunk._replace(first_event=chunk.first_event + start, n_events=n_piece)
        wanted[chunk.process] -= stop
        if not any(wanted.values()):
            return


def _timed_simulation(campaign: Campaign, kept: Path, folder: Path, content: dict[str, Any]) -> float:
    """CPU seconds per kept event of the external simulation.

    It is called with one event and with some: the difference is what an event takes, the rest what a call takes, which
    the events of a call share.
    """
    config = campaign.config.simulate
    with open_events(kept) as reader:
        batch = next(reader.batches())
    n_tried = min(_TRIED, len(batch))
    seconds = []
    for n_events in (1, n_tried):
        few, flags = folder / f"tried{n_events}{kept.name.removeprefix(KEPT)}", folder / f"flags{n_events}.parquet"
        with create_events(few, {"kind": KEPT, "schema_version": 1}) as writer:
            writer.write(batch.slice(0, n_events))
        before = cpu_seconds()
        simulate_file_externally(
            few, flags, config.command or "", skim=campaign.flagged[0], timeout=config.timeout,
            input_suffix=config.suffix, working_folder=campaign.folder.root,
            seed=derive_seed(campaign.config.seed, "campaign simulation"),
        )  # fmt: skip
        seconds.append(cpu_seconds() - before)
    an_event = max(seconds[1] - seconds[0], 0.0) / max(n_tried - 1, 1)
    a_call = max(seconds[0] - an_event, 0.0)
    kept_fraction = float(content["totals"]["n_kept"] / content["totals"]["n_events"])
    n_of_chunk = max(kept_fraction * int(campaign.plan[0].n_events or content["totals"]["n_events"]), 1.0)
    return an_event + a_call * math.ceil(n_of_chunk / DEFAULT_BATCH_SIZE) / n_of_chunk
