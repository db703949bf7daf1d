"""Events of a luminosity."""

import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.luminosity import events_of_luminosity


def test_an_inverse_femtobarn_holds_1_1_million_b_pairs() -> None:
    assert events_of_luminosity(1.0, ["mixed", "charged", "mixed"]) == pytest.approx(1.11e6)


def test_a_process_without_a_cross_section_is_named() -> None:
    with pytest.raises(PolicyError, match="no cross-section is known for 'taupairs': did you mean 'taupair'"):
        events_of_luminosity(1.0, ["mixed", "taupairs"])
