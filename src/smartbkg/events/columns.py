"""The columns of an event: shape, type, unit, meaning. Every reader fills these and every writer knows them.

Event columns have shape (n_events,). Particle columns are jagged; in memory they are flat, shape (n_particles,), with
``offsets`` (n_events + 1,) saying where each event begins. Names are those of basf2's variables.
Units: GeV, cm, ns, c = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass


class Field(NamedTuple):
    """One column."""

    name: str
    """Name in memory and in files."""
    dtype: type[np.generic]
    """Type in memory and in the native file."""
    unit: str
    """Unit, empty for pure numbers."""
    meaning: str
    """What it holds."""


EXPERIMENT: Final = "experiment"
RUN: Final = "run"
EVENT_NUMBER: Final = "evtNum"
PROCESS: Final = "process"
WEIGHT: Final = "weight"

#: An event is known by these three together, never by its number alone.
EVENT_ID: Final = (EXPERIMENT, RUN, EVENT_NUMBER)

EVENT_FIELDS: Final = (
    Field(EXPERIMENT, np.int32, "", "experiment number"),
    Field(RUN, np.int32, "", "run number; event numbers repeat across runs"),
    Field(EVENT_NUMBER, np.int64, "", "event number within its run"),
    Field(PROCESS, np.str_, "", "generated process: mixed, charged, uubar, ..., empty where unknown"),
    Field(WEIGHT, np.float64, "", "generator weight; may be negative"),
)

PARTICLE_FIELDS: Final = (
    Field("arrayIndex", np.int32, "", "name of the particle within its event, unique there"),
    Field("PDG", np.int32, "", "PDG code"),
    Field("motherIndex", np.int32, "", "arrayIndex of the mother, -1 where there is none"),
    Field("mass", np.float32, "GeV", "generated mass"),
    Field("charge", np.float32, "e", "electric charge"),
    Field("energy", np.float32, "GeV", "energy"),
    Field("prodTime", np.float32, "ns", "time of the production vertex"),
    Field("x", np.float32, "cm", "production vertex"),
    Field("y", np.float32, "cm", "production vertex"),
    Field("z", np.float32, "cm", "production vertex"),
    Field("px", np.float32, "GeV", "momentum"),
    Field("py", np.float32, "GeV", "momentum"),
    Field("pz", np.float32, "GeV", "momentum"),
    Field("nDaughters", np.int32, "", "number of daughters in the record"),
    Field("status", np.int32, "", "bits of `ParticleStatus`"),
    Field("motherPDG", np.int32, "", "PDG code of the mother, 0 where there is none"),
)

EVENT_DTYPES: Final = {field.name: np.dtype(field.dtype) for field in EVENT_FIELDS}
PARTICLE_DTYPES: Final = {field.name: np.dtype(field.dtype) for field in PARTICLE_FIELDS}


class ParticleStatus:
    """Bits of the column ``status``: those of basf2's ``MCParticle``; every reader maps its format onto them."""

    PRIMARY: Final = 1 << 0  # made by the generator, not by the detector simulation
    STABLE_IN_GENERATOR: Final = 1 << 1
    LEFT_DETECTOR: Final = 1 << 2
    STOPPED_IN_DETECTOR: Final = 1 << 3
    VIRTUAL: Final = 1 << 4
    INITIAL: Final = 1 << 5  # beam particles
    ISR_PHOTON: Final = 1 << 6
    FSR_PHOTON: Final = 1 << 7
    PHOTOS_PHOTON: Final = 1 << 8


#: The processes of an e+ e- collider at the Υ(4S), in the order of tables and plots.
PROCESSES: Final = ("mixed", "charged", "uubar", "ddbar", "ssbar", "ccbar", "taupair")


#: Event column with the expected simulation seconds of each event: looked at where a policy was planned with it.
SIMULATION_COST: Final = "simulation_cost"


#: Names of the event id's columns in tables of other programs.
ID_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "experiment": ("experiment", "__experiment__", "exp", "expNum"),
    "run": ("run", "__run__", "runNum"),
    "evtNum": ("evtNum", "__event__", "event", "evt", "eventNumber"),
}


#: Names of the event id in n-tuples: ours, and those that basf2's VariablesToNtuple writes.
ID_BRANCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "experiment": ("experiment", "__experiment__", "expNum"),
    "run": ("run", "__run__", "runNum"),
    "evtNum": ("evtNum", "__event__", "event"),
}


#: Column of an oracle's table: P(pass) of a skim, from many simulations of the event.
ORACLE_PREFIX: Final = "pass_probability_"


KEEP_PROBABILITY: Final = "keep_probability"


GENERATOR_WEIGHT: Final = "generator_weight"


SCORE: Final = "score"


def score_columns(skims: Sequence[str]) -> tuple[str, ...]:
    """Names of the score columns: ``score`` for one skim, ``score_<skim>`` for several."""
    return (SCORE,) if len(skims) == 1 else tuple(f"{SCORE}_{skim}" for skim in skims)


SAMPLING_WEIGHT: Final = "sampling_weight"


#: Prefixes of the columns that say whether an event passed a skim, in flags (first two) and in data sets.
PASSES_PREFIX: Final = "passes_"


FRACTION_PREFIX: Final = "pass_fraction_"


LABEL_PREFIX: Final = "label_"


VARIABLE_PREFIX: Final = "var_"


IS_KEPT: Final = "is_kept"
