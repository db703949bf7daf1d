"""`smartbkg validate`: a verdict, an exit code, a JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain

from smartbkg.cli.validate import command
from smartbkg.errors import DatasetError, FileFormatError, PolicyError
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
    everything = [str(argument) for argument in arguments] + ["--replicas", "200"]
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


def test_weights_that_are_not_used_are_found_out(chain: Chain, tmp_path: Path) -> None:
    kept = read_table(chain.kept, columns=["experiment", "run", "evtNum", "weight", "keep_probability"])
    unweighted = tmp_path / "unweighted.parquet"
    write_table(unweighted, dict(kept.columns) | {"weight": np.ones(len(kept))}, record("kept", 1, {}))
    result = run(unweighted, chain.flags, "--skim", "first")
    assert result.exit_code == 1
    assert "BIASED" in result.output


def test_a_filter_that_keeps_other_events_than_it_says_is_found_out(chain: Chain, tmp_path: Path) -> None:
    scores, flags = read_table(chain.scores), read_table(chain.flags)
    is_kept = scores["is_kept"] & ~((flags["R2"] > 0.7) & (np.arange(len(flags)) % 2 == 0))
    biased = tmp_path / "biased.parquet"
    write_table(biased, dict(scores.columns) | {"is_kept": is_kept}, record("scores", 1, {}))
    result = run(chain.kept, chain.flags, "--skim", "first", "--scores", biased)
    assert result.exit_code == 1
    assert "R2" in result.output.split("worst:")[1]


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
    with pytest.raises(DatasetError, match="several skims, name one: first, second"):
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
