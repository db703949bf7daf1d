"""``--json``: one object on standard output, words on standard error."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from filtered_sample import Chain, make_chain

from smartbkg.cli import command_line
from smartbkg.cli.json_keys import JSON_KEYS
from smartbkg.cli.json_output import as_plain
from smartbkg.errors import UsageError
from smartbkg.io.tables import read_table


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("json"), 2000)


def result_of(*arguments: object) -> dict[str, Any]:
    """The object on standard output; that nothing else is there is what parsing it shows."""
    done = CliRunner().invoke(command_line, [str(word) for word in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    return content


def test_values_become_plain() -> None:
    value = {"a": np.arange(2), "b": (math.inf, np.float32(0.5)), 3: Path("x"), "c": Fraction(1, 4), "d": np.bool_(1)}
    assert as_plain(value) == {"a": [0, 1], "b": [None, 0.5], "3": "x", "c": 0.25, "d": True}


def test_plan_prints_what_it_found(chain: Chain) -> None:
    words = ("plan", chain.model, chain.dataset, "--skim", "first", "--resamples", 20, "--effective", 1000)
    found = result_of(*words, "--json")
    assert found["skims"] == ["first"]
    assert {"speed_up", "kept_fraction", "largest_weight"} <= found["outlooks"][0].keys()
    assert found["needs"]["n_generated"] > 1000
    assert found["lambda"] > 0


def test_filter_prints_its_totals(chain: Chain, tmp_path: Path) -> None:
    kept = tmp_path / "kept.parquet"
    words = ("filter", chain.events, "--model", chain.model, "--policy", "score", "--skim", "first", "-o", kept)
    found = result_of(*words, "--json")
    weight = read_table(kept, columns=["weight"])["weight"]
    assert found["n_kept"] == len(weight)
    assert found["sum_weight"] == pytest.approx(weight.sum())
    assert found["settings"]["skims"] == ["first"]


@pytest.mark.parametrize("words", ["filter {events} --model {model} -o - --json", "merge {kept} {kept} -o - --json"])
def test_json_and_events_do_not_share_standard_output(chain: Chain, words: str) -> None:
    named = words.format(events=chain.events, model=chain.model, kept=chain.kept)
    done = CliRunner().invoke(command_line, named.split())
    assert isinstance(done.exception, UsageError)
    assert "share standard output" in str(done.exception)
    assert done.stdout == ""


def test_merge_prints_its_sums(chain: Chain, tmp_path: Path) -> None:
    other = make_chain(tmp_path, 1000, seed=9, first_event=50_000)
    found = result_of("merge", chain.kept, other.kept, "-o", tmp_path / "merged.parquet", "--json")
    assert found["n_generated"] == 3000
    assert found["sum_weight"] == pytest.approx(read_table(found["output"], columns=["weight"])["weight"].sum())


def test_info_prints_events_and_tables(chain: Chain) -> None:
    assert result_of("info", chain.events, "--json")["n_events"] == 2000
    found = result_of("info", chain.flags, "--json")
    assert found["n_rows"] == 2000
    assert found["metadata"]["kind"] == "flags"


def test_validate_prints_its_figures_and_writes_the_same(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "closure.json"
    words = ("validate", chain.kept, chain.flags, "--skim", "first", "--resamples", 200, "--no-pairs")
    found = result_of(*words, "--output", path, "--json")
    assert found["verdict"] == "compatible"
    assert json.loads(path.read_text()) == found


def test_flag_dataset_score_and_evaluate_print_what_they_made(chain: Chain, tmp_path: Path) -> None:
    flagged = result_of("flag", chain.flags, "--skim", "first", "-o", tmp_path / "flags.parquet", "--json")
    passing = read_table(tmp_path / "flags.parquet", columns=["passes_first"])["passes_first"]
    assert flagged["n_passing"] == passing.sum()
    made = result_of("dataset", chain.events, "--flags", chain.flags, "-o", tmp_path / "set.parquet", "--json")
    assert "first" in made["skims"]
    scored = result_of("score", chain.events, "--model", chain.model, "-o", tmp_path / "scores.parquet", "--json")
    assert scored["n_events"] == 2000
    words = ("evaluate", chain.model, chain.dataset, "--skim", "first", "-o", tmp_path / "report.html")
    result = result_of(*words, "--json")
    assert set(JSON_KEYS["evaluate"]) <= set(result)
    assert 0 < result["auc"] < 1
    assert result["n_effective"] > 0


def test_generate_prints_what_it_made(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc", reason="PYTHIA is not installed")
    words = ("generate", "--process", "taupair", "--events", 3, "--seed", 1, "-o", tmp_path / "e.parquet")
    found = result_of(*words, "--json")
    assert found["n_events"] == 3
    assert found["n_particles"] > 3
