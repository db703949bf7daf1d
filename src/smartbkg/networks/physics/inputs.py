"""Node inputs made for the physics, from the raw features of the graph rule, inside the network.

All are functions of one particle, the event's first particle and the number of daughters. They do not change when the
event is turned about the beam axis, unless the plain transverse components are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from smartbkg.networks.physics.kernel import (
    LENGTH_SCALE,
    LIGHTEST,
    MASS_ROUNDING,
    N_INVARIANT,
    SMALL_ENERGY,
    TIME_SCALE,
    TINY,
    VERTEX_SCALE,
    feature_columns,
)


class PhysicsInputs(torch.nn.Module):
    """Raw node features → inputs of order one.

    Parameters
    ----------
    features : names of the raw columns, in the order of the graph rule.
    boost : velocity of the centre-of-mass system along z, in units of c.
    is_azimuth_invariant : leave out the transverse components of the momentum.
    """

    def __init__(self, features: Sequence[str], boost: float, *, is_azimuth_invariant: bool) -> None:
        super().__init__()
        self.columns = feature_columns(features)
        self.boost = boost
        self.gamma = (1.0 - boost**2) ** -0.5
        self.is_azimuth_invariant = is_azimuth_invariant
        self.n_inputs = N_INVARIANT + (0 if is_azimuth_invariant else 2)

    def forward(self, feature: torch.Tensor, origin: torch.Tensor, n_daughters: torch.Tensor) -> torch.Tensor:
        """Inputs of each node.

        Parameters
        ----------
        feature : (n_nodes, n_features) raw features: ns, GeV, cm.
        origin : (n_nodes, n_features) those of the first node of the same event.
        n_daughters : (n_nodes,) number of kept daughters.

        Returns
        -------
        (n_nodes, n_inputs)
        """
        time, energy, x, y, z, px, py, pz = (feature[:, column] for column in self.columns)
        time_0, _, x_0, y_0, z_0, *_ = (origin[:, column] for column in self.columns)
        transverse2 = px**2 + py**2 + TINY
        momentum2 = transverse2 + pz**2
        transverse, momentum = torch.sqrt(transverse2), torch.sqrt(momentum2)
        energy_cms = self.gamma * (energy - self.boost * pz)
        pz_cms = self.gamma * (pz - self.boost * energy)
        flight_xy = torch.sqrt((x - x_0) ** 2 + (y - y_0) ** 2 + TINY)
        flight_z = torch.abs(z - z_0)
        # Products and sums are the same on every processor, torch's roots are not: no root before the difference.
        mass2 = energy**2 - momentum2 - MASS_ROUNDING * energy**2 - LIGHTEST
        mass = torch.sqrt(mass2.clamp(min=0.0) + TINY)
        columns = [
            energy_cms,
            torch.log(energy_cms.clamp(min=0.0) + SMALL_ENERGY) / 3,
            torch.log(transverse + SMALL_ENERGY) / 3,
            transverse,
            pz_cms,
            pz / momentum,
            mass / 2,
            torch.log(mass + SMALL_ENERGY) / 3,
            torch.log1p(flight_xy / VERTEX_SCALE) / 3,
            torch.log1p(flight_z / VERTEX_SCALE) / 3,
            torch.log1p(flight_xy / LENGTH_SCALE),
            torch.log1p((time - time_0).clamp(min=0.0) / TIME_SCALE) / 3,
            n_daughters / 3,
        ]
        if not self.is_azimuth_invariant:
            columns += [px, py]
        return torch.stack(columns, dim=1)
