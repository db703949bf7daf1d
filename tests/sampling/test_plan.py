"""Plans: recommended policy, unbiased evaluation, paired uncertainties, needs of a production."""

import numpy as np
import pytest

from smartbkg.errors import DatasetError, PolicyError
from smartbkg.sampling.cost import Costs
from smartbkg.sampling.plan import LabelledEvents, Plan, evaluate_keep_probability, make_plan
from smartbkg.sampling.policies import ThresholdPolicy
from smartbkg.sampling.statistics import speed_up


def sample(n: int = 30_000, seed: int = 1, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(score, label, truth): calibrated scores that know a part of the truth."""
    generator = np.random.default_rng(seed)
    known = generator.normal(-4, 2, n)
    truth = 1 / (1 + np.exp(-known - generator.normal(0, noise, n)))
    draws = 1 / (1 + np.exp(-known[:, None] - generator.normal(0, noise, (1, 200))))
    return draws.mean(axis=1), generator.random(n) < truth, truth


@pytest.fixture(scope="module")
def plan() -> Plan:
    score, label, truth = sample()
    process = np.where(np.arange(len(score)) % 3 == 0, "charged", "mixed")
    events = LabelledEvents.from_arrays(score, label, oracle=truth, process=process)
    return make_plan(events, compared=[ThresholdPolicy(0.1), *make_compared()], n_replicas=100)


def make_compared() -> list:
    from smartbkg.sampling.plan import COMPARED

    return list(COMPARED)


def test_the_optimal_policy_is_first_and_best(plan: Plan) -> None:
    assert plan.outlooks[0].policy is plan.recommended
    assert max(outlook.speed_up.value for outlook in plan.outlooks) == plan.outlooks[0].speed_up.value


def test_the_order_of_gains_is_that_of_theory(plan: Plan) -> None:
    assert plan.oracle is not None
    assert 1.3 < plan.outlooks[0].speed_up.value < plan.oracle.value
    assert plan.outlooks[0].speed_up.value < plan.free_bound * 1.05
    by_label = {outlook.label: outlook for outlook in plan.outlooks}
    assert by_label["score"].speed_up.value < by_label["exp(0.46, -0.25)"].speed_up.value


def test_the_figures_are_those_of_the_formulas(plan: Plan) -> None:
    score, label, _ = sample()
    q = plan.recommended.keep_probability(score)
    best = plan.outlooks[0]
    assert best.speed_up.value == pytest.approx(speed_up(label, q, plan.costs))
    assert best.kept_fraction == pytest.approx(q.mean())
    assert best.largest_weight == pytest.approx((1 / q[label]).max())
    assert best.effective_per_event[0] == pytest.approx(label.mean() ** 2 / (label / q).mean())
    assert plan.retention[0] == pytest.approx(label.mean())


def test_a_threshold_is_marked_by_what_it_loses(plan: Plan) -> None:
    lost = next(outlook for outlook in plan.outlooks if outlook.label == "threshold 0.1")
    assert lost.speed_up.value == 0
    assert 0 < lost.lost_fraction < 1
    with pytest.raises(PolicyError, match="is biased"):
        plan.needs(1000, lost)


def test_the_needs_of_a_production_follow_from_the_speed_up(plan: Plan) -> None:
    needs = plan.needs(1e6)
    assert needs.cpu_hours_unfiltered / needs.cpu_hours == pytest.approx(plan.outlooks[0].speed_up.value)
    assert needs.n_generated * plan.outlooks[0].effective_per_event[0] == pytest.approx(1e6)
    assert needs.cpu_hours_saved == pytest.approx(needs.cpu_hours_unfiltered - needs.cpu_hours)
    with pytest.raises(PolicyError, match="positive number"):
        plan.needs(0)


def test_each_process_is_evaluated_with_the_common_and_its_own_policy(plan: Plan) -> None:
    assert set(plan.by_process) == {"charged", "mixed"}
    for common, own in plan.by_process.values():
        assert common.value == pytest.approx(own, rel=0.02)


def test_the_uncertainty_covers_the_scatter_over_samples() -> None:
    values, errors = [], []
    for seed in range(60):
        score, label, _ = sample(4000, seed)
        best = make_plan(LabelledEvents.from_arrays(score, label), n_replicas=50).outlooks[0].speed_up
        values.append(best.value)
        errors.append(best.error)
    # 60 samples fix a standard deviation to 9 %: 30 % is more than three of those.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)


def test_calibrated_scores_raise_no_warning_and_poor_ones_say_what_they_cost() -> None:
    score, label, _ = sample()
    good = make_plan(LabelledEvents.from_arrays(score, label), n_replicas=10).calibration[0]
    assert good.is_tolerable
    assert good.mean_ratio == pytest.approx(1, abs=0.1)
    poor = make_plan(LabelledEvents.from_arrays(score**0.3, label), n_replicas=10).calibration[0]
    assert not poor.is_tolerable
    assert poor.mean_ratio > 2
    better = speed_up(label, make_plan(LabelledEvents.from_arrays(score, label), n_replicas=10)
                      .recommended.keep_probability(score), Costs())  # fmt: skip
    worse = make_plan(LabelledEvents.from_arrays(score**0.3, label), n_replicas=10).outlooks[0].speed_up.value
    assert poor.lost_speed_up == pytest.approx(1 - worse / better, abs=0.03)
    assert f"{poor.lost_speed_up:.1%} of the speed-up and biases nothing" in poor.warning("a skim")


def test_a_small_sample_of_calibrated_scores_raises_no_warning() -> None:
    """At most one in a hundred is off by chance, and only if it also seems to cost something."""
    warned = 0
    for seed in range(40):
        score = sample(800, seed)[0]
        label = np.random.default_rng(seed + 500).random(score.size) < score
        warned += not make_plan(LabelledEvents.from_arrays(score, label), n_replicas=2).calibration[0].is_tolerable
    assert warned <= 4


def test_a_wrong_scale_of_all_scores_hardly_matters() -> None:
    score, label, _ = sample()
    halved = make_plan(LabelledEvents.from_arrays(0.5 * score, label), n_replicas=10).calibration[0]
    assert halved.lost_speed_up < 0.03


def test_one_draw_for_all_skims_beats_one_draw_a_skim() -> None:
    score = sample()[0]
    generator = np.random.default_rng(4)
    scores = np.stack([score, score**1.2, 0.5 * score], axis=1)
    labels = generator.random(scores.shape) < scores
    plan = make_plan(LabelledEvents.from_arrays(scores, labels, skims=("a", "b", "c")), n_replicas=20)
    joint, separate = plan.outlooks[0], plan.outlooks[-1]
    assert separate.label == "one draw per skim"
    assert joint.speed_up.value > 1.2 * separate.speed_up.value
    by_hand = 3 / sum(1 / gain for gain in joint.speed_up_by_skim)
    assert joint.speed_up.value == pytest.approx(by_hand)


def test_thinned_failing_events_do_not_change_the_plan() -> None:
    score, label, _ = sample(40_000)
    keep = label | (np.random.default_rng(2).random(label.size) < 0.25)
    multiplicity = np.where(label, 1.0, 4.0)
    whole = make_plan(LabelledEvents.from_arrays(score, label), n_replicas=20)
    thinned = make_plan(
        LabelledEvents.from_arrays(score[keep], label[keep], multiplicity=multiplicity[keep]), n_replicas=20
    )
    assert thinned.retention[0] == pytest.approx(whole.retention[0], rel=0.02)
    assert thinned.recommended.lambda_ == pytest.approx(whole.recommended.lambda_, rel=0.02)
    assert thinned.outlooks[0].speed_up.value == pytest.approx(whole.outlooks[0].speed_up.value, rel=0.02)


def test_generator_weights_and_simulation_costs_are_planned_with() -> None:
    score, label, _ = sample()
    generator = np.random.default_rng(3)
    w, t = generator.normal(1, 0.5, score.size), generator.gamma(2, 48, score.size)
    events = LabelledEvents.from_arrays(score, label, weight=w, simulation_cost=t)
    plan = make_plan(events, n_replicas=20)
    assert plan.recommended.has_simulation_cost
    ignorant = make_plan(LabelledEvents.from_arrays(score, label), n_replicas=5).recommended.keep_probability(score)
    assert plan.outlooks[0].speed_up.value > 1.1 * evaluate_keep_probability(events, plan.costs, ignorant)


@pytest.mark.parametrize(
    ("score", "label", "skims", "error", "message"),
    [
        ([0.1, 0.2], [0, 0], ("a",), DatasetError, "none of 2 events passes 'a'"),
        ([0.1, 1.2], [0, 1], ("a",), PolicyError, "score of event 1"),
        ([0.1, 0.2], [0, 2], ("a",), PolicyError, "label of event 1"),
        ([0.1, 0.2], [0, 1], ("a", "b"), DatasetError, "expected"),
        ([[0.1, 0.2], [0.1, 0.2]], [[0, 1], [0, 1]], ("a", "b"), DatasetError, "passes 'a'"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    score: list, label: list, skims: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LabelledEvents.from_arrays(score, label, skims=skims)
