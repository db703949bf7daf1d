"""`smartbkg merge`: sums stay right, mistakes are refused."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain, make_model

from smartbkg.cli.merge import command
from smartbkg.errors import DatasetError, PolicyError, SmartBKGError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.filtering import ledger, merge
from smartbkg.filtering.event_filter import EventFilter
from smartbkg.filtering.files import filter_file
from smartbkg.filtering.merge import merge_files
from smartbkg.io import create_events, open_events
from smartbkg.io.tables import read_table
from smartbkg.networks.model_file import load_scorer
from smartbkg.sampling.policies import ExponentialPolicy, ThresholdPolicy
from smartbkg.storage.provenance import record


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


@pytest.fixture(scope="module")
def namesake(one: Chain, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Other events with the ids of ``one``, kept by the same filter."""
    folder = tmp_path_factory.mktemp("namesake")
    other = make_chain(folder / "other", 4000, first_event=70_000, model=one.model)
    batch, ids = events_of(other.events), events_of(one.events).event
    source, kept = folder / "events.parquet", folder / "kept.parquet"
    with create_events(source, record("events", 1, {})) as writer:
        writer.write(batch.with_event_columns(**{name: ids[name] for name in EVENT_ID}))
    event_filter = EventFilter(load_scorer(one.model), ExponentialPolicy(0.3, -0.5), seed=3, skims=("first",))
    settings = {"policy": ExponentialPolicy(0.3, -0.5).to_dict(), "seed": 3, "skims": ["first"]}
    filter_file(source, kept, event_filter, settings=settings)
    return one._replace(events=source, kept=kept)


def test_different_events_with_equal_ids_are_never_taken_for_the_same(
    one: Chain, namesake: Chain, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="are other events: a union is of the same"):
        run(one.kept, namesake.kept, "-o", tmp_path / "u.parquet", "--method", "union", "--model", one.model)
    with pytest.raises(DatasetError, match="carry the ids of different events") as error:
        run(one.kept, namesake.kept, "-o", tmp_path / "c.parquet")
    assert "union" not in str(error.value)


def test_different_events_with_equal_ids_are_merged_where_that_is_accepted(
    one: Chain, namesake: Chain, tmp_path: Path
) -> None:
    result = run(one.kept, namesake.kept, "-o", tmp_path / "c.parquet", "--allow-duplicates")
    assert "warning" not in result.output  # their draws were independent
    assert_estimates(events_of(tmp_path / "c.parquet"), 8000)


def test_draws_that_shared_their_numbers_are_named(one: Chain, namesake: Chain, tmp_path: Path) -> None:
    kept = []
    for index, chain in enumerate((one, namesake)):
        kept.append(tmp_path / f"{index}.parquet")
        event_filter = EventFilter(load_scorer(one.model), ExponentialPolicy(0.3, -0.5), seed=3, stream="jobs")
        filter_file(chain.events, kept[-1], event_filter, settings={"seed": 3})
    result = run(*kept, "-o", tmp_path / "c.parquet", "--allow-duplicates")
    assert "shared their random number" in result.output


def test_files_without_a_kept_event_count_with_their_generated_ones(one: Chain, two: Chain, tmp_path: Path) -> None:
    none = make_chain(tmp_path / "none", 200, first_event=300_000, model=one.model, policy=ThresholdPolicy(0.9999))
    assert len(read_table(none.kept, columns=["evtNum"])) == 0
    result = run(none.kept, one.kept, "-o", tmp_path / "sum.parquet")
    assert "standing for 4200 generated" in result.output
    assert "biased" in result.output  # a threshold lost what it lost
    again = run(tmp_path / "sum.parquet", two.kept, "-o", tmp_path / "again.parquet")
    assert "biased" in again.output  # and a second merge does not forget it
    result = run(none.kept, none.kept, "-o", tmp_path / "zero.parquet")
    assert "0 events, standing for 400" in result.output


def test_each_file_is_opened_twice_whatever_their_number(
    one: Chain, two: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = make_chain(tmp_path / "three", 300, first_event=400_000, model=one.model)
    opened: list[Path] = []
    monkeypatch.setattr(merge, "open_events", lambda path, *given: (opened.append(path), open_events(path, *given))[1])
    merge_files([one.kept, two.kept, three.kept], tmp_path / "out.parquet")
    assert sorted(opened) == sorted([one.kept, two.kept, three.kept] * 2)


def test_many_events_are_looked_through_from_disk_with_the_same_result(
    one: Chain, two: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = make_chain(tmp_path / "again", 4000, policy=ExponentialPolicy(0.3, -0.5), seed=77, model=one.model)
    arguments = (one.kept, again.kept, "--method", "union", "--model", one.model, "--output")
    run(*arguments, tmp_path / "memory.parquet")
    monkeypatch.setattr(ledger, "_ROOM", 300)
    run(*arguments, tmp_path / "disk.parquet")
    np.testing.assert_array_equal(
        events_of(tmp_path / "disk.parquet").event["evtNum"], events_of(tmp_path / "memory.parquet").event["evtNum"]
    )
    with pytest.raises(DatasetError, match="are in the files before it"):
        run(one.kept, two.kept, one.kept, "-o", tmp_path / "out.parquet")
    assert not list(tmp_path.glob(".merge*"))
