"""A short record tells which events of any file were in the files it remembers."""

import numpy as np
from synthetic import random_events

from smartbkg.datasets.membership import SKETCH_SIZE, Membership, membership_keys

RANDOM = np.random.default_rng(0)
TAUGHT = RANDOM.integers(0, 2**63, 200_000).astype(np.uint64)
OTHERS = RANDOM.integers(0, 2**63, 200_000).astype(np.uint64)


def test_the_share_of_taught_events_is_found_in_any_mixture_and_order() -> None:
    record = Membership.none()
    for part in np.array_split(TAUGHT, 7):
        record = record.add(part)
    assert len(record.keys) == SKETCH_SIZE
    for share in (0.0, 0.1, 0.5, 1.0):
        n = int(share * 100_000)
        mixed = RANDOM.permutation(np.concatenate([TAUGHT[:n], OTHERS[: 100_000 - n]]))
        found = record.share_of(mixed)
        assert found is not None
        assert abs(found - share) < 5 * np.sqrt(share * (1 - share) / 1000) + 1e-12


def test_a_complete_record_knows_every_event() -> None:
    record = Membership.none().add(TAUGHT[:100])
    assert record.share_of(np.concatenate([TAUGHT[:1], OTHERS[:3]])) == 0.25
    assert Membership.none().share_of(OTHERS) == 0.0


def test_the_record_comes_back_from_text() -> None:
    for n in (0, 50, 50_000):
        record = Membership.none().add(TAUGHT[:n])
        again = Membership.from_list(record.to_list())
        assert np.array_equal(again.keys, record.keys)
        assert again.is_complete == record.is_complete


def test_events_are_known_by_id_and_content() -> None:
    batch = random_events(50, seed=1)
    same = membership_keys(batch.select(np.arange(50)[::-1]))[::-1]
    assert np.array_equal(membership_keys(batch), same)
    other = membership_keys(random_events(50, seed=2))
    assert not np.isin(other, membership_keys(batch)).any()
