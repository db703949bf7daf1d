"""The beams of SuperKEKB: energies, crossing angle, spreads, interaction region, and the boost to the rest frame.

Axes as in Belle II: z along the bisector of the two beams, the way the electrons go; x horizontal, outwards.
Both beams cross the z axis at half the crossing angle, so that the collision has momentum along +x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

"""cm/ns."""
ELECTRON_MASS: Final = 0.00051099895
"""GeV (PDG 2024)."""


@dataclass(frozen=True)
class BeamParameters:
    """Two beams and the region where they meet.

    The defaults are SuperKEKB's at the Υ(4S). Crossing angle (83 mrad) and energy spreads (6.3e-4 and 8.0e-4 without
    intra-beam scattering) are the machine's design (Ohnishi et al., doi:10.1093/ptep/pts083). Energies and interaction
    region are those of Belle II's full simulation of 100 events: E = 11.0054 ± 0.0058 GeV, mass 10.5790 ± 0.0052 GeV,
    p_x = 0.4566 GeV, p_z = 2.9991 ± 0.0055 GeV, spreads of the vertex 15, 2 and 320 µm. (The design energies of 7.007
    and 4.000 GeV would give p_z = 3.0044 GeV, nine standard errors away.)
    """

    electron_energy: float = 7.004
    """GeV."""
    positron_energy: float = 4.002
    """GeV."""
    electron_energy_spread: float = 7.004 * 6.3e-4
    """GeV, standard deviation."""
    positron_energy_spread: float = 4.002 * 8.0e-4
    """GeV, standard deviation."""
    crossing_angle: float = 0.083
    """Angle between the beams, rad."""
    vertex_spread: tuple[float, float, float] = (0.0015, 0.0002, 0.0318)
    """Standard deviations of the collision's position in x, y, z, cm; its mean is the origin."""

    def collision(self, electron_energy: ArrayLike, positron_energy: ArrayLike) -> FourMomenta:
        """Sum of the momenta of beams of these energies, each of shape (n,), in GeV."""
        electron = np.atleast_1d(np.asarray(electron_energy, dtype=np.float64))
        positron = np.atleast_1d(np.asarray(positron_energy, dtype=np.float64))
        p_electron = np.sqrt(electron**2 - ELECTRON_MASS**2)
        p_positron = np.sqrt(positron**2 - ELECTRON_MASS**2)
        half = 0.5 * self.crossing_angle
        return FourMomenta(
            electron + positron,
            (p_electron + p_positron) * math.sin(half),
            np.zeros_like(electron),
            (p_electron - p_positron) * math.cos(half),
        )

    @property
    def mean_collision(self) -> FourMomenta:
        """Momentum of a collision at the mean energies, components of shape (1,)."""
        return self.collision(self.electron_energy, self.positron_energy)

    @property
    def centre_of_mass_energy(self) -> float:
        """√s in GeV at the mean energies."""
        return float(self.mean_collision.mass[0])


class FourMomenta(NamedTuple):
    """Momenta in GeV, components of one shape."""

    energy: NDArray[np.float64]
    px: NDArray[np.float64]
    py: NDArray[np.float64]
    pz: NDArray[np.float64]

    @property
    def mass(self) -> NDArray[np.float64]:
        """Invariant mass in GeV."""
        return np.sqrt(np.maximum(self.energy**2 - self.px**2 - self.py**2 - self.pz**2, 0.0))


SUPERKEKB: Final = BeamParameters()


def boost(momenta: FourMomenta, frame: FourMomenta) -> FourMomenta:
    """Momenta given in the rest frame of ``frame``, seen from where ``frame`` has its momentum. Shapes broadcast."""
    mass = frame.mass
    along = momenta.px * frame.px + momenta.py * frame.py + momenta.pz * frame.pz
    energy = (momenta.energy * frame.energy + along) / mass
    factor = (energy + momenta.energy) / (frame.energy + mass)
    return FourMomenta(
        energy, momenta.px + factor * frame.px, momenta.py + factor * frame.py, momenta.pz + factor * frame.pz
    )


def boost_to_rest_frame(momenta: FourMomenta, frame: FourMomenta | None = None) -> FourMomenta:
    """Momenta given in the laboratory, seen from the rest frame of the collision.

    Parameters
    ----------
    momenta : components of shape (n,), in GeV.
    frame : the collision, components that broadcast against (n,); by default SuperKEKB at its mean energies.

    Examples
    --------
    >>> at_rest = boost_to_rest_frame(SUPERKEKB.mean_collision)
    >>> round(float(at_rest.energy[0]), 3), abs(float(at_rest.pz[0])) < 1e-9
    (10.58, True)
    """
    collision = SUPERKEKB.mean_collision if frame is None else frame
    return boost(momenta, FourMomenta(collision.energy, -collision.px, -collision.py, -collision.pz))


def from_beam_frame(momenta: FourMomenta, frame: FourMomenta, beams: BeamParameters = SUPERKEKB) -> FourMomenta:
    """Momenta given in the rest frame of a collision with the electrons along +z, seen from the laboratory.

    A rotation by 6 mrad about y, for with a crossing angle the beams are not along z in that frame, and a boost.

    Parameters
    ----------
    momenta : components of shape (n,); times and positions transform likewise.
    frame : momenta of the collisions, components that broadcast against (n,).
    beams : their mean energies and angle fix the rotation.
    """
    half = 0.5 * beams.crossing_angle
    size = np.sqrt(beams.electron_energy**2 - ELECTRON_MASS**2)
    components = (beams.electron_energy, size * math.sin(half), 0.0, size * math.cos(half))
    electron = boost_to_rest_frame(FourMomenta(*(np.array([value]) for value in components)), beams.mean_collision)
    angle = math.atan2(float(electron.px[0]), float(electron.pz[0]))
    cosine, sine = math.cos(angle), math.sin(angle)
    px, pz = cosine * momenta.px + sine * momenta.pz, cosine * momenta.pz - sine * momenta.px
    return boost(FourMomenta(momenta.energy, px, momenta.py, pz), frame)


@dataclass(frozen=True)
class Collisions:
    """Collisions drawn from the spreads of the beams."""

    momentum: FourMomenta
    """Components of shape (n,), GeV."""
    vertex: NDArray[np.float64]
    """(n, 3) position in cm."""


def draw_collisions(n: int, random: np.random.Generator, beams: BeamParameters = SUPERKEKB) -> Collisions:
    """Collisions with energies and positions from independent normal distributions."""
    electron = random.normal(beams.electron_energy, beams.electron_energy_spread, n)
    positron = random.normal(beams.positron_energy, beams.positron_energy_spread, n)
    return Collisions(beams.collision(electron, positron), random.normal(0.0, beams.vertex_spread, (n, 3)))
