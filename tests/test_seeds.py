"""Randomness is a function of the event and nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.seeds import derive_seed, event_keys, event_uniform, event_uniforms

identities = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 9000), st.integers(0, 2**40)), min_size=1, max_size=50
)


@given(identities, st.integers(), st.randoms())
def test_uniforms_do_not_depend_on_order_or_chunking(identities, seed, shuffler):
    experiment, run, event = (np.array(column) for column in zip(*identities, strict=True))
    together = event_uniforms(seed, experiment, run, event)
    order = list(range(len(identities)))
    shuffler.shuffle(order)
    one_by_one = [event_uniforms(seed, experiment[i], run[i], event[i])[0] for i in order]
    assert np.array_equal(together[order], one_by_one)


def test_uniforms_are_uniform_and_uncorrelated_between_neighbours():
    numbers = event_uniforms(1, 0, 0, np.arange(200_000))
    counts, _ = np.histogram(numbers, bins=100, range=(0, 1))
    chi2 = ((counts - 2000) ** 2 / 2000).sum()
    assert 50 < chi2 < 165  # 99 degrees of freedom, false alarm rate below 1e-4
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 4.5 / np.sqrt(200_000)


def test_each_part_of_the_identity_changes_the_number():
    base = event_uniforms(1, 2, 3, 4)[0]
    others = [event_uniforms(*key)[0] for key in [(0, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5), (1, 3, 2, 4)]]
    assert base not in others
    assert len(set(others)) == len(others)


def test_replicas_of_an_event_are_independent():
    keys = [event_keys(1, 0, 0, np.arange(1000), replica=replica) for replica in range(3)]
    assert len(np.unique(np.concatenate(keys))) == 3000


def test_seeds_of_different_purposes_differ():
    seeds = {derive_seed(1, "draw"), derive_seed(1, "train"), derive_seed(1, "train", 1), derive_seed(1, "train", "1")}
    assert len(seeds) == 4


def test_values_are_frozen_across_versions():
    assert derive_seed(1, "draw") == 4046595951448368914
    assert event_uniforms(42, [7], [1], [12345])[0] == FROZEN_UNIFORM


FROZEN_UNIFORM = 0.31447982535591734


@given(st.integers(), st.integers(-5, 4000), st.integers(0, 9000), st.integers(0, 2**60))
def test_one_event_alone_gets_the_same_number(seed, experiment, run, event):
    assert event_uniform(seed, experiment, run, event) == event_uniforms(seed, experiment, run, event)[0]
    content = np.array([event], dtype=np.uint64)
    with_content = event_uniforms(seed, experiment, run, event, content=content)[0]
    assert event_uniform(seed, experiment, run, event, content=event) == with_content
