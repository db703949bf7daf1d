"""``-q`` leaves result, warnings and errors; ``-v`` adds settings and times; standard output is the result's alone."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain

from smartbkg.cli import command_line, main
from smartbkg.cli.speech import say, warn, words


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("speech"), 1000)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command_line, [str(word) for word in arguments], catch_exceptions=False)


def filtering(chain: Chain, output: Path, *options: str) -> Result:
    return run("filter", chain.events, "--model", chain.model, "--policy", "score", "-o", output, *options)


def test_what_was_done_goes_to_standard_error(chain: Chain, tmp_path: Path) -> None:
    done = filtering(chain, tmp_path / "kept.parquet")
    assert done.stdout == ""
    assert "events kept" in done.stderr


def test_quiet_says_nothing_but_the_result(chain: Chain, tmp_path: Path) -> None:
    done = filtering(chain, tmp_path / "kept.parquet", "-q")
    assert (done.stdout, done.stderr) == ("", "")
    done = filtering(chain, tmp_path / "kept.parquet", "--quiet", "--json")
    assert json.loads(done.stdout)["n_events"] == 1000
    assert done.stderr == ""
    assert "n_eff" in run("validate", chain.kept, chain.flags, "--skim", "first", "--no-pairs", "-q").stdout


def test_quiet_keeps_warnings(chain: Chain, tmp_path: Path) -> None:
    words = ("filter", chain.events, "--model", chain.model, "--policy", "threshold=0.1", "-q")
    done = run(*words, "-o", tmp_path / "kept.parquet")
    assert done.stderr.startswith("warning: 'threshold 0.1' loses")
    assert len(done.stderr.splitlines()) == 1


def test_verbose_says_settings_and_what_it_took(chain: Chain, tmp_path: Path) -> None:
    said = filtering(chain, tmp_path / "kept.parquet", "-v").stderr
    assert "  --seed 0 (default)" in said
    assert f"  --model {chain.model}\n" in said
    assert " s of CPU, at most " in said


def test_quiet_and_verbose_exclude_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "-q", "-v"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: -q and -v exclude one another\n"


def test_words_aside_are_no_part_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with words(aside=True):
        click.echo("aside")
    with words(aside=False):
        click.echo("result")
    say("done")
    warn("beware")
    said = capsys.readouterr()
    assert said.out == "result\n"
    assert said.err == "aside\ndone\nwarning: beware\n"
