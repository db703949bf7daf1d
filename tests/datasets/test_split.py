"""Parts by a hash of the event id: fractions as asked, nested, independent of everything but the id."""

from __future__ import annotations

import numpy as np
import pytest

from smartbkg.datasets.split import SPLIT_NAMES, TEST, TRAINING, VALIDATION, assign_split

N = 40_000
IDS = {"experiment": np.full(N, 7), "run": np.arange(N) % 5, "evtNum": np.arange(N)}


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.0), (0.2, 0.3), (0.01, 0.98)])
def test_fractions_are_those_asked_for(validation: float, test: float) -> None:
    part = assign_split(IDS, validation, test)
    for which, fraction in ((VALIDATION, validation), (TEST, test), (TRAINING, 1 - validation - test)):
        assert (part == which).mean() == pytest.approx(fraction, abs=4 * np.sqrt(0.25 / N))


def test_more_test_events_are_taken_from_training_alone() -> None:
    little, much = assign_split(IDS, 0.2, 0.1), assign_split(IDS, 0.2, 0.4)
    np.testing.assert_array_equal(little == VALIDATION, much == VALIDATION)
    assert (much[little == TEST] == TEST).all()


def test_each_part_of_the_id_counts() -> None:
    base = assign_split(IDS, 0.5)
    for name in IDS:
        moved = assign_split(IDS | {name: IDS[name] + 1_000_003}, 0.5)
        assert (moved != base).mean() == pytest.approx(0.5, abs=0.02)


def test_every_part_has_a_name_at_its_number() -> None:
    assert [SPLIT_NAMES[which] for which in (TRAINING, VALIDATION, TEST)] == ["training", "validation", "test"]
