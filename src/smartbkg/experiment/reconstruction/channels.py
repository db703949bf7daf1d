"""What is reconstructed from what: kinds of particles and their decay channels, as data.

The channels are those of the Full Event Interpretation (Keck et al., Comput. Softw. Big Sci. 3 (2019) 6,
arXiv:1807.08680) without its baryonic, K_L and semileptonic-D branches. `tables` turns the text below into the
arrays that `smartbkg.experiment.reconstruction.combinations` walks through; a change here changes the signal
probability, so the classifier stores `digest` and is refused where it does not fit.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.experiment.detector.objects import ELECTRON, KAON, MUON, PID_MASSES, PION, PROTON

#: Most daughters of a channel.
MAX_DAUGHTERS: Final = 5

#: How a combination is selected (column ``rule`` of `Kind`).
BASIC, MASS, MASS_DIFFERENCE, HADRONIC, SEMILEPTONIC, EXCLUSIVE = range(6)


class Kind(NamedTuple):
    """A kind of particle and how its candidates are chosen. Bounds count both charges together."""

    name: str
    """Name of the particle (not of the antiparticle)."""
    code: int
    """PDG code of the particle."""
    mass: float
    """GeV, PDG 2022."""
    rule: int
    """`BASIC`: made from a detector object. `MASS`: ``low < M < high``. `MASS_DIFFERENCE`: ``low < M - M(first) <
    high``. `HADRONIC`, `EXCLUSIVE`: Mbc > low, |ΔE| < high. `SEMILEPTONIC`: low < cosθ_BY < high."""
    low: float = 0.0
    high: float = 0.0
    channel_bound: int = 20
    """Best candidates kept a channel before the signal probability: smallest |M - mass|, for B mesons and D*
    the largest product of the daughters' signal probabilities."""
    bound: int = 10
    """Best candidates kept a kind, by signal probability."""
    minimum_probability: float = 0.001
    """Candidates below are dropped; 0 keeps all."""
    is_self_conjugate: bool = False
    minimum_momentum: float = 0.0
    """GeV, in the centre-of-mass frame."""
    channels: tuple[str, ...] = ()
    """Daughters of each channel of the particle; equal daughters stand side by side."""


_D_WINDOW: Final = 0.080
_HADRONIC_WINDOW: Final = (5.24, 0.2)
_SEMILEPTONIC_WINDOW: Final = (-4.0, 3.0)

_LIGHT: Final = (
    Kind("e+", -11, PID_MASSES[ELECTRON], BASIC, bound=6, minimum_probability=0.01),
    Kind("mu+", -13, PID_MASSES[MUON], BASIC, bound=6, minimum_probability=0.01),
    Kind("pi+", 211, PID_MASSES[PION], BASIC, bound=12, minimum_probability=0.01),
    Kind("K+", 321, PID_MASSES[KAON], BASIC, bound=10, minimum_probability=0.01),
    Kind("p+", 2212, PID_MASSES[PROTON], BASIC, bound=6, minimum_probability=0.01),
    Kind("gamma", 22, 0.0, BASIC, bound=20, minimum_probability=0.01, is_self_conjugate=True),
    Kind("K_S0", 310, 0.497611, BASIC, bound=6, minimum_probability=0.01, is_self_conjugate=True),
    Kind("Lambda0", 3122, 1.115683, BASIC, bound=4, minimum_probability=0.01),
    Kind("pi0", 111, 0.134977, MASS, 0.100, 0.160, bound=10, minimum_probability=0.01, is_self_conjugate=True,
         channels=("gamma gamma",)),
    Kind("eta", 221, 0.547862, MASS, 0.500, 0.580, bound=6, minimum_probability=0.05, is_self_conjugate=True,
         channels=("gamma gamma", "pi+ pi- pi0")),
    Kind("J/psi", 443, 3.096900, MASS, 2.800, 3.200, bound=6, is_self_conjugate=True,
         channels=("e+ e-", "mu+ mu-")),
    Kind("psi(2S)", 100443, 3.686097, MASS, 3.550, 3.750, bound=6, minimum_probability=0.0, is_self_conjugate=True,
         channels=("e+ e-", "mu+ mu-")),
)  # fmt: skip

_CHARM: Final = (
    Kind("D0", 421, 1.86484, MASS, 1.86484 - _D_WINDOW, 1.86484 + _D_WINDOW, channels=(
        "K- pi+", "K- pi+ pi0", "K- pi+ pi0 pi0", "K- pi+ pi+ pi-", "K- pi+ pi+ pi- pi0", "pi+ pi-",
        "pi+ pi+ pi- pi-", "pi+ pi- pi0", "pi+ pi- pi0 pi0", "K_S0 pi0", "K_S0 pi+ pi-", "K_S0 pi+ pi- pi0",
        "K+ K-", "K+ K- pi0", "K+ K- K_S0",
    )),
    Kind("D+", 411, 1.86966, MASS, 1.86966 - _D_WINDOW, 1.86966 + _D_WINDOW, channels=(
        "K- pi+ pi+", "K- pi+ pi+ pi0", "K- K+ pi+", "K- K+ pi+ pi0", "pi+ pi0", "pi+ pi+ pi-", "pi+ pi+ pi- pi0",
        "K_S0 pi+", "K_S0 pi+ pi0", "K_S0 pi+ pi+ pi-", "K_S0 K_S0 K+",
    )),
    Kind("D_s+", 431, 1.96835, MASS, 1.96835 - _D_WINDOW, 1.96835 + _D_WINDOW, channels=(
        "K+ K_S0", "K+ pi+ pi-", "K+ K- pi+", "K+ K- pi+ pi0", "K+ K_S0 pi+ pi-", "K- K_S0 pi+ pi+",
        "K+ K- pi+ pi+ pi-", "pi+ pi+ pi-", "K_S0 pi+", "K_S0 pi+ pi0",
    )),
    Kind("D*+", 413, 2.01026, MASS_DIFFERENCE, 0.1396, 0.1600, channels=("D0 pi+", "D+ pi0", "D+ gamma")),
    Kind("D*0", 423, 2.00685, MASS_DIFFERENCE, 0.1350, 0.1600, channels=("D0 pi0", "D0 gamma")),
    Kind("D_s*+", 433, 2.1122, MASS_DIFFERENCE, 0.1250, 0.1700, channels=("D_s+ gamma", "D_s+ pi0")),
)  # fmt: skip

_BEAUTY: Final = (
    Kind("B0", 511, 5.27966, HADRONIC, *_HADRONIC_WINDOW, bound=20, minimum_probability=0.0, channels=(
        "D- pi+", "D- pi+ pi0", "D- pi+ pi0 pi0", "D- pi+ pi+ pi-", "D- pi+ pi+ pi- pi0", "anti-D0 pi+ pi-",
        "D- D0 K+", "D- D*0 K+", "D*- D0 K+", "D*- D*0 K+", "D- D+ K_S0", "D*- D+ K_S0", "D- D*+ K_S0",
        "D*- D*+ K_S0", "D_s+ D-", "D*- pi+", "D*- pi+ pi0", "D*- pi+ pi0 pi0", "D*- pi+ pi+ pi-",
        "D*- pi+ pi+ pi- pi0", "D_s*+ D-", "D_s+ D*-", "D_s*+ D*-", "J/psi K_S0", "J/psi K+ pi-",
        "J/psi K_S0 pi+ pi-",
    )),
    Kind("B+", 521, 5.27934, HADRONIC, *_HADRONIC_WINDOW, bound=20, minimum_probability=0.0, channels=(
        "anti-D0 pi+", "anti-D0 pi+ pi0", "anti-D0 pi+ pi0 pi0", "anti-D0 pi+ pi+ pi-", "anti-D0 pi+ pi+ pi- pi0",
        "anti-D0 D+", "anti-D0 D+ K_S0", "anti-D*0 D+ K_S0", "anti-D0 D*+ K_S0", "anti-D*0 D*+ K_S0",
        "anti-D0 D0 K+", "anti-D*0 D0 K+", "anti-D0 D*0 K+", "anti-D*0 D*0 K+", "D_s+ anti-D0", "anti-D*0 pi+",
        "anti-D*0 pi+ pi0", "anti-D*0 pi+ pi0 pi0", "anti-D*0 pi+ pi+ pi-", "anti-D*0 pi+ pi+ pi- pi0",
        "D_s*+ anti-D0", "D_s+ anti-D*0", "anti-D0 K+", "D- pi+ pi+", "D- pi+ pi+ pi0", "J/psi K+",
        "J/psi K+ pi+ pi-", "J/psi K+ pi0", "J/psi K_S0 pi+",
    )),
    Kind("B0:SL", 511, 5.27966, SEMILEPTONIC, *_SEMILEPTONIC_WINDOW, bound=20, minimum_probability=0.0, channels=(
        "D- e+", "D- mu+", "D*- e+", "D*- mu+", "anti-D0 pi- e+", "anti-D0 pi- mu+", "anti-D*0 pi- e+",
        "anti-D*0 pi- mu+",
    )),
    Kind("B+:SL", 521, 5.27934, SEMILEPTONIC, *_SEMILEPTONIC_WINDOW, bound=20, minimum_probability=0.0, channels=(
        "anti-D0 e+", "anti-D0 mu+", "anti-D*0 e+", "anti-D*0 mu+", "D- pi+ e+", "D- pi+ mu+", "D*- pi+ e+",
        "D*- pi+ mu+",
    )),
    Kind("B:ccs", 511, 5.27966, EXCLUSIVE, 5.2, 0.5, bound=20, minimum_probability=0.0, channels=(
        "J/psi K_S0", "psi(2S) K_S0", "J/psi K+ pi-", "J/psi K_S0 pi0", "J/psi eta", "J/psi pi0", "J/psi K+",
    )),
)  # fmt: skip

_CHARM_SKIM: Final = (
    Kind("D0:hh", 421, 1.86484, MASS, 1.70, 2.00, bound=20, minimum_probability=0.0, minimum_momentum=2.0,
         channels=("K- pi+", "K+ pi-", "pi+ pi-", "K+ K-")),
    Kind("D*+:hh", 413, 2.01026, MASS_DIFFERENCE, 0.13957, 0.15757, bound=20, minimum_probability=0.0,
         channels=("D0:hh pi+",)),
)  # fmt: skip

KINDS: Final = (*_LIGHT, *_CHARM, *_BEAUTY, *_CHARM_SKIM)
KIND_INDEX: Final = {kind.name: position for position, kind in enumerate(KINDS)}

_ANTIPARTICLES: Final = {
    "e-": "e+", "mu-": "mu+", "pi-": "pi+", "K-": "K+", "anti-p-": "p+", "anti-Lambda0": "Lambda0", "anti-D0": "D0",
    "D-": "D+", "D_s-": "D_s+", "D*-": "D*+", "anti-D*0": "D*0", "D_s*-": "D_s*+",
}  # fmt: skip


def list_index(name: str) -> int:
    """Number of the candidate list of a particle or antiparticle: 2 · kind, plus 1 for the antiparticle."""
    if name in _ANTIPARTICLES:
        return 2 * KIND_INDEX[_ANTIPARTICLES[name]] + 1
    return 2 * KIND_INDEX[name]


#: `KINDS` as records for compiled code.
KIND: Final = np.dtype(
    [
        ("code", np.int64),
        ("mass", np.float64),
        ("rule", np.int64),
        ("low", np.float64),
        ("high", np.float64),
        ("channel_bound", np.int64),
        ("bound", np.int64),
        ("minimum_probability", np.float64),
        ("is_self_conjugate", np.bool_),
        ("minimum_momentum", np.float64),
        ("first_channel", np.int64),  # the kind owns the channels first_channel:stop_channel
        ("stop_channel", np.int64),
    ],
    align=True,
)

#: A decay channel as a record.
CHANNEL: Final = np.dtype(
    [
        ("n_daughters", np.int64),
        ("daughters", np.int64, (MAX_DAUGHTERS,)),  # list of each daughter where the mother is the particle
        ("resolution", np.float64),  # GeV, the scale of the mass residual: wider with each π0 or photon
    ],
    align=True,
)


class ChannelTables(NamedTuple):
    """The compiled form of `KINDS`."""

    kinds: NDArray[np.void]
    """(n_kinds,) of `KIND`"""
    channels: NDArray[np.void]
    """(n_channels,) of `CHANNEL`, one kind after the other"""


@functools.cache
def tables() -> ChannelTables:
    """Kinds and channels as records."""
    kinds = np.zeros(len(KINDS), dtype=KIND)
    channels = np.zeros(sum(len(kind.channels) for kind in KINDS), dtype=CHANNEL)
    n_channels = 0
    for number, kind in enumerate(KINDS):
        kinds[number] = (*kind[1:11], n_channels, n_channels + len(kind.channels))
        for channel in kind.channels:
            names = channel.split()
            row = channels[n_channels]
            row["n_daughters"] = len(names)
            row["daughters"] = -1
            row["daughters"][: len(names)] = [list_index(name) for name in names]
            row["resolution"] = _resolution(kind, sum(name in ("pi0", "gamma", "eta") for name in names))
            n_channels += 1
    return ChannelTables(kinds, channels)


def _resolution(kind: Kind, n_neutral: int) -> float:
    if kind.name in ("pi0", "eta"):
        return 0.008
    if kind.rule == MASS_DIFFERENCE:
        return 0.0015 if n_neutral == 0 else 0.004
    if kind.rule in (HADRONIC, EXCLUSIVE):
        return 0.015 if n_neutral == 0 else 0.030
    if kind.name in ("J/psi", "psi(2S)"):
        return 0.015
    return 0.006 if n_neutral == 0 else 0.014


@functools.cache
def needed_kinds(names: frozenset[str]) -> NDArray[np.bool_]:
    """(n_kinds,) bool, True where a kind is among ``names`` or a daughter, of any generation, of one that is."""
    kinds, channels = tables()
    wanted = np.array([kind.name in names or kind.rule == BASIC for kind in KINDS])
    for kind in range(len(KINDS) - 1, -1, -1):
        if wanted[kind]:
            rows = channels["daughters"][kinds["first_channel"][kind] : kinds["stop_channel"][kind]]
            wanted[np.unique(rows[rows >= 0]) // 2] = True
    return wanted


@functools.cache
def digest() -> str:
    """SHA-256 over kinds, windows, bounds and channels."""
    return hashlib.sha256(repr(KINDS).encode()).hexdigest()
