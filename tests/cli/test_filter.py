"""`smartbkg filter`: the draw a user chooses."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain
from synthetic import random_events

from smartbkg.cli.filter import command
from smartbkg.errors import UsageError
from smartbkg.io import create_events, open_events
from smartbkg.io.tables import read_table
from smartbkg.storage.provenance import record


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("filter"), 3000)


def run(chain: Chain, *arguments: object) -> Result:
    everything = [str(a) for a in (chain.events, "--model", chain.model, "--policy", "score", "--skim", "first")]
    return CliRunner().invoke(command, everything + [str(a) for a in arguments], catch_exceptions=False)


@pytest.mark.parametrize("size", [100, 3000])
def test_a_systematic_draw_keeps_what_is_expected_and_says_so_in_the_file(
    chain: Chain, tmp_path: Path, size: int
) -> None:
    kept, again, scores = (tmp_path / f"{name}.parquet" for name in ("kept", "again", "scores"))
    options = ("--draw", "systematic", "--batch-size", size)
    assert run(chain, "-o", kept, "--scores", scores, *options).exit_code == 0
    assert run(chain, "-o", again, "--draw", "systematic").exit_code == 0
    table = read_table(scores)
    is_kept = table["is_kept"].astype(bool)
    assert abs(is_kept.sum() - table["keep_probability"].sum()) < 1
    np.testing.assert_array_equal(read_table(kept, columns=["evtNum"])["evtNum"], table["evtNum"][is_kept])
    np.testing.assert_array_equal(read_table(again, columns=["evtNum"])["evtNum"], table["evtNum"][is_kept])
    with open_events(kept) as reader:
        assert reader.metadata["settings"]["draw"] == "systematic"


def test_the_default_seed_of_the_draw_is_said_and_a_chosen_one_is_not(chain: Chain, tmp_path: Path) -> None:
    assert "the seed of the draw is the default, 0" in run(chain, "-o", tmp_path / "kept.parquet").stderr
    assert "is the default" not in run(chain, "-o", tmp_path / "again.parquet", "--seed", 0).stderr


def test_a_systematic_draw_has_no_duplicates(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="share their fate"):
        run(chain, "-o", tmp_path / "kept.parquet", "--draw", "systematic", "--allow-duplicates")


@pytest.mark.parametrize("name", ["zero.hepmc3", "zero.parquet", "zero.edm4hep.root"])
def test_generator_weights_that_are_all_0_are_told(chain: Chain, tmp_path: Path, name: str) -> None:
    """0 is what an unset weight holds: of a header of EDM4hep that nobody filled, for one."""
    with create_events(tmp_path / name, record("events", 1, {})) as writer:
        writer.write(random_events(10).with_event_columns(weight=np.zeros(10)))
    arguments = [
        tmp_path / name,
        "--model",
        chain.model,
        "--policy",
        "score",
        "--skim",
        "first",
        "-o",
        tmp_path / "o.hepmc3",
    ]
    result = CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "warning: the generator weights of all events are 0" in result.output
