from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from smartbkg.sampling import Costs, solve_optimal, speed_up
from smartbkg.training.config import LOSSES
from smartbkg.training.decorrelation import distance_correlation
from smartbkg.training.losses import CrossEntropy, Loss, OptimalSpeedUpLoss, SpeedUpLoss, make_loss

COSTS = Costs()


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def made(name: str, retention: tuple[float, ...] = (0.05,), shown: tuple[float, ...] = (0.5,)) -> Loss:
    return make_loss(name, torch.ones(len(retention), dtype=torch.float64), tensor(*retention), tensor(*shown), COSTS)


def sample(n: int = 4000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Log likelihood ratios, labels, retention of a natural sample with calibrated scores."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.3, 6.0, n)
    retention = float(score.mean())
    label = rng.random(n) < score
    ratio = np.log(score / (1 - score)) - math.log(retention / (1 - retention))
    return torch.tensor(ratio)[:, None], torch.tensor(label)[:, None].double(), retention


def test_cross_entropy_of_two_balanced_events_is_the_textbook_value() -> None:
    logits, label = tensor(2.0, -1.0)[:, None], tensor(1.0, 0.0)[:, None]
    # natural weights over rates: passing events shown 10 times as often as failing ones at 5 % retention
    weight = tensor(0.05 / 0.5, 0.95 / 0.5)
    expected = 0.5 * (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0)))
    assert made("cross_entropy")(logits, label, weight).item() == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_is_least_at_the_true_likelihood_ratio_whatever_is_shown() -> None:
    label = tensor(1.0, 1.0, 0.0, 0.0, 0.0)[:, None]
    weight = tensor(0.02, 0.08, 0.3, 0.3, 0.3)  # 10 % retention: one kind of event, so the true ratio is 1
    for shown in (0.1, 0.5, 0.8):
        logit = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
        loss = made("cross_entropy", (0.1,), (shown,))(logit.expand(5, 1), label, weight)
        (gradient,) = torch.autograd.grad(loss, logit)
        assert gradient.abs().item() < 1e-12


def test_soft_labels_equal_the_replicas_they_stand_for() -> None:
    logits = tensor(0.3, -2.0)[:, None]
    soft = made("cross_entropy")(logits, tensor(0.25, 0.0)[:, None], tensor(1.0, 1.0))
    replicas = made("cross_entropy")(
        logits.repeat_interleave(4, 0), tensor(1, 0, 0, 0, 0, 0, 0, 0)[:, None], tensor(*[0.25] * 8)
    )
    assert soft.item() == pytest.approx(replicas.item(), rel=1e-12)


def test_sampling_loss_is_the_inverse_of_the_speed_up_that_statistics_gives() -> None:
    ratio, label, retention = sample()
    loss = made("speed_up", (float(label.mean()),))
    score = torch.sigmoid(ratio + math.log(float(label.mean()) / (1 - float(label.mean()))))
    expected = speed_up(label[:, 0].numpy(), score[:, 0].clamp(min=1e-4).numpy(), COSTS)
    value = loss(ratio, label, torch.ones(len(label), dtype=torch.float64)).item()
    assert value == pytest.approx(1 / float(expected), rel=1e-9)
    assert retention < 0.1


def test_optimal_loss_is_the_inverse_of_the_best_speed_up() -> None:
    ratio, label, _ = sample(40_000)
    natural = float(label.mean())
    loss = made("optimal_speed_up", (natural,))
    score = torch.sigmoid(ratio + math.log(natural / (1 - natural)))[:, 0].numpy()
    keep = solve_optimal(score, COSTS).keep_probability(score)
    expected = float(speed_up(label[:, 0].numpy(), keep, COSTS))
    value = loss(ratio, label, torch.ones(len(label), dtype=torch.float64)).item()
    assert 1 / value == pytest.approx(expected, rel=0.01)
    assert 1 / value >= expected * (1 - 1e-3)  # λ solved on labels can only be better on them


def test_best_lambda_makes_the_derivative_vanish() -> None:
    ratio, label, _ = sample()
    loss = made("optimal_speed_up", (float(label.mean()),))
    assert isinstance(loss, OptimalSpeedUpLoss)
    root = torch.sigmoid(ratio + torch.logit(loss.retention)).sqrt()
    weight = torch.ones_like(label)
    best = loss.best_lambda(root, label, weight)

    def value(lambda_: torch.Tensor) -> float:
        keep = (lambda_ * root).clamp(loss.floor, 1.0)
        sums = loss.sums(keep, label, weight)
        passing, n_passing, kept, n = (float(s) for s in sums)
        return passing / n_passing * (COSTS.before_decision + kept / n * COSTS.simulation)

    assert all(value(best * factor) >= value(best) * (1 - 1e-5) for factor in (0.7, 0.9, 0.97, 1.03, 1.1, 1.4))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    ratio, label, _ = sample(64, seed=3)
    label[:6] = 1.0
    loss = made(name, (0.07,), (0.5,))
    weight = torch.linspace(0.5, 2.0, len(label), dtype=torch.float64)
    logits = ratio.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, label, weight), logits)
    if isinstance(loss, OptimalSpeedUpLoss):  # hold λ, as the envelope theorem allows
        root = torch.sigmoid(ratio + torch.logit(loss.retention)).sqrt()
        fixed = loss.best_lambda(root, label, weight[:, None])
        loss.best_lambda = lambda *_: fixed  # type: ignore[method-assign]
    for event in range(0, 64, 7):
        step = torch.zeros_like(ratio)
        step[event] = 1e-6
        difference = (loss(ratio + step, label, weight) - loss(ratio - step, label, weight)) / 2e-6
        assert gradient[event, 0].item() == pytest.approx(difference.item(), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_score_has_a_smaller_loss(name: str) -> None:
    ratio, label, _ = sample(20_000)
    noise = torch.tensor(np.random.default_rng(1).normal(0, 1.5, ratio.shape))
    loss = made(name, (float(label.mean()),), (float(label.mean()),))
    weight = torch.ones(len(label), dtype=torch.float64)
    assert loss(ratio, label, weight) < loss(ratio + noise, label, weight)


@pytest.mark.parametrize("name", LOSSES)
def test_skims_that_were_not_run_do_not_enter(name: str) -> None:
    ratio, label, _ = sample(500)
    two = torch.cat([label, label], dim=1)
    two[250:, 1] = torch.nan
    logits = torch.cat([ratio, ratio], dim=1).requires_grad_()
    loss = make_loss(name, tensor(1.0, 3.0), tensor(0.05, 0.05), tensor(0.5, 0.5), COSTS)
    weight = torch.ones(500, dtype=torch.float64)
    value = loss(logits, two, weight)
    (gradient,) = torch.autograd.grad(value, logits)
    assert (gradient[250:, 1] == 0).all()
    assert torch.isfinite(gradient).all()
    one = made(name)
    expected = 0.25 * one(ratio, label, weight) + 0.75 * one(ratio[:250], label[:250], weight[:250])
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_shards_add_up_to_the_gradient_of_all(name: str) -> None:
    ratio, label, _ = sample(256, seed=5)
    label[:5] = 1.0
    weight = torch.linspace(0.5, 2.0, 256, dtype=torch.float64)
    loss = made(name, (0.06,))
    logits = ratio.clone().requires_grad_()
    (whole,) = torch.autograd.grad(loss(logits, label, weight), logits)
    halves = [slice(0, 100), slice(100, 256)]
    calls: list[list[torch.Tensor]] = [[], []]

    def shard(which: int, others: list[torch.Tensor] | None) -> torch.Tensor:
        part = ratio[halves[which]].clone().requires_grad_()

        def reduce(sums: torch.Tensor) -> torch.Tensor:
            calls[which].append(sums.clone())
            return sums if others is None else sums + others[len(calls[which]) - 1]

        value = loss(part, label[halves[which]], weight[halves[which]], reduce)
        return torch.autograd.grad(value, part)[0]

    if name == "optimal_speed_up":  # two rounds of λ depend on one another: hold λ at that of all events
        assert isinstance(loss, OptimalSpeedUpLoss)
        root = torch.sigmoid(ratio + torch.logit(loss.retention)).sqrt()
        fixed = loss.best_lambda(root, label, weight[:, None])
        loss.best_lambda = lambda *_: fixed  # type: ignore[method-assign]
    for which in (0, 1):
        shard(which, None)
    local = [list(part) for part in calls]
    calls = [[], []]
    gradients = [shard(0, local[1]), shard(1, local[0])]
    torch.testing.assert_close(torch.cat(gradients), whole, rtol=1e-9, atol=1e-12)


def test_distance_correlation_of_linear_and_independent_variables() -> None:
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=1500))
    weight = torch.tensor(rng.uniform(0.5, 2.0, 1500))
    assert distance_correlation(x, 3 - 2 * x, weight).item() == pytest.approx(1.0, rel=1e-9)
    assert distance_correlation(x, torch.tensor(rng.normal(size=1500)), weight).item() < 0.01
    assert distance_correlation(x, x**2, weight).item() > 0.1  # no linear correlation, yet dependent


def test_distance_correlation_of_two_points_with_weights_follows_the_definition() -> None:
    x, y, weight = tensor(0.0, 1.0, 5.0), tensor(2.0, -1.0, 0.5), tensor(1.0, 2.0, 3.0)
    repeat = weight.long()
    xs, ys = x.repeat_interleave(repeat), y.repeat_interleave(repeat)

    def centred(v: torch.Tensor) -> torch.Tensor:
        d = (v[:, None] - v[None]).abs()
        return d - d.mean(0) - d.mean(1)[:, None] + d.mean()

    a, b = centred(xs), centred(ys)
    expected = (a * b).mean() / torch.sqrt((a * a).mean() * (b * b).mean())
    assert distance_correlation(x, y, weight).item() == pytest.approx(expected.item(), rel=1e-9)


def test_distance_correlation_has_a_finite_gradient_for_constant_scores() -> None:
    score = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    distance_correlation(score, torch.arange(10.0).double(), torch.ones(10).double()).backward()
    assert score.grad is not None
    assert torch.isfinite(score.grad).all()


def test_names_make_their_losses() -> None:
    kinds = [type(made(name)) for name in LOSSES]
    assert kinds == [CrossEntropy, SpeedUpLoss, OptimalSpeedUpLoss]
