"""Names of all columns: of events and particles, and of what filters, skims and oracles add to them. Nowhere else.

Event columns have shape (n_events,). Particle columns are jagged; in memory they are flat, shape (n_particles,), with
``offsets`` (n_events + 1,) saying where each event begins. Names are those of basf2's variables.
Units: GeV, cm, ns, c = 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np


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

# ---- The event id in tables of other programs ----

#: Names of the event id's columns, ours first: basf2's VariablesToNtuple (``__experiment__``), its variables
#: (``expNum``), and those common in n-tuples. Flags, n-tuples and every other table are read by this one list.
ID_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    EXPERIMENT: (EXPERIMENT, "__experiment__", "exp", "expNum"),
    RUN: (RUN, "__run__", "runNum"),
    EVENT_NUMBER: (EVENT_NUMBER, "__event__", "event", "evt", "eventNumber"),
}


def id_column(part: str, names: Collection[str]) -> str | None:
    """The column that holds one part of the event id in a table, None where there is none.

    Parameters
    ----------
    part : one of `EVENT_ID`.
    names : columns of the table. Where several would do, the first of `ID_NAMES` is taken.
    """
    return next((name for name in ID_NAMES[part] if name in names), None)


def is_id_column(name: str) -> bool:
    """Whether a column of that name holds a part of the event id."""
    return any(name in names for names in ID_NAMES.values())


# ---- What a filter adds, (n_events,) float64 each unless said otherwise ----

#: Calibrated probability to pass; ``score_<skim>`` where there are several (`score_columns`).
SCORE: Final = "score"
#: Output of the network before calibration; ``logit_<skim>`` where there are several (`logit_columns`).
LOGIT: Final = "logit"
#: Keep probability q in (0, 1].
KEEP_PROBABILITY: Final = "keep_probability"
#: Prefix of the columns of a generator's several weights, the nominal one first; all are divided by q as `WEIGHT` is.
VARIATION_PREFIX: Final = "weight_"

#: The generator's weight before it was divided by the keep probability; ``weight`` is the quotient.
GENERATOR_WEIGHT: Final = "generator_weight"
#: bool: the event was kept.
IS_KEPT: Final = "is_kept"
#: Expected simulation seconds of the event: used where a policy was planned with it.
SIMULATION_COST: Final = "simulation_cost"


def score_columns(skims: Sequence[str]) -> tuple[str, ...]:
    """Names of the score columns: ``score`` for one skim, ``score_<skim>`` for several."""
    return _by_skim(SCORE, skims)


def logit_columns(skims: Sequence[str]) -> tuple[str, ...]:
    """Names of the logit columns: ``logit`` for one skim, ``logit_<skim>`` for several."""
    return _by_skim(LOGIT, skims)


def _by_skim(name: str, skims: Sequence[str]) -> tuple[str, ...]:
    return (name,) if len(skims) == 1 else tuple(f"{name}_{skim}" for skim in skims)


# ---- What flags, data sets and oracles hold: a prefix, then the name of the skim or variable ----

#: Flags, bool: the event passed the skim.
PASSES_PREFIX: Final = "passes_"
#: Flags, uint64: what was generated (`smartbkg.events.content`), by which flags of other events of one id are noticed.
CONTENT: Final = "content"
#: Flags, float in [0, 1]: fraction of the simulated replicas that passed.
FRACTION_PREFIX: Final = "pass_fraction_"
#: Data set, bool or float in [0, 1], NaN where the skim was not run: as the two above.
LABEL_PREFIX: Final = "label_"
#: Data set, float32: a variable of the reconstructed event, NaN where it is undefined.
VARIABLE_PREFIX: Final = "var_"
#: Data set, float64: natural events that the event stands for, where failing events were thinned out.
SAMPLING_WEIGHT: Final = "sampling_weight"
#: Oracle's table, float64: P(pass) of the event, from many simulations.
ORACLE_PREFIX: Final = "pass_probability_"
