"""What an event costs: the three times that decide how hard to filter."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from smartbkg.errors import PolicyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Costs:
    """CPU seconds per event.

    The defaults are Belle II's own for hadronic background (arXiv:2307.06434: 0.08 s to generate an event, 0.63 s for
    the network's decision, 97.04 s to simulate and reconstruct it).

    Attributes
    ----------
    generation : paid for every generated event.
    filtering : paid for every event the filter looks at.
    simulation : detector simulation and reconstruction, paid for every event that is kept.

    Raises
    ------
    PolicyError
        A cost is not a positive finite number.
    """

    generation: float = 0.08
    filtering: float = 0.63
    simulation: float = 97.04

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value > 0):
                raise PolicyError(f"cost of {name} is {value!r} s per event, expected a positive finite number")

    @property
    def before_decision(self) -> float:
        """Seconds paid for an event whether it is kept or not."""
        return self.generation + self.filtering

    @property
    def are_belle_ii(self) -> bool:
        """Whether generation and simulation cost what they do at Belle II, as where nobody gave others."""
        return (self.generation, self.simulation) == (BELLE_II_COSTS.generation, BELLE_II_COSTS.simulation)

    def to_dict(self) -> dict[str, Any]:
        """The three times by name."""
        return asdict(self)


#: Belle II's costs (arXiv:2307.06434).
BELLE_II_COSTS = Costs()
#: What is said beside them.
BELLE_II_NOTE: Final = "Belle II's costs, arXiv:2307.06434: give your own by --t-gen, --t-filter and --t-sim"


def check_simulation_cost(simulation_cost: ArrayLike) -> NDArray[np.float64]:
    """Simulation time of each event, checked.

    Parameters
    ----------
    simulation_cost : (n_events,) seconds, or one number for all.

    Raises
    ------
    PolicyError
        A time is not a positive finite number.
    """
    import numpy as np  # not at the top: the options of a verb need the costs alone

    seconds = np.asarray(simulation_cost, dtype=np.float64)
    is_wrong = ~(np.isfinite(seconds) & (seconds > 0))
    if is_wrong.any():
        index = int(np.flatnonzero(np.atleast_1d(is_wrong))[0])
        value = np.atleast_1d(seconds)[index]
        raise PolicyError(f"simulation cost of event {index} is {value} s, expected a positive finite number")
    return seconds
