"""For any scores, policy, skims, order and chunks: the expectation of a weighted sum is the unfiltered sum."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smartbkg.sampling import (
    Costs,
    ExponentialPolicy,
    OptimalPolicy,
    Policy,
    ScorePolicy,
    SystematicSampler,
    event_weights,
    solve_optimal,
    speed_up,
)
from smartbkg.sampling.draw import draw

SIZES = st.integers(1, 9)
SCORES = st.floats(0, 1, allow_subnormal=False)
MAX_WEIGHTS = st.floats(1, 1e4)
EXPONENTIALS = st.builds(ExponentialPolicy, st.floats(0.01, 3), st.floats(-3, 3), MAX_WEIGHTS)
POLICIES = st.one_of(
    st.builds(ScorePolicy, MAX_WEIGHTS),
    EXPONENTIALS,
    st.builds(OptimalPolicy, st.floats(1e-3, 1e3), MAX_WEIGHTS),
)


def weights_of(n: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, n, elements=st.floats(-10, 10, allow_subnormal=False))


@given(data=st.data(), n=SIZES, policy=POLICIES)
@settings(deadline=None)
def test_independent_draws_are_unbiased_by_enumeration(data: st.DataObject, n: int, policy: Policy) -> None:
    """Sum over all 2^n outcomes, each with its probability: no scatter, no false alarm."""
    score, w, value = (
        data.draw(arrays(np.float64, n, elements=SCORES)),
        data.draw(weights_of(n)),
        data.draw(weights_of(n)),
    )
    q = policy.keep_probability(score, weight=w)
    expectation = 0.0
    for outcome in product([False, True], repeat=n):
        kept = np.array(outcome)
        chance = float(np.prod(np.where(kept, q, 1 - q)))
        if chance > 0:
            expectation += chance * float((event_weights(q[kept], w[kept]) * value[kept]).sum())
    assert expectation == pytest.approx(float((w * value).sum()), rel=1e-9, abs=1e-6)


@given(data=st.data(), n=SIZES, n_skims=st.integers(2, 4), lambda_=st.floats(1e-2, 1e2), max_weight=MAX_WEIGHTS)
@settings(deadline=None)
def test_one_joint_draw_is_unbiased_for_each_skim(
    data: st.DataObject, n: int, n_skims: int, lambda_: float, max_weight: float
) -> None:
    score = data.draw(arrays(np.float64, (n, n_skims), elements=SCORES))
    passes = data.draw(arrays(np.bool_, (n, n_skims)))
    policy = OptimalPolicy(lambda_, max_weight, (1.0,) * n_skims, (0.1,) * n_skims)
    q = policy.keep_probability(score)
    expectation = np.zeros(n_skims)
    for outcome in product([False, True], repeat=n):
        kept = np.array(outcome)
        chance = float(np.prod(np.where(kept, q, 1 - q)))
        if chance > 0:
            expectation += chance * (event_weights(q[kept])[:, None] * passes[kept]).sum(axis=0)
    np.testing.assert_allclose(expectation, passes.sum(axis=0), rtol=1e-9, atol=1e-9)


@given(data=st.data(), n=SIZES, policy=POLICIES)
@settings(deadline=None)
def test_systematic_draws_are_unbiased_by_integration(data: st.DataObject, n: int, policy: Policy) -> None:
    """The kept set changes only where start + running sum is whole: one start between two such."""
    score, value = data.draw(arrays(np.float64, n, elements=SCORES)), data.draw(weights_of(n))
    q = policy.keep_probability(score)
    one = 1 << 53
    ends = [0]
    for probability in q:
        ends.append(ends[-1] + int(np.rint(probability * one)))
    starts = sorted({0, one} | {(-end) % one for end in ends})
    expectation = 0.0
    for left, right in pairwise(starts):
        kept = SystematicSampler(0, state=left).draw(q)
        np.testing.assert_array_equal(kept, SystematicSampler(0, state=right - 1).draw(q))
        expectation += (right - left) / one * float((value[kept] / q[kept]).sum())
    assert expectation == pytest.approx(float(value.sum()), rel=1e-9, abs=1e-6)


@given(data=st.data(), n=st.integers(1, 300), seed=st.integers(0, 2**62), size=st.integers(1, 100), policy=POLICIES)
@settings(deadline=None, max_examples=50)
def test_order_and_chunks_change_nothing(data: st.DataObject, n: int, seed: int, size: int, policy: Policy) -> None:
    generator = np.random.default_rng(seed)
    score, event = generator.random(n), generator.permutation(n)
    w = generator.normal(size=n)

    def keep(index: np.ndarray) -> np.ndarray:
        return draw(policy.keep_probability(score[index], weight=w[index]), seed, 1, 2, event[index])

    whole = keep(np.arange(n))
    order = np.array(data.draw(st.permutations(range(n))))
    chunks = np.concatenate([keep(order[i : i + size]) for i in range(0, n, size)])
    np.testing.assert_array_equal(chunks, whole[order])


@pytest.mark.parametrize("name", ["good scores", "useless scores", "inverted scores", "constant scores"])
@pytest.mark.parametrize("is_systematic", [False, True])
def test_weights_are_unbiased_when_scores_are_wrong(name: str, is_systematic: bool) -> None:
    """A million events; each of the eight tests has a false-alarm rate of 6e-7 (5 standard deviations)."""
    generator = np.random.default_rng(11)
    n = 1_000_000
    truth = generator.beta(0.4, 8, n)
    passes = generator.random(n) < truth
    value = generator.normal(size=n) + truth
    score = {
        "good scores": truth,
        "useless scores": generator.random(n),
        "inverted scores": 1 - truth,
        "constant scores": np.full(n, 0.05),
    }[name]
    q = solve_optimal(score, Costs()).keep_probability(score)
    if name == "constant scores":
        q = np.full(n, 0.3)
    kept = SystematicSampler(1).draw(q) if is_systematic else draw(q, 1, 0, 0, np.arange(n))
    use = kept & passes
    error = np.sqrt(np.sum((value[passes] ** 2) * (1 - q[passes]) / q[passes]))
    assert abs(float((value[use] / q[use]).sum() - value[passes].sum())) < 5 * error + 1e-9


@given(data=st.data(), n=st.integers(2, 40), max_weight=st.floats(1.5, 1e3), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_no_random_policy_beats_the_optimal_one(data: st.DataObject, n: int, max_weight: float, seed: int) -> None:
    positive = st.floats(0.001, 1000)
    p = data.draw(arrays(np.float64, n, elements=st.floats(1e-6, 1)))
    costs = Costs(data.draw(positive), data.draw(positive), data.draw(positive))
    w = data.draw(arrays(np.float64, n, elements=st.floats(0.1, 10)))
    t = data.draw(arrays(np.float64, n, elements=positive))
    q = solve_optimal(p, costs, max_weight, w, t).keep_probability(p, weight=w, simulation_cost=t)
    best = speed_up(p, q, costs, w, t)
    generator = np.random.default_rng(seed)
    for _ in range(20):
        near = (q * np.exp(generator.normal(scale=0.1, size=n))).clip(1 / max_weight, 1)
        anywhere = generator.uniform(1 / max_weight, 1, n)
        power = (p / p.max()) ** generator.uniform(0, 2)
        for other in (near, anywhere, power.clip(1 / max_weight, 1)):
            assert speed_up(p, other, costs, w, t) <= best * (1 + 1e-9)
