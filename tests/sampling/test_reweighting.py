"""The reweighter: stored trees equal hep_ml's, correct what they can, and admit what they cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from smartbkg.errors import DatasetError, ModelError, SchemaError
from smartbkg.sampling.reweighting import Reweighter, ReweighterSettings, TrainedReweighter, _trees_of, train_reweighter
from smartbkg.storage.provenance import METADATA_KEY

hep_ml = pytest.importorskip("hep_ml.reweight")

FAST = ReweighterSettings(n_trees=30, n_folds=2)


def passing(n: int = 8000, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    score = 1 / (1 + np.exp(-(x + generator.normal(size=n))))
    return {"x": x, "y": generator.exponential(size=n)}, score > 0.4


@pytest.fixture(scope="module")
def trained() -> TrainedReweighter:
    return train_reweighter(*passing(), threshold=0.4, settings=FAST)


def test_stored_trees_give_the_weights_of_hep_ml() -> None:
    values, kept = passing()
    x = np.stack([values["x"], values["y"]], axis=1)
    theirs = hep_ml.GBReweighter(n_estimators=20, learning_rate=0.2, min_samples_leaf=100)
    theirs.fit(x[kept], x)
    mine = Reweighter(("x", "y"), _trees_of(theirs, 0.2), 1.0, 0.4)
    np.testing.assert_allclose(mine.factors(values), theirs.predict_weights(x), rtol=1e-9)


def test_kept_events_look_like_all_of_them_after_reweighting(trained: TrainedReweighter) -> None:
    values, kept = passing()
    all_mean, biased = values["x"].mean(), values["x"][kept].mean()
    corrected = np.average(values["x"][kept], weights=trained.cross_validated)
    assert abs(biased - all_mean) > 0.4
    assert abs(corrected - all_mean) < 0.1


def test_the_sum_of_weights_is_the_number_of_passing_events(trained: TrainedReweighter) -> None:
    values, kept = passing()
    factors = trained.reweighter.factors({name: column[kept] for name, column in values.items()})
    assert factors.sum() == pytest.approx(kept.size)


def test_figures_say_what_was_lost_and_what_it_cost(trained: TrainedReweighter) -> None:
    _, kept = passing()
    figures = trained.metrics
    assert figures.lost_fraction == pytest.approx(1 - kept.mean())
    assert figures.n_kept == kept.sum()
    assert figures.effective < figures.n_kept
    assert figures.largest_factor < 200


def test_what_is_lost_below_the_threshold_is_not_recovered() -> None:
    """A variable that sets the score alone has no kept events below: no weight fills that region."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=8000)
    result = train_reweighter({"x": x}, x > 0, settings=FAST)
    corrected = np.average(x[x > 0], weights=result.cross_validated)
    assert corrected > x.mean() + 0.3


def test_a_reweighter_survives_storage(trained: TrainedReweighter, tmp_path: Path) -> None:
    path = tmp_path / "reweighter.safetensors"
    trained.reweighter.save(path, trained.metrics._asdict())
    values, _ = passing(500, seed=9)
    values["x"][3] = np.nan
    np.testing.assert_array_equal(Reweighter.load(path).factors(values), trained.reweighter.factors(values))


def test_training_is_reproducible() -> None:
    first, second = (train_reweighter(*passing(2000), settings=FAST).cross_validated for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_files_that_are_no_reweighters_are_refused(trained: TrainedReweighter, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        Reweighter.load(tmp_path / "nowhere.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ModelError, match="not a reweighter"):
        Reweighter.load(tmp_path / "text.safetensors")
    other = {METADATA_KEY: json.dumps({"kind": "model"})}
    save_file({"left": np.zeros(1)}, tmp_path / "model.safetensors", metadata=other)
    with pytest.raises(SchemaError, match="holds 'model'"):
        Reweighter.load(tmp_path / "model.safetensors")


def test_trees_that_would_never_end_are_refused(trained: TrainedReweighter, tmp_path: Path) -> None:
    path = tmp_path / "loop.safetensors"
    trees = {name: values.copy() for name, values in trained.reweighter.trees.items()}
    inner = int(np.flatnonzero(trees["left"] >= 0)[1])
    trees["left"][inner] = 0
    Reweighter(("x", "y"), trees, 1.0, 0.4, 3.0).save(path, {})
    with pytest.raises(ModelError, match="leads backwards"):
        Reweighter.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [("few", "at least 200"), ("all", "nothing to correct"), ("length", "do not fit"), ("none", "needs the variables")],
)
def test_what_cannot_be_trained_is_refused(change: str, message: str) -> None:
    values, kept = passing(2000)
    if change == "few":
        kept = np.arange(2000) < 10
    elif change == "all":
        kept = np.ones(2000, bool)
    elif change == "length":
        kept = kept[:100]
    else:
        values = {}
    with pytest.raises(DatasetError, match=message):
        train_reweighter(values, kept, settings=FAST)


def test_a_missing_variable_is_named(trained: TrainedReweighter) -> None:
    with pytest.raises(DatasetError, match=r"missing: \['y'\]"):
        trained.reweighter.factors({"x": [1.0]})
