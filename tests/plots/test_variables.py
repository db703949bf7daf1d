"""Titles of variables: symbol and unit where known, the name where not."""

from __future__ import annotations

import pytest

from smartbkg.events.generator_level import GENERATOR_PREFIX, GENERATOR_VARIABLES
from smartbkg.plots.variables import variable_title


@pytest.mark.parametrize("name", sorted(GENERATOR_VARIABLES))
def test_generated_quantities_say_that_they_are_generated_and_their_unit(name: str) -> None:
    title = variable_title(GENERATOR_PREFIX + name)
    assert title.startswith(f"{name} at generator level")
    assert title.endswith(f"[{GENERATOR_VARIABLES[name]}]") == bool(GENERATOR_VARIABLES[name])


def test_unknown_names_and_prefixes_stay_as_they_are() -> None:
    assert variable_title("myVariable") == "myVariable"
    assert variable_title("gen_myVariable") == "gen_myVariable"
    assert variable_title("Mbc") == "M_bc of the best B⁰ tag [GeV]"
