"""PYTHIA 8 as a source of blocks of events: its settings per process, its seeds, its record as arrays.

Two ways of running it. Continuum and τ pairs are its own process e+e- → γ* → f f̄. PYTHIA knows no Υ(4S): pairs of B
mesons are made by `smartbkg.experiment.generator.upsilon`, and PYTHIA decays them, all those of a block in one call.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import SmartBKGError
from smartbkg.experiment.beams import SUPERKEKB, FourMomenta
from smartbkg.experiment.generator.decay_tables import decay_settings
from smartbkg.optional import needed_for
from smartbkg.seeds import derive_seed

#: Flavour of the pair and the smallest mass of the virtual photon after radiation from the beams, GeV.
CONTINUUM: Final = {
    "uubar": (2, 2.0),
    "ddbar": (1, 2.0),
    "ssbar": (3, 2.0),
    "ccbar": (4, 4.0),
    "taupair": (15, 3.6),
}

_COMMON_SETTINGS: Final = (
    "Print:quiet = on",
    "Random:setSeed = on",
    "TauDecays:mode = 0",  # spin correlations would take 2 ms a τ, forty times the rest
    "130:mayDecay = on",  # as in Belle II's EvtGen; the detector decides what becomes of a K_L
)
_DECAY_SETTINGS: Final = (
    "ProcessLevel:all = off",
    "ParticleDecays:mixB = off",  # mixing is coherent at the Υ(4S): done with the production of the pair
)
_CONTINUUM_SETTINGS: Final = (
    "Beams:idA = 11",
    "Beams:idB = -11",
    "Beams:frameType = 1",
    f"Beams:eCM = {SUPERKEKB.centre_of_mass_energy:.6f}",
    "WeakSingleBoson:ffbar2gmZ = on",
    "WeakZ0:gmZmode = 1",
    "23:onMode = off",
    "TimeShower:QEDshowerByGamma = off",  # pairs from radiated photons: rare, and entwined with recoils in the record
)

_N_PYTHIA_SEEDS: Final = 900_000_000
_N_CARRY_VALUES: Final = 16_777_213
_CARRY_UNIT: Final = 2.0**-24
_MAXIMAL_TRIES: Final = 20
#: GeV: far above rounding, far below the momenta that leak.
_MOMENTUM_TOLERANCE: Final = 1e-6


class PythiaRecord(NamedTuple):
    """PYTHIA's event record, the entries of all its events one after the other."""

    offsets: NDArray[np.int64]
    """(n_records + 1,): record i owns the entries ``offsets[i]:offsets[i + 1]``."""
    code: NDArray[np.int32]
    """PDG code."""
    status: NDArray[np.int32]
    """PYTHIA's status code, positive for what is left at the end."""
    mother: NDArray[np.int32]
    """First mother, an index within the record, 0 for none."""
    first_daughter: NDArray[np.int32]
    """Index within the record, 0 for none."""
    last_daughter: NDArray[np.int32]
    """Index within the record, 0 for none."""
    momentum: FourMomenta
    """GeV."""
    mass: NDArray[np.float64]
    """GeV."""
    time: NDArray[np.float64]
    """Production, mm/c."""
    x: NDArray[np.float64]
    """Production, mm."""
    y: NDArray[np.float64]
    """Production, mm."""
    z: NDArray[np.float64]
    """Production, mm."""


def import_pythia() -> ModuleType:
    """The module `pythia8mc`.

    Raises
    ------
    MissingDependencyError
        It is not installed.
    """
    with needed_for("generating events"):
        import pythia8mc
    return pythia8mc  # type: ignore[no-any-return]


@functools.cache
def _pythia(process: str | None) -> Any:
    """An initialised PYTHIA for a continuum process, or for decays alone (None)."""
    pythia = import_pythia().Pythia("", False)
    settings = [*_COMMON_SETTINGS, *decay_settings(pythia.particleData)]
    if process is None:
        settings += _DECAY_SETTINGS
    else:
        flavour, minimal_mass = CONTINUUM[process]
        settings += [
            *_CONTINUUM_SETTINGS,
            f"23:onIfAny = {flavour}",
            f"23:mMin = {minimal_mass}",
            f"PhaseSpace:mHatMin = {minimal_mass}",
        ]
    for setting in settings:
        if not pythia.readString(setting):
            raise SmartBKGError(f"PYTHIA refuses the setting '{setting}'")
    if not pythia.init():
        raise SmartBKGError(f"PYTHIA could not be initialised for '{process or 'decays'}'")
    return pythia


def _reseed(pythia: Any, seed: int) -> None:
    """Put PYTHIA's random numbers into a state that is a function of ``seed`` alone.

    PYTHIA's generator (Marsaglia, Zaman and Tsang, doi:10.1016/0167-7152(90)90092-L) takes 9e8 seeds, few enough for
    two of the blocks of a large production to share one. Its second component, a counter modulo 2^24 - 3, is set too.
    """
    pythia.rndm.init(1 + derive_seed(seed, "pythia") % _N_PYTHIA_SEEDS)
    state = pythia.rndm.getState()
    state.c = (derive_seed(seed, "pythia-carry") % _N_CARRY_VALUES) * _CARRY_UNIT
    pythia.rndm.setState(state)


def _record(batch: Any) -> PythiaRecord:
    """The arrays of what `Pythia.nextBatch` returns."""
    particles = batch["prt"].layout
    offsets = np.asarray(particles.offsets.data, dtype=np.int64)
    fields = particles.content

    def column(*path: str) -> NDArray[Any]:
        content = fields
        for name in path:
            content = content[name]
        return np.asarray(content.data)[: offsets[-1]]

    # entries made at the origin have no vertex: an option type, whose index is -1 there
    vertex = fields["vProd"]
    index = np.asarray(vertex.index.data)[: offsets[-1]]

    def vertex_column(name: str) -> NDArray[np.float64]:
        values = np.append(np.asarray(vertex.content[name].data), 0.0)
        return np.asarray(values[index])

    return PythiaRecord(
        offsets,
        column("id"),
        column("status"),
        column("mother1"),
        column("daughter1"),
        column("daughter2"),
        FourMomenta(column("p", "e"), column("p", "px"), column("p", "py"), column("p", "pz")),
        column("m"),
        vertex_column("e"),
        vertex_column("px"),
        vertex_column("py"),
        vertex_column("pz"),
    )


def generate_continuum(process: str, n_events: int, seed: int) -> PythiaRecord:
    """Events of e+e- → γ* → f f̄ in the rest frame of the beams, electrons along +z; one record per event.

    PYTHIA leaves out the events in which it fails; the rest of the block makes up for them.
    """
    pythia = _pythia(process)
    _reseed(pythia, seed)
    import awkward as ak

    batches = [pythia.nextBatch(n_events, "skip")]
    for _ in range(_MAXIMAL_TRIES):
        n_missing = n_events - sum(len(batch) for batch in batches)
        if n_missing == 0:
            break
        batches.append(pythia.nextBatch(n_missing, "skip"))
    else:
        raise SmartBKGError(f"PYTHIA fails to generate '{process}' events ({_MAXIMAL_TRIES} tries)")
    return _record(batches[0] if len(batches) == 1 else ak.to_packed(ak.concatenate(batches)))


def decay_particles(
    codes: NDArray[np.int64], momenta: FourMomenta, proper_time: NDArray[np.float64], seed: int
) -> PythiaRecord:
    """Let PYTHIA decay some particles, all in one record, in which they are the entries 1 ... n.

    PYTHIA draws lifetimes of its own whatever it is given: what a particle becomes is moved along its flight to where
    the given time ends. A record in which the decay of one particle took momentum from another is made anew: PYTHIA
    lets very light strings recoil against anything in the record.

    Parameters
    ----------
    codes : (n,) PDG codes.
    momenta : components of shape (n,), GeV.
    proper_time : (n,) life in mm/c. All are produced at the origin at time 0.
    seed : fixes the decays.
    """
    pythia = _pythia(None)
    masses = momenta.mass
    columns = zip(
        codes.tolist(), momenta.px.tolist(), momenta.py.tolist(), momenta.pz.tolist(), momenta.energy.tolist(),
        masses.tolist(), proper_time.tolist(), strict=True,
    )  # fmt: skip
    particles = list(columns)
    for number in range(_MAXIMAL_TRIES):
        _reseed(pythia, seed if number == 0 else derive_seed(seed, "decays", number))
        record = pythia.event
        record.reset()
        for code, px, py, pz, energy, mass, time in particles:
            index = record.append(code, 1, 0, 0, 0, 0, 0, 0, px, py, pz, energy, mass)
            record[index].tau(time)
        batch = pythia.nextBatch(1, "skip")
        if len(batch) == 1:
            decayed = _record(batch)
            root = _roots(decayed, len(particles))
            if _conserves_momentum(decayed, root, len(particles)):
                return _with_lifetimes(decayed, root, proper_time)
    raise SmartBKGError(f"PYTHIA fails to decay a block of {len(particles)} particles ({_MAXIMAL_TRIES} tries)")


def _roots(record: PythiaRecord, n: int) -> NDArray[np.int64]:
    """(n_entries,) which of the entries 1 ... n each entry descends from; 0 for the entry of the whole record."""
    root = np.arange(len(record.code))
    root[n + 1 :] = record.mother[n + 1 :]
    while True:
        above = root[root]
        if np.array_equal(above, root):
            return root
        root = above


def _conserves_momentum(record: PythiaRecord, root: NDArray[np.int64], n: int) -> bool:
    """Whether what is left of each of the entries 1 ... n has its momentum."""
    is_left = record.status > 0
    for component in record.momentum:
        sums = np.bincount(root[is_left], weights=component[is_left], minlength=n + 1)[1 : n + 1]
        if (np.abs(sums - component[1 : n + 1]) > _MOMENTUM_TOLERANCE).any():
            return False
    return True


def _with_lifetimes(record: PythiaRecord, root: NDArray[np.int64], proper_time: NDArray[np.float64]) -> PythiaRecord:
    """The record with the entries 1 ... n decaying after their proper times (n,) in mm/c.

    They are all produced at the origin, and decays look the same wherever they happen: what descends from one of them
    moves by its momentum over its mass times the difference of the proper times.
    """
    n = len(proper_time)
    top = slice(1, n + 1)
    first = record.first_daughter[top]
    has_decayed = first > 0
    drawn = np.where(has_decayed, record.time[first] * record.mass[top] / record.momentum.energy[top], proper_time)
    shift = np.concatenate([[0.0], (proper_time - drawn) / record.mass[top]])
    later = np.arange(len(root)) > n

    def moved(position: NDArray[np.float64], component: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(position + np.where(later, shift[root] * component[root], 0.0))

    momentum = record.momentum
    return record._replace(
        time=moved(record.time, momentum.energy),
        x=moved(record.x, momentum.px),
        y=moved(record.y, momentum.py),
        z=moved(record.z, momentum.pz),
    )


def particle_property(name: str, code: int) -> float:
    """A number of PYTHIA's particle table: ``m0`` (GeV), ``tau0`` (mm/c), ``charge`` (e)."""
    return float(getattr(_pythia(None).particleData, name)(code))
