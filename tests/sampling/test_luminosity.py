"""Events of a luminosity."""

import numpy as np
import pytest

from smartbkg.errors import PolicyError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.labelled import LabelledEvents
from smartbkg.sampling.luminosity import events_of_luminosity, multiplicity_of_cross_sections
from smartbkg.sampling.plan import make_plan


def test_an_inverse_femtobarn_holds_1_1_million_b_pairs() -> None:
    assert events_of_luminosity(1.0, ["mixed", "charged", "mixed"]) == pytest.approx(1.11e6)


def test_a_process_without_a_cross_section_is_named() -> None:
    with pytest.raises(PolicyError, match="no cross-section is known for 'taupairs': did you mean 'taupair'"):
        events_of_luminosity(1.0, ["mixed", "taupairs"])


def test_effective_events_of_a_luminosity_are_those_of_the_cross_sections() -> None:
    """The data set holds 9 taupair for each mixed event; a luminosity holds 0.919 for 0.555."""
    random = np.random.default_rng(1)
    process = np.repeat(["mixed", "taupair"], [1000, 9000])
    passes = random.random(10_000) < np.where(process == "mixed", 0.5, 0.01)
    multiplicity = multiplicity_of_cross_sections(process, np.ones(10_000))
    assert multiplicity.sum() == pytest.approx(10_000)
    events = LabelledEvents.from_arrays(
        np.where(process == "mixed", 0.5, 0.01), passes, multiplicity=multiplicity, process=process
    )
    plan = make_plan(events, Costs(1.0, 1.0, 100.0), n_replicas=2)
    found = events_of_luminosity(1.0, process) * plan.unfiltered_effective_per_event[0]
    truth = 0.555e6 * passes[:1000].mean() + 0.919e6 * passes[1000:].mean()
    assert found == pytest.approx(truth)
