"""The embedded generator: B meson pairs, continuum and τ pairs at SuperKEKB with PYTHIA 8.

Events come in blocks of `BLOCK_EVENTS`. A block is a function of (seed, process, experiment, run, its number) alone;
event number k of a run is event (k - 1) mod `BLOCK_EVENTS` of block (k - 1) div `BLOCK_EVENTS`: the same event whatever
else is asked for, in batches of any size, by one process or several.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import UsageError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_DTYPES, EVENT_NUMBER, EXPERIMENT, PROCESSES, RUN, ParticleStatus
from smartbkg.events.units import SPEED_OF_LIGHT
from smartbkg.experiment.beams import Collisions, FourMomenta, draw_collisions, from_beam_frame
from smartbkg.experiment.generator.decay_tables import real_codes
from smartbkg.experiment.generator.pythia import (
    PythiaRecord,
    decay_particles,
    generate_continuum,
    import_pythia,
    particle_property,
)
from smartbkg.experiment.generator.radiation import add_radiation
from smartbkg.experiment.generator.record import Entries, family_columns, particles_of
from smartbkg.experiment.generator.upsilon import UPSILON_4S, draw_meson_pairs
from smartbkg.seeds import derive_seed, event_keys

#: Counts changes that make other events of the same seed. 2: neutral B mesons mix in time.
GENERATOR_VERSION: Final = 2

#: Events made together; another size would make other events.
BLOCK_EVENTS: Final = 500

#: Processes whose events are Υ(4S) → B B̄.
MESON_PAIR_PROCESSES: Final = ("mixed", "charged")

_MM_PER_CM: Final = 10.0
_MM_PER_NS: Final = SPEED_OF_LIGHT * _MM_PER_CM


@dataclass(frozen=True)
class GeneratorRequest:
    """What to generate.

    Raises
    ------
    UsageError
        An unknown process, or numbers out of range.
    """

    process: str
    """One of `smartbkg.events.columns.PROCESSES`."""
    n_events: int
    seed: int
    experiment: int = 0
    run: int = 1
    first_event: int = 1
    """Number of the first event in its run."""

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise UsageError(f"unknown process '{self.process}': {nearest(self.process, PROCESSES)}")
        for name, lowest in (("n_events", 1), ("experiment", 0), ("run", 0), ("first_event", 1)):
            if getattr(self, name) < lowest:
                raise UsageError(f"{name} is {getattr(self, name)}, expected at least {lowest}")
        last = self.first_event + self.n_events - 1
        for name, column, value in (
            ("experiment", EXPERIMENT, self.experiment), ("run", RUN, self.run), ("last event", EVENT_NUMBER, last)
        ):  # fmt: skip
            if value > (highest := np.iinfo(EVENT_DTYPES[column]).max):
                raise UsageError(f"{name} is {value}, expected at most {highest}")

    @property
    def blocks(self) -> range:
        """Numbers of the blocks that hold the events."""
        start = self.first_event - 1
        return range(start // BLOCK_EVENTS, (start + self.n_events - 1) // BLOCK_EVENTS + 1)


@functools.cache
def _charge_of(code: int) -> float:
    return particle_property("charge", code)


def _charges(codes: NDArray[np.int32]) -> NDArray[np.float32]:
    unique, inverse = np.unique(codes, return_inverse=True)
    return np.array([_charge_of(int(code)) for code in unique], dtype=np.float32)[inverse]


class _Block(NamedTuple):
    """Events in the making."""

    counts: NDArray[np.int64]
    """(n_events,) particles per event."""
    columns: dict[str, NDArray[Any]]
    """Particle columns, flat; vertices relative to the collision."""


def _block_of(record: PythiaRecord, entries: Entries, seed: int) -> _Block:
    """Particle columns of PYTHIA's entries, in GeV, cm and ns, with the photons that decays radiate."""
    i = entries.entry
    codes = real_codes(record.code[i])
    columns: dict[str, NDArray[Any]] = {
        "PDG": codes,
        "motherIndex": entries.mother,
        "mass": record.mass[i],
        "charge": _charges(codes),
        "energy": record.momentum.energy[i],
        "px": record.momentum.px[i],
        "py": record.momentum.py[i],
        "pz": record.momentum.pz[i],
        "prodTime": record.time[i] / _MM_PER_NS,
        "x": record.x[i] / _MM_PER_CM,
        "y": record.y[i] / _MM_PER_CM,
        "z": record.z[i] / _MM_PER_CM,
        "status": entries.status,
    }
    keys = event_keys(derive_seed(seed, "radiation"), 0, 0, np.arange(len(entries.counts)))
    return _Block(*add_radiation(keys, entries.counts, columns))


def _meson_pair_block(process: str, seed: int) -> tuple[_Block, Collisions]:
    """A block of Υ(4S) events."""
    pairs = draw_meson_pairs(process, BLOCK_EVENTS, np.random.default_rng(seed))
    record = decay_particles(pairs.codes, pairs.momenta, pairs.proper_time, seed)
    decayed = _block_of(record, particles_of(record, BLOCK_EVENTS, n_decaying=2 * BLOCK_EVENTS), seed)
    momentum = pairs.collisions.momentum
    upsilon: dict[str, Any] = dict.fromkeys(decayed.columns, 0) | {
        "PDG": UPSILON_4S,
        "motherIndex": -2,  # it becomes -1 with the shift of all by one
        "mass": momentum.mass,
        "energy": momentum.energy,
        "px": momentum.px,
        "py": momentum.py,
        "pz": momentum.pz,
        "status": ParticleStatus.PRIMARY,
    }
    starts = np.cumsum(decayed.counts) - decayed.counts
    columns = {name: np.insert(column, starts, upsilon[name]) for name, column in decayed.columns.items()}
    columns["motherIndex"] = columns["motherIndex"] + 1
    return _Block(decayed.counts + 1, columns), pairs.collisions


def _continuum_block(process: str, seed: int) -> tuple[_Block, Collisions]:
    """A block of e+e- → γ* → f f̄ events.

    PYTHIA works at the mean √s; the spreads of the beams enter by the boost alone.
    """
    collisions = draw_collisions(BLOCK_EVENTS, np.random.default_rng(seed))
    record = generate_continuum(process, BLOCK_EVENTS, seed)
    counts, columns = _block_of(record, particles_of(record, BLOCK_EVENTS), seed)
    event = np.repeat(np.arange(BLOCK_EVENTS), counts)
    frame = FourMomenta(*(component[event] for component in collisions.momentum))
    momentum = from_beam_frame(FourMomenta(columns["energy"], columns["px"], columns["py"], columns["pz"]), frame)
    # production points transform as momenta do, with times in units of length
    time = columns["prodTime"] * SPEED_OF_LIGHT
    vertex = from_beam_frame(FourMomenta(time, columns["x"], columns["y"], columns["z"]), frame)
    columns |= {"energy": momentum.energy, "px": momentum.px, "py": momentum.py, "pz": momentum.pz}
    columns |= {"prodTime": vertex.energy / SPEED_OF_LIGHT, "x": vertex.px, "y": vertex.py, "z": vertex.pz}
    return _Block(counts, columns), collisions


def generate_block(process: str, seed: int, experiment: int, run: int, block: int) -> EventBatch:
    """All `BLOCK_EVENTS` events of one block: a function of the arguments alone."""
    block_seed = derive_seed(seed, "generate", process, experiment, run, block)
    make = _meson_pair_block if process in MESON_PAIR_PROCESSES else _continuum_block
    (counts, columns), collisions = make(process, block_seed)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    event = np.repeat(np.arange(BLOCK_EVENTS), counts)
    for axis, name in enumerate(("x", "y", "z")):
        columns[name] = columns[name] + collisions.vertex[event, axis]
    columns["arrayIndex"] = np.arange(offsets[-1]) - offsets[:-1][event]
    columns |= family_columns(offsets, columns["PDG"], columns["motherIndex"])
    return EventBatch.from_columns(
        counts,
        {
            "experiment": np.full(BLOCK_EVENTS, experiment),
            "run": np.full(BLOCK_EVENTS, run),
            "evtNum": np.arange(BLOCK_EVENTS) + block * BLOCK_EVENTS + 1,
            "process": np.full(BLOCK_EVENTS, process),
        },
        columns,
        source=f"generator '{process}'",
    )


def compile_kernels() -> None:
    """Have the compiled code ready, on disk too, before several processes need it."""
    decay = {name: np.zeros(1) for name in ("energy", "px", "py", "pz", "prodTime", "x", "y", "z", "mass", "charge")}
    integers = {"PDG": np.zeros(1, np.int32), "motherIndex": np.full(1, -1), "status": np.zeros(1, np.int32)}
    add_radiation(np.zeros(1, np.uint64), np.ones(1, np.int64), decay | integers)


def generate_requested_block(request: GeneratorRequest, block: int) -> EventBatch:
    """Those events of a block that a request asks for."""
    batch = generate_block(request.process, request.seed, request.experiment, request.run, block)
    first = request.first_event - 1 - block * BLOCK_EVENTS
    return batch.slice(max(first, 0), min(first + request.n_events, BLOCK_EVENTS))


def generate_events(
    process: str, n_events: int, seed: int, *, experiment: int = 0, run: int = 1, first_event: int = 1
) -> Iterator[EventBatch]:
    """Events as they are made, a block at a time.

    Parameters
    ----------
    process : one of ``mixed charged uubar ddbar ssbar ccbar taupair``.
    n_events : how many.
    seed : any integer; with ``process``, ``experiment`` and ``run`` it fixes every event by its number.
    experiment, run : numbers that the events get.
    first_event : number of the first event, at least 1.

    Raises
    ------
    UsageError
        An unknown process, or numbers out of range.
    MissingDependencyError
        PYTHIA is not installed.
    """
    request = GeneratorRequest(process, n_events, seed, experiment, run, first_event)
    import_pythia()
    return (generate_requested_block(request, block) for block in request.blocks)
