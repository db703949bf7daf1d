"""Step sizes and stopping, epoch by epoch."""

from __future__ import annotations

import math

import pytest

from smartbkg.training.config import OptimiserSection
from smartbkg.training.schedule import LAST_FRACTION, WARM_UP, Progress, step_size


def after(losses: list[float], settings: OptimiserSection) -> Progress:
    progress = Progress()
    for epoch, loss in enumerate(losses):
        progress = progress.after(epoch, loss, settings)
    return progress


def test_one_cycle_rises_to_the_largest_step_and_falls_to_a_hundredth() -> None:
    steps = [step_size("one_cycle", 2.0, step, 1000) for step in range(1001)]
    top = steps.index(max(steps))
    assert top == WARM_UP * 1000
    assert steps[top] == pytest.approx(2.0)
    assert steps[0] == pytest.approx(0.2)
    assert steps[-1] == pytest.approx(2.0 * LAST_FRACTION)
    assert steps[: top + 1] == sorted(steps[: top + 1])
    assert steps[top:] == sorted(steps[top:], reverse=True)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_other_schedules_leave_the_step_to_plateaus_and_divergences(schedule: str) -> None:
    assert {step_size(schedule, 0.5, step, 10) for step in range(11)} == {0.5}


def test_a_plateau_halves_the_step_after_its_patience_and_again_after_as_many_epochs() -> None:
    settings = OptimiserSection(schedule="plateau", plateau_patience=2, stop_patience=50)
    assert after([1.0, 1.0, 1.0], settings).factor == 1.0
    assert after([1.0, 1.0, 1.0, 1.0], settings).factor == 0.5
    assert after([1.0] * 7, settings).factor == 0.25


def test_an_improvement_below_rounding_is_none() -> None:
    settings = OptimiserSection(stop_patience=3)
    assert after([1.0, 0.99999, 0.99998], settings).best_epoch == 0
    assert after([1.0, 0.999], settings).best_epoch == 1
    assert after([-1.0, -1.001], settings).best_epoch == 1


def test_training_is_over_when_the_loss_stands_still_for_the_patience() -> None:
    settings = OptimiserSection(stop_patience=3)
    assert not after([1.0, 1.1, 1.1], settings).is_over(settings)
    assert after([1.0, 1.1, 1.1, 1.1], settings).is_over(settings)


@pytest.mark.parametrize("progress", [Progress(), Progress(0.3, 4, 2, 1, 0.25)])
def test_progress_survives_a_checkpoint(progress: Progress) -> None:
    content = progress.to_dict()
    assert all(value is None or math.isfinite(value) for value in content.values())
    assert Progress.from_dict(content) == progress
