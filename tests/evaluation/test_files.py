"""From a model file and a data set to a report, on events whose labels follow a network's own scores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import random_events

from smartbkg.errors import DatasetError, ModelError
from smartbkg.evaluation.evaluate import Evaluation
from smartbkg.evaluation.files import evaluate_model
from smartbkg.evaluation.report import render_report
from smartbkg.io import create_events
from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
from smartbkg.networks.bundle import state_of
from smartbkg.networks.scorer import scorer_of
from smartbkg.plots.curves import plot_learning
from smartbkg.sampling.policies import OptimalPolicy, ScorePolicy
from smartbkg.scores.calibration import Affine
from smartbkg.training.progress.reporting import EpochMetrics

N_EVENTS = 6000


@pytest.fixture(scope="module")
def model_and_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A random network, calibrated to 10 % retention, and events that pass with the probability it says."""
    folder = tmp_path_factory.mktemp("evaluate")
    torch.manual_seed(3)
    config = {"architecture": "deepset"}
    bundle = ModelBundle(parse_config(config), state_of(build_model(config)), skims=("tag",))
    events = random_events(N_EVENTS, seed=8, max_particles=20)
    logits = scorer_of(bundle).logits(events)[:, 0].astype(float)
    scale = 1.5 / logits.std()
    calibration = Affine((scale,), (-2.6 - scale * logits.mean(),))
    policy = OptimalPolicy(2.0, 20).to_dict()
    bundle = ModelBundle(bundle.config, bundle.state, skims=("tag",), calibration=calibration, policy=policy)
    save_bundle(folder / "model.safetensors", bundle)
    score = calibration.apply(logits[:, None])[:, 0]
    random = np.random.default_rng(0)
    columns = {
        "label_tag": random.random(N_EVENTS) < score,
        "var_Mbc": 5.27 + 0.01 * random.normal(size=N_EVENTS) + 0.01 * score,
        "var_R2": np.where(random.random(N_EVENTS) < 0.2, np.nan, score + random.random(N_EVENTS)),
    }
    with create_events(folder / "data.parquet", {"kind": "dataset", "schema_version": 1}) as writer:
        writer.write(events.with_event_columns(**columns))
    return folder / "model.safetensors", folder / "data.parquet"


@pytest.fixture(scope="module")
def evaluation(model_and_data: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, str]:
    page = tmp_path_factory.mktemp("page") / "report.html"
    return evaluate_model(*model_and_data, page, seed=4), page.read_text()


def test_true_probabilities_are_found_calibrated_and_unbiased(evaluation):
    found, _ = evaluation
    assert found.calibration.chi2 < 45
    assert found.closure.is_compatible
    assert found.outlook.speed_up.value > 1.1
    assert abs(found.plan.own_estimate - found.outlook.speed_up.value) < 5 * found.outlook.speed_up.error
    assert found.policy == OptimalPolicy(2.0, 20)
    assert 0 < found.n_effective < found.n_passing


def test_page_is_self_contained_and_says_what_was_found(evaluation):
    found, page = evaluation
    assert len(re.findall(r'<img src="data:image/svg\+xml;base64,', page)) == 7
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert f"{found.roc.area:.3f}" in page
    assert f"{found.outlook.speed_up.value:.2f} ± {found.outlook.speed_up.error:.2f}" in page
    for name in ("M_bc of the best B⁰ tag", "R₂", "model.safetensors", "optimal (this model)"):
        assert name in page


def test_learning_curves_are_shown_where_the_model_kept_its_epochs(evaluation):
    history = [
        EpochMetrics(epoch, 0.7 / epoch, 0.8 / epoch, 0.7 + 0.05 * epoch, 1 + 0.1 * epoch, 1e-3, epoch == 2, 1.0, 0.0)
        .reproducible()
        for epoch in (1, 2, 3)
    ]  # fmt: skip
    page = render_report(evaluation[0], model_name="m", data_name="d", history=history)
    assert page.count("<img src=") == evaluation[1].count("<img src=") + 1
    lower, right = plot_learning(history).axes[1:]
    assert lower.lines[0].get_ydata() == pytest.approx([0.75, 0.8, 0.85])
    assert right.lines[0].get_ydata() == pytest.approx([1.1, 1.2, 1.3])


def test_names_from_files_cannot_inject_into_the_page(evaluation):
    page = render_report(evaluation[0], model_name="<script>alert(1)</script>", data_name="a&b")
    assert "<script>" not in page
    assert "a&amp;b" in page


def test_other_policies_are_evaluated_on_request(model_and_data, tmp_path):
    found = evaluate_model(*model_and_data, tmp_path / "r.html", policy="score")
    assert found.policy == ScorePolicy()


def test_a_data_set_without_variables_is_looked_at_at_generator_level(model_and_data, tmp_path):
    model, _ = model_and_data
    labelled = random_events(200).with_event_columns(label_tag=np.arange(200) % 2 == 0)
    with create_events(tmp_path / "bare.parquet", {"kind": "dataset", "schema_version": 1}) as writer:
        writer.write(labelled)
    found = evaluate_model(model, tmp_path / "bare.parquet", tmp_path / "r.html", policy="exp=0.5,-1")
    assert {one.name for one in found.closure.variables} >= {"gen_nFinal", "gen_sumEnergy", "gen_R2"}
    assert "sumEnergy at generator level [GeV]" in (tmp_path / "r.html").read_text()


def test_mistakes_write_no_report(model_and_data, tmp_path):
    model, data = model_and_data
    with pytest.raises(ModelError, match="did you mean 'tag'"):
        evaluate_model(model, data, tmp_path / "r.html", skim="tga")
    with create_events(tmp_path / "plain.parquet", {"kind": "events", "schema_version": 1}) as writer:
        writer.write(random_events(50))
    with pytest.raises(DatasetError, match="no labels of the skim 'tag'"):
        evaluate_model(model, tmp_path / "plain.parquet", tmp_path / "r.html")
    labelled = random_events(50).with_event_columns(label_tag=np.arange(50) % 2 == 0)
    with create_events(tmp_path / "one.parquet", {"kind": "dataset", "schema_version": 1}) as writer:
        writer.write(labelled.with_event_columns(label_tag=np.ones(50, dtype=bool), var_R2=np.zeros(50)))
    with pytest.raises(DatasetError, match=r"one\.parquet: all 50 events pass"):
        evaluate_model(model, tmp_path / "one.parquet", tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_the_report_says_what_its_closure_cannot_see(evaluation: tuple[Evaluation, str]) -> None:
    """It draws with the keep probabilities that it tests against: it must not pass for a check of a production."""
    _, page = evaluation
    assert "this closure draws with the keep probabilities that it tests against" in page
    assert "a wrong weight, file or policy of a production it cannot see" in page
    assert "`smartbkg validate`" in page
