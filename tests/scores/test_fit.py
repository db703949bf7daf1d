from __future__ import annotations

import numpy as np
import pytest

from smartbkg.errors import DatasetError
from smartbkg.scores.calibration import Affine, Isotonic, PerProcess
from smartbkg.scores.fit import fit_calibration
from smartbkg.scores.logistic import expit, logit


def sample(n: int = 40_000, scale: float = 2.5, offset: float = -3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels whose true calibration is expit(scale·logit + offset)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 0.8, n)
    return logits[:, None], (rng.random(n) < expit(scale * logits + offset)).astype(float)[:, None]


def test_affine_fit_finds_the_true_scale_and_offset() -> None:
    logits, label = sample()
    fit = fit_calibration(logits, label, np.ones(len(logits)), label.mean(axis=0), "affine")
    assert isinstance(fit, Affine)
    assert fit.scale[0] == pytest.approx(2.5, abs=0.15)
    assert fit.offset[0] == pytest.approx(-3.0, abs=0.15)


@pytest.mark.parametrize("method", ["affine", "temperature", "isotonic"])
def test_mean_score_is_the_pass_fraction_also_where_failing_events_were_thinned(method: str) -> None:
    logits, label = sample()
    rng = np.random.default_rng(1)
    is_kept = (label[:, 0] > 0) | (rng.random(len(label)) < 0.2)
    weight = np.where(label[:, 0] > 0, 1.0, 5.0)[is_kept]
    fit = fit_calibration(logits[is_kept], label[is_kept], weight, label.mean(axis=0), method)  # type: ignore[arg-type]
    mean = np.average(fit.apply(logits[is_kept])[:, 0], weights=weight)
    assert mean == pytest.approx(np.average(label[is_kept, 0], weights=weight), rel=1e-2)
    assert fit.apply(logits).mean() == pytest.approx(label.mean(), rel=0.05)
    truth = expit(2.5 * logits[:, 0] - 3.0)
    assert np.abs(fit.apply(logits)[:, 0] - truth).mean() < 0.02


def test_prior_alone_moves_the_logit_by_that_of_the_retention() -> None:
    fit = fit_calibration(np.zeros((4, 1)), np.array([[1.0], [0], [0], [0]]), np.ones(4), np.array([0.03]), "prior")
    np.testing.assert_allclose(fit.apply(np.zeros((1, 1))), [[0.03]])
    assert isinstance(fit, Affine)
    assert fit.offset[0] == pytest.approx(float(logit(0.03)))


def test_isotonic_fit_rises_and_never_claims_that_an_event_cannot_pass() -> None:
    logits, label = sample(3000)
    fit = fit_calibration(logits, label, np.ones(3000), label.mean(axis=0), "isotonic")
    assert isinstance(fit, Isotonic)
    assert (np.diff(fit.scores[0]) > 0).all()
    assert fit.scores[0][0] > 0


def test_each_process_with_enough_events_gets_its_own() -> None:
    mixed = sample(20_000, offset=-2.0, seed=1)
    charged = sample(20_000, offset=-4.0, seed=2)
    rare = sample(40, seed=3)
    logits, label = (np.concatenate(parts) for parts in zip(mixed, charged, rare, strict=True))
    process = np.repeat(["mixed", "charged", "taupair"], [20_000, 20_000, 40])
    fit = fit_calibration(logits, label, np.ones(len(label)), label.mean(axis=0), "affine", process)
    assert isinstance(fit, PerProcess)
    assert set(fit.by_process) == {"mixed", "charged"}
    for name, (own_logits, own_label) in (("mixed", mixed), ("charged", charged)):
        score = fit.apply(own_logits, np.full(len(own_logits), name))
        assert score.mean() == pytest.approx(own_label.mean(), rel=1e-3)


def test_skims_that_were_not_run_are_left_out_of_their_fit() -> None:
    logits, label = sample(8000)
    two = np.concatenate([label, label], axis=1)
    two[4000:, 1] = np.nan
    both = np.concatenate([logits, logits], axis=1)
    fit = fit_calibration(both, two, np.ones(8000), label.mean(axis=0).repeat(2), "affine")
    alone = fit_calibration(logits[:4000], label[:4000], np.ones(4000), label.mean(axis=0), "affine")
    assert isinstance(fit, Affine)
    assert isinstance(alone, Affine)
    assert fit.scale[1] == pytest.approx(alone.scale[0], rel=1e-3)


def test_one_class_only_is_refused() -> None:
    with pytest.raises(DatasetError, match="passing and failing events are needed"):
        fit_calibration(np.zeros((5, 1)), np.zeros((5, 1)), np.ones(5), np.array([0.1]), "affine")


@pytest.mark.parametrize("method", ["affine", "isotonic"])
def test_a_process_keeps_its_own_calibration_where_another_skim_is_rare_there(method: str) -> None:
    """Ten passing events of one skim must not take the calibration of the other skims from a process."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 1.5, (12_000, 2))
    process = np.repeat(["mixed", "taupair"], 6000)
    shift = np.where(process == "mixed", 0.0, -1.5)[:, None]
    label = (random.random(logits.shape) < 1 / (1 + np.exp(-logits - shift))).astype(float)
    label[6000:, 1] = 0
    label[6000:6010, 1] = 1
    fit = fit_calibration(logits, label, np.ones(12_000), label.mean(axis=0), method, process)
    assert isinstance(fit, PerProcess)
    assert set(fit.by_process) == {"mixed", "taupair"}
    scores = fit.apply(logits, process)
    assert scores[6000:, 0].mean() == pytest.approx(label[6000:, 0].mean(), rel=0.05)
    np.testing.assert_array_equal(scores[6000:, 1], fit.otherwise.apply(logits)[6000:, 1])
