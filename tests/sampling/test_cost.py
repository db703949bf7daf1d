"""Costs: Belle II's defaults, and refusal of what is no cost."""

import numpy as np
import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import BELLE_II_COSTS, Costs, check_simulation_cost


def test_the_defaults_are_belle_ii_costs() -> None:
    assert (BELLE_II_COSTS.generation, BELLE_II_COSTS.filtering, BELLE_II_COSTS.simulation) == (0.08, 0.63, 97.04)
    assert BELLE_II_COSTS.before_decision == pytest.approx(0.71)


@pytest.mark.parametrize("name", ["generation", "filtering", "simulation"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cost_that_is_not_positive_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(PolicyError, match=f"cost of {name}"):
        Costs(**{name: value})


def test_a_wrong_simulation_cost_names_the_event() -> None:
    with pytest.raises(PolicyError, match=r"event 2 is -1\.0 s"):
        check_simulation_cost([1.0, 2.0, -1.0])
    with pytest.raises(PolicyError, match="event 0"):
        check_simulation_cost(0.0)
    np.testing.assert_array_equal(check_simulation_cost([1, 2]), [1.0, 2.0])
