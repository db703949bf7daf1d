"""`smartbkg merge`: sums stay right, mistakes are refused."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain, make_model

from smartbkg.cli.merge import command
from smartbkg.errors import DatasetError, PolicyError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io import open_events
from smartbkg.sampling.policies import ExponentialPolicy


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("one"), 4000)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Other events, filtered with another model, policy and seed."""
    folder = tmp_path_factory.mktemp("two")
    model = make_model(folder / "model.safetensors", seed=5)
    return make_chain(folder, 2500, policy=ExponentialPolicy(0.3, -0.5), seed=9, first_event=50_000, model=model)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def events_of(path: Path) -> EventBatch:
    with open_events(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def assert_estimates(batch: EventBatch, n_generated: int) -> None:
    """Σw agrees with the generated number within five standard deviations (false alarm 6e-7)."""
    w, q = batch.event["weight"], batch.event["keep_probability"]
    assert abs(w.sum() - n_generated) < 5 * np.sqrt((w**2 * (1 - q)).sum())


def test_concatenated_files_stand_for_all_generated_events(one: Chain, two: Chain, tmp_path: Path) -> None:
    output = tmp_path / "merged.parquet"
    result = run(one.kept, two.kept, "--output", output)
    merged = events_of(output)
    first, second = events_of(one.kept), events_of(two.kept)
    assert len(merged) == len(first) + len(second)
    assert merged.event["weight"].sum() == pytest.approx(
        first.event["weight"].sum() + second.event["weight"].sum(), rel=1e-12
    )
    assert_estimates(merged, 6500)
    assert "standing for 6500 generated" in result.output


def test_the_balance_heuristic_is_unbiased_and_has_less_variance(one: Chain, two: Chain, tmp_path: Path) -> None:
    output, plain = tmp_path / "balanced.parquet", tmp_path / "plain.parquet"
    run(one.kept, two.kept, "--output", output, "--method", "balance", "--model", one.model, "--model", two.model)
    run(one.kept, two.kept, "--output", plain)
    balanced, concatenated = events_of(output), events_of(plain)
    assert_estimates(balanced, 6500)
    squares = [float((batch.event["weight"] ** 2).sum()) for batch in (balanced, concatenated)]
    assert squares[0] < squares[1]
    np.testing.assert_allclose(
        balanced.event["weight"] * balanced.event["keep_probability"], balanced.event["generator_weight"]
    )


def test_the_same_events_filtered_twice_make_a_union(one: Chain, tmp_path: Path) -> None:
    again = make_chain(tmp_path / "again", 4000, policy=ExponentialPolicy(0.3, -0.5), seed=77, model=one.model)
    output = tmp_path / "union.parquet"
    run(one.kept, again.kept, "--output", output, "--method", "union", "--model", one.model)
    union = events_of(output)
    assert len(np.unique(union.event["evtNum"])) == len(union)
    assert len(union) > max(len(events_of(one.kept)), len(events_of(again.kept)))
    assert_estimates(union, 4000)


def test_the_same_seed_twice_makes_a_union_of_the_larger_probability(one: Chain, tmp_path: Path) -> None:
    again = make_chain(tmp_path / "again", 4000, policy=ExponentialPolicy(0.3, -0.5), seed=3, model=one.model)
    output = tmp_path / "union.parquet"
    run(one.kept, again.kept, "--output", output, "--method", "union", "--model", one.model)
    assert_estimates(events_of(output), 4000)


def test_merging_is_associative(one: Chain, two: Chain, tmp_path: Path) -> None:
    three = make_chain(tmp_path / "three", 1000, first_event=90_000, model=one.model)
    ab, abc, whole = (tmp_path / f"{name}.parquet" for name in ("ab", "abc", "whole"))
    run(one.kept, two.kept, "-o", ab)
    run(ab, three.kept, "-o", abc)
    run(one.kept, two.kept, three.kept, "-o", whole)
    np.testing.assert_array_equal(events_of(abc).event["weight"], events_of(whole).event["weight"])


@pytest.mark.parametrize(
    ("files", "options", "error", "message"),
    [
        (["one"], [], UsageError, "at least two"),
        (["one", "one"], [], DatasetError, "are in the files before it"),
        (["one", "two"], ["--method", "balance"], UsageError, "0 models for 2 files"),
        (["one", "two"], ["--method", "union", "--model", "one"], DatasetError, "same generated events"),
        (["one", "two"], ["--method", "balance", "--model", "one"], PolicyError, "is it the model that filtered it"),
    ],
)
def test_mistakes_are_named(
    one: Chain, two: Chain, tmp_path: Path, files: list[str], options: list[str],
    error: type[SmartBKGError], message: str,
) -> None:  # fmt: skip
    chains = {"one": one, "two": two}
    output = tmp_path / "out.parquet"
    with pytest.raises(error, match=message):
        run(
            *(chains[name].kept for name in files), "-o", output,
            *(chains[option].model if option in chains else option for option in options),
        )  # fmt: skip
    assert not output.exists()


def test_events_that_no_filter_kept_are_refused(one: Chain, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected events kept by a filter"):
        run(one.kept, one.events, "-o", tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="same file"):
        run(one.kept, one.events, "-o", one.kept)


def test_systematic_samples_are_merged_but_not_united(one: Chain, tmp_path: Path) -> None:
    a = make_chain(tmp_path / "a", 1000, first_event=200_000, model=one.model, draw="systematic")
    b = make_chain(tmp_path / "b", 1000, first_event=200_000, model=one.model, draw="systematic", seed=4)
    with pytest.raises(DatasetError, match="needs independent draws"):
        run(a.kept, b.kept, "-o", tmp_path / "out.parquet", "--method", "union", "--model", one.model)
    run(one.kept, a.kept, "-o", tmp_path / "sum.parquet")
    expected = events_of(one.kept).event["weight"].sum() + events_of(a.kept).event["weight"].sum()
    assert events_of(tmp_path / "sum.parquet").event["weight"].sum() == pytest.approx(expected)
