"""`smartbkg validate`: a verdict, an exit code, a JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain

from smartbkg.cli.validate import command
from smartbkg.errors import DatasetError, FileFormatError, PolicyError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io import create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.io.tables import read_table, write_table
from smartbkg.sampling.policies import ThresholdPolicy
from smartbkg.storage.provenance import record


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("validate"), 8000)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("reference"), 8000, first_event=1_000_000)


def run(*arguments: object) -> Result:
    everything = [str(argument) for argument in arguments] + ["--resamples", "500"]
    return CliRunner().invoke(command, everything, catch_exceptions=False)


@pytest.mark.parametrize("way", ["scores", "subset", "reference"])
def test_a_right_filter_closes(chain: Chain, other: Chain, tmp_path: Path, way: str) -> None:
    path = tmp_path / "closure.json"
    more = {"scores": ["--scores", chain.scores], "reference": ["--reference", other.flags], "subset": []}[way]
    result = run(chain.kept, chain.flags, "--skim", "first", "--json", path, *more)
    assert result.exit_code == 0, result.output
    assert "no bias seen" in result.output
    content = json.loads(path.read_text())
    assert content["verdict"] == "compatible"
    assert {variable["name"] for variable in content["variables"]} == {"Mbc", "R2", "nTracks"}


def changed(chain: Chain, path: Path, **columns: np.ndarray) -> Path:
    """The kept file with other columns, and the same record."""
    with open_events(chain.kept) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
        about = dict(reader.metadata)
    with create_events(path, about) as writer:
        writer.write(batch.with_event_columns(**columns))
    return path


def selected(chain: Chain, path: Path, rows: np.ndarray, *, with_totals: bool = True) -> Path:
    """Some rows of the kept file, in this order, and its record."""
    with open_events(chain.kept) as reader:
        batch = EventBatch.concatenate(list(reader.batches()))
        about = {key: value for key, value in reader.metadata.items() if with_totals or key != "totals"}
    with create_events(path, about) as writer:
        writer.write(batch.select(rows))
    return path


def kept_columns(chain: Chain) -> dict[str, np.ndarray]:
    return dict(read_table(chain.kept, columns=["weight", "keep_probability", "generator_weight", "evtNum"]).columns)


def wrong_lines(result: Result) -> str:
    return "\n".join(line for line in result.output.splitlines() if line.strip().startswith("wrong"))


@pytest.mark.parametrize("way", ["scores", "subset"])
@pytest.mark.parametrize("fault", ["ones", "twice", "half", "doubled", "clipped", "five percent"])
def test_a_kept_file_that_is_not_what_the_filter_wrote_is_found_out(
    chain: Chain, tmp_path: Path, fault: str, way: str
) -> None:
    columns, path = kept_columns(chain), tmp_path / "bad.parquet"
    weight, n = columns["weight"], len(columns["weight"])
    if fault in ("half", "doubled"):
        rows = np.arange(0, n, 2) if fault == "half" else np.concatenate([np.arange(n), np.arange(n // 4)])
        selected(chain, path, rows)
    else:
        weights = {"ones": np.ones(n), "twice": weight / columns["keep_probability"], "five percent": 1.05 * weight}
        changed(chain, path, weight=weights.get(fault, np.minimum(weight, 5.0)))
    result = run(path, chain.flags, "--skim", "first", *(["--scores", chain.scores] if way == "scores" else []))
    assert result.exit_code == 1
    expected = {"half": "number and sum of weights", "doubled": "each kept event is there once"}
    assert expected.get(fault, "weight · keep probability") in wrong_lines(result), result.output


def test_missing_events_are_seen_by_their_yield_where_no_record_tells(chain: Chain, tmp_path: Path) -> None:
    n = len(kept_columns(chain)["weight"])
    path = selected(chain, tmp_path / "half.parquet", np.arange(0, n, 2), with_totals=False)
    result = run(path, chain.flags, "--skim", "first", "--events", chain.events)
    assert wrong_lines(result) == ""
    assert result.exit_code == 1
    assert "generated events: BIASED" in result.output


def test_the_kept_file_of_another_sample_with_equal_ids_is_found_out(chain: Chain, tmp_path: Path) -> None:
    impostor = make_chain(tmp_path / "impostor", 8000, model=chain.model, seed=4)
    result = run(impostor.kept, chain.flags, "--skim", "first", "--scores", chain.scores)
    assert result.exit_code == 1
    assert "are there that it did not keep" in wrong_lines(result)
    assert "seed differ" in wrong_lines(result)


def test_events_that_the_recorded_draw_rejects_are_found_out(chain: Chain, tmp_path: Path) -> None:
    columns = kept_columns(chain)
    q = columns["keep_probability"] * 0.5
    path = changed(chain, tmp_path / "q.parquet", keep_probability=q, weight=columns["generator_weight"] / q)
    result = run(path, chain.flags, "--skim", "first")
    assert "the recorded draw keeps these events" in wrong_lines(result)


def test_a_filter_that_keeps_other_events_than_it_says_is_found_out(chain: Chain, tmp_path: Path) -> None:
    flags = read_table(chain.flags)
    columns = kept_columns(chain)
    r2 = flags["R2"][columns["evtNum"].astype(int)]
    rows = np.flatnonzero(~((r2 > 0.6) & (np.arange(len(r2)) % 3 > 0)))
    biased = selected(chain, tmp_path / "biased.parquet", rows, with_totals=False)
    result = run(biased, chain.flags, "--skim", "first", "--scores", chain.scores)
    assert result.exit_code == 1
    assert "R2" in result.output.split("worst:")[1].splitlines()[0]
    assert "are missing" in wrong_lines(result)


def test_generated_events_are_looked_at_without_any_flags(chain: Chain) -> None:
    for more in (["--scores", chain.scores], ["--events", chain.events]):
        result = run(chain.kept, *more)
        assert result.exit_code == 0, result.output
        assert "generated events: no bias seen" in result.output
    with pytest.raises(UsageError, match="nothing to compare with"):
        run(chain.kept)


def test_a_threshold_is_named_as_what_it_is(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "threshold", 2000, policy=ThresholdPolicy(0.2))
    with pytest.raises(PolicyError, match="no chance of being kept"):
        run(chain.kept, chain.flags, "--skim", "first", "--scores", chain.scores)
    path = tmp_path / "closure.json"
    result = run(chain.kept, chain.flags, "--skim", "first", "--json", path)  # what was lost is not left to chance
    assert result.exit_code == 1
    assert "total: -inf" in result.output
    assert "BIASED" in result.output
    assert json.loads(path.read_text())["verdict"] == "biased"


def test_mistakes_are_named(chain: Chain, other: Chain) -> None:
    with pytest.raises(UsageError, match="several skims, name one: first, second"):
        run(chain.kept, chain.flags)
    with pytest.raises(DatasetError, match="did you mean 'first'"):
        run(chain.kept, chain.flags, "--skim", "frist")
    with pytest.raises(DatasetError, match="events are not in it"):
        run(chain.kept, other.flags, "--skim", "first")
    with pytest.raises(FileFormatError, match="no column 'Mbcc': did you mean 'Mbc'"):
        run(chain.kept, chain.flags, "--skim", "first", "--variable", "Mbcc")
    with pytest.raises(FileFormatError, match="keep_probability"):
        run(chain.events, chain.flags, "--skim", "first")
    with pytest.raises(FileFormatError, match="no such file"):
        run(chain.kept, "nowhere.parquet")


def test_a_systematic_draw_closes_and_its_p_values_are_explained(chain: Chain, tmp_path: Path) -> None:
    drawn = make_chain(tmp_path / "systematic", 8000, model=chain.model, draw="systematic")
    result = run(drawn.kept, drawn.flags, "--skim", "first", "--scores", drawn.scores)
    assert result.exit_code == 0, result.output
    assert "systematic draw" in result.output
    assert "systematic draw" not in run(chain.kept, chain.flags, "--skim", "first").output


def test_flags_and_kept_events_in_the_wrong_order_are_one_line(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"flags.parquet: a table of flags .* KEPT comes first, then FLAGS"):
        run(chain.flags, chain.kept, "--skim", "first")
    flags, kept = read_table(chain.flags), read_table(chain.kept, columns=["weight", "keep_probability", "evtNum"])
    rows = kept["evtNum"].astype(int)
    columns = {name: column[rows] for name, column in flags.columns.items()}
    weighted = columns | {name: kept[name] for name in ("weight", "keep_probability")}
    write_table(tmp_path / "weighted.parquet", weighted, record("flags", 1, {}))
    with pytest.raises(FileFormatError, match=r"kept.parquet: column .*is it a file of events, where a table belongs"):
        run(tmp_path / "weighted.parquet", chain.kept, "--skim", "first")


def test_kept_hepmc_is_validated_like_the_file_it_was_made_of(chain: Chain, tmp_path: Path) -> None:
    convert_events([chain.kept], tmp_path / "kept.hepmc3")
    result = run(tmp_path / "kept.hepmc3", chain.flags, "--skim", "first")
    assert result.exit_code == 0, result.output
    assert "no bias seen" in result.output
    assert wrong_lines(result) == ""
