"""`smartbkg plan`: the table, the policy in the model, and the errors a user can mend."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain

from smartbkg.cli.plan import command
from smartbkg.errors import DatasetError, ModelError, PolicyError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.filtering.policy_choice import choose_policy
from smartbkg.io import create_events, open_events
from smartbkg.io.tables import read_table, write_table
from smartbkg.networks.bundle import load_bundle
from smartbkg.sampling.optimal import OptimalPolicy
from smartbkg.storage.provenance import record


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("plan"), 4000)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_plan_compares_policies_and_writes_the_best_into_the_model(chain: Chain, tmp_path: Path) -> None:
    output, picture = tmp_path / "planned.safetensors", tmp_path / "plan.png"
    result = run(
        chain.model, chain.dataset, "--t-gen", 0.08, "--t-filter", 0.63, "--t-sim", 97.04, "--skim", "first",
        "--policy", "threshold=0.3", "--effective", 1e6, "--picture", picture, "--output", output, "--resamples", 50,
    )  # fmt: skip
    assert result.exit_code == 0
    for word in ("optimal", "score", "exp(0.46, -0.25)", "threshold 0.3", "biased", "free bound", "CPU hours"):
        assert word in result.output
    assert picture.read_bytes()[1:4] == b"PNG"
    stored = load_bundle(output).policy
    assert stored is not None
    policy = choose_policy("optimal", stored, ("first",), str(output))
    assert isinstance(policy, OptimalPolicy)
    assert load_bundle(chain.model).policy is None  # --output leaves the model alone


def test_costs_that_nobody_gave_are_said_to_be_belle_iis_and_a_filter_that_does_not_pay_is_named(chain: Chain) -> None:
    result = run(chain.model, chain.dataset, "--resamples", 20)
    assert "Belle II's costs" in result.output
    assert "costs more than it saves" not in result.output
    dear = run(chain.model, chain.dataset, "--t-gen", 1, "--t-filter", 50, "--t-sim", 10, "--resamples", 20)
    assert "Belle II's costs" not in dear.output
    assert "the filter costs more than it saves: speed-up 0.1" in dear.output


def test_a_plan_for_all_skims_is_the_models_policy(chain: Chain, tmp_path: Path) -> None:
    output = tmp_path / "planned.safetensors"
    result = run(chain.model, chain.dataset, "--output", output, "--resamples", 20)
    assert "optimal, 2 skims" in result.output
    assert "one draw per skim" in result.output
    policy = choose_policy(None, load_bundle(output).policy, ("first", "second"), str(output))
    assert isinstance(policy, OptimalPolicy)
    assert policy.importance == (1.0, 1.0)


def test_plans_for_single_skims_are_stored_beside_one_another(chain: Chain, tmp_path: Path) -> None:
    output = tmp_path / "planned.safetensors"
    run(chain.model, chain.dataset, "--skim", "first", "--output", output, "--resamples", 20)
    run(output, chain.dataset, "--skim", "second", "--write", "--resamples", 20)
    stored = load_bundle(output).policy
    first, second = (choose_policy(None, stored, (skim,), "") for skim in ("first", "second"))
    assert first != second


def test_looking_at_a_plan_changes_no_file(chain: Chain, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(chain.model.read_bytes())
    result = run(model, chain.dataset, "--resamples", 5)
    assert "is unchanged; --write or --output stores this policy" in result.output
    assert model.read_bytes() == chain.model.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    run(model, chain.dataset, "--resamples", 5, "--write")
    assert load_bundle(model).policy is not None


def test_the_oracle_is_evaluated_beside_the_model(chain: Chain, tmp_path: Path) -> None:
    scores = read_table(chain.scores)
    oracle = tmp_path / "oracle.parquet"
    columns = {name: scores[name] for name in EVENT_ID} | {"pass_probability_first": scores["score"]}
    write_table(oracle, columns, record("oracle", 1, {}))
    result = run(chain.model, chain.dataset, "--skim", "first", "--oracle", oracle, "--resamples", 20)
    assert "100.0% of it reached" in result.output


def test_a_luminosity_is_turned_into_effective_events(chain: Chain) -> None:
    result = run(chain.model, chain.dataset, "--skim", "first", "--luminosity", 100, "--resamples", 20)
    assert "effective passing events" in result.output


def test_recalibration_mends_scores_that_are_no_probabilities(chain: Chain, tmp_path: Path) -> None:
    output = tmp_path / "wrong.safetensors"
    from dataclasses import replace

    from smartbkg.networks.bundle import save_bundle
    from smartbkg.scores.calibration import Affine

    bundle = load_bundle(chain.model)
    assert isinstance(bundle.calibration, Affine)
    wrong = Affine(tuple(0.2 * s for s in bundle.calibration.scale), (0.5, 0.5))
    save_bundle(output, replace(bundle, calibration=wrong))
    before = run(output, chain.dataset, "--skim", "first", "--resamples", 20)
    assert "of the speed-up and biases nothing" in before.output
    after = run(output, chain.dataset, "--skim", "first", "--recalibrate", "--write", "--resamples", 20)
    assert "biases nothing" not in after.output, after.output
    mended = load_bundle(output).calibration
    assert isinstance(mended, Affine)
    assert mended.scale[0] == pytest.approx(bundle.calibration.scale[0], rel=0.2)


def test_measured_costs_take_the_place_of_given_ones(chain: Chain) -> None:
    simulate = f'{sys.executable} -c "sum(i*i for i in range({{events}}*20000))"'
    result = run(
        chain.model, chain.dataset, "--skim", "first", "--measure", "--simulate-command", simulate,
        "--resamples", 20,
    )  # fmt: skip
    assert "/ 97.04" not in result.output
    with pytest.raises(UsageError, match="ended with code 3"):
        run(chain.model, chain.dataset, "--measure", "--generate-command", f'{sys.executable} -c "exit(3)"')
    with pytest.raises(UsageError, match="cannot run"):
        run(chain.model, chain.dataset, "--measure", "--generate-command", "no-such-program")


def test_a_column_of_simulation_seconds_takes_the_place_of_one_number(chain: Chain, tmp_path: Path) -> None:
    with open_events(chain.dataset) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
    costed, output = tmp_path / "costed.parquet", tmp_path / "planned.safetensors"
    with create_events(costed, record("dataset", 1, {})) as writer:
        writer.write(batch.with_event_columns(simulation_cost=np.linspace(40, 60, len(batch))))
    result = run(chain.model, costed, "--skim", "first", "--output", output, "--resamples", 20)
    assert "/ 50 (generation / decision / simulation)" in result.output
    policy = choose_policy("optimal", load_bundle(output).policy, ("first",), str(output))
    assert isinstance(policy, OptimalPolicy)
    assert policy.has_simulation_cost


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--skim", "frist"], ModelError, "did you mean 'first'"),
        (["--t-sim", "0"], PolicyError, "cost of simulation"),
        (["--max-weight", "0.5"], PolicyError, "largest weight"),
        (["--policy", "optimal"], UsageError, "in every plan"),
        (["--policy", "treshold=1"], PolicyError, "unknown policy"),
        (["--importance", "1"], PolicyError, "1 importances for 2 skims"),
        (["--effective", "1", "--luminosity", "1"], UsageError, "exclude"),
        (["--write", "--output", "m.safetensors"], UsageError, "give one of the two"),
        (["--effective", "-1"], PolicyError, "expected a positive number"),
        (["--effective", "inf"], PolicyError, "--effective inf: expected a positive number"),
        (["--luminosity", "nan"], PolicyError, "--luminosity nan: expected a positive number"),
        (
            ["--picture", "plan.jpgg"],
            UsageError,
            "a picture is written, expected a name that ends in .pdf or .png or .svg",
        ),
    ],
)
def test_mistakes_are_named(chain: Chain, options: list[str], error: type[SmartBKGError], message: str) -> None:
    with pytest.raises(error, match=message):
        run(chain.model, chain.dataset, "--resamples", 5, *options)


def test_a_data_set_without_the_models_skim_is_refused(chain: Chain) -> None:
    with pytest.raises(DatasetError, match="no labels of the skim 'first'"):
        run(chain.model, chain.events)


def test_a_model_evaluated_on_its_training_data_uses_what_it_did_not_learn_from(chain: Chain, tmp_path: Path) -> None:
    from dataclasses import replace

    from smartbkg.evaluation.scored_dataset import score_dataset
    from smartbkg.networks.bundle import save_bundle
    from smartbkg.networks.model_file import load_scorer

    bundle = load_bundle(chain.model)
    split = {"validation_fraction": 0.2, "test_fraction": 0.3, "split_seed": 0}
    training = record("training", 1, {}, [chain.dataset], split=split)
    path = tmp_path / "trained.safetensors"
    save_bundle(path, replace(bundle, training=training))
    scored = score_dataset(chain.dataset, load_scorer(path), ["first"], training=load_bundle(path).training)
    assert len(scored.events) == pytest.approx(0.3 * 4000, rel=0.1)
    assert "test events" in scored.note
    training["split"]["test_fraction"] = 0.0
    on_validation = score_dataset(chain.dataset, load_scorer(path), ["first"], training=training)
    assert len(on_validation.events) == pytest.approx(0.2 * 4000, rel=0.1)
    assert "too good" in on_validation.note
    assert np.isfinite(on_validation.filter_seconds)


def test_a_model_under_the_name_of_a_payload_is_evaluated_by_what_it_did_not_learn_from(
    chain: Chain, tmp_path: Path
) -> None:
    from dataclasses import replace

    from smartbkg.networks.bundle import save_bundle

    split = {"validation_fraction": 0.2, "test_fraction": 0.3, "split_seed": 0}
    bundle = replace(load_bundle(chain.model), training=record("training", 1, {}, [chain.dataset], split=split))
    save_bundle(tmp_path / "trained.safetensors", bundle)
    payload = tmp_path / "trained.safetensors_r1.root"
    (tmp_path / "trained.safetensors").rename(payload)
    result = run(payload, chain.dataset)
    assert "test events" in " ".join(result.output.split())
    run(payload, chain.dataset, "--output", tmp_path / "planned.safetensors")
    assert load_bundle(tmp_path / "planned.safetensors").policy
