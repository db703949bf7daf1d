"""One vocabulary: the same option for the same thing in every verb, and no option for two things."""

import re
from collections import defaultdict

import click
import pytest
from command_tree import options, verbs

from smartbkg.cli import main
from smartbkg.cli.outputs import OutputFile

VERBS = dict(verbs())

# what a word in an option's help means → the name that this thing has everywhere
WORDS = {
    r"\bCPU seconds to generate": "--t-gen",
    r"\bCPU seconds to score": "--t-filter",
    r"\bCPU seconds to simulate": "--t-sim",
    r"\bCPU threads": "--threads",
    r"^Resamples ": "--resamples",
    r"^(Threads|Processes|Cores)\b": "--jobs",
    r"result as JSON|same as JSON|^Everything, as JSON|^For programs": "--json",
    r"[Ss]kim to (label|learn|look at|evaluate)|[Ff]or this skim": "--skim",
    r"^Model file": "--model",
    r"Events in memory at a time|events of a call": "--batch-size",
    r"^Fixes |Of the draw\b(?!\.$)|random numbers|^Seed of": "--seed",
}

# name → the kinds of value that it may take
KINDS = {
    "--seed": {"integer"},
    "--jobs": {"integer", "integer range"},
    "--threads": {"integer", "integer range"},
    "--batch-size": {"integer range"},
    "--replicas": {"integer", "integer range"},
    "--resamples": {"integer range"},
    "--quiet": {"boolean"},
    "--verbose": {"boolean"},
    "--skim": {"text"},
    "--model": {"path"},
    "--t-gen": {"float"},
    "--t-filter": {"float"},
    "--t-sim": {"float"},
    "--max-weight": {"float"},
    "--policy": {"text"},
    "--experiment": {"integer"},
    "--run": {"integer"},
    "--variable": {"text"},
    "--allow-duplicates": {"boolean"},
    "--skip-corrupt": {"boolean"},
}

SHORT = {"-o": "--output", "-c": "--config", "-h": "--help", "-q": "--quiet", "-v": "--verbose"}


def of_all_verbs() -> list[tuple[str, click.Option]]:
    return [(verb, option) for verb, command in VERBS.items() for option in options(command)]


def test_the_walk_sees_all_verbs() -> None:
    assert len(VERBS) > 40
    assert {"train", "campaign run", "conditions get", "basf2 check"} <= VERBS.keys()


def test_output_is_o_everywhere_and_o_is_output() -> None:
    wrong = [verb for verb, option in of_all_verbs() if ("-o" in option.opts) != ("--output" in option.opts)]
    assert wrong == []


def test_a_short_name_means_one_thing() -> None:
    for verb, option in of_all_verbs():
        for name in option.opts:
            if not name.startswith("--"):
                assert SHORT[name] in option.opts, f"{verb} {name}"


@pytest.mark.parametrize("word", WORDS)
def test_one_thing_has_one_name(word: str) -> None:
    found = [(verb, option) for verb, option in of_all_verbs() if re.search(word, option.help or "")]
    assert found, "no option speaks of this"
    assert [(verb, option.opts) for verb, option in found if WORDS[word] not in option.opts] == []


@pytest.mark.parametrize("name", KINDS)
def test_one_name_takes_one_kind_of_value(name: str) -> None:
    kinds = {verb: option.type.name for verb, option in of_all_verbs() if name in option.opts}
    assert kinds, "no verb has it"
    assert {verb: kind for verb, kind in kinds.items() if kind not in KINDS[name]} == {}


def test_json_alone_means_standard_output() -> None:
    for verb, option in of_all_verbs():
        if "--json" in option.opts:
            assert option.is_flag or option.flag_value == "-", verb


def test_every_output_says_what_is_in_it() -> None:
    wrong = [v for v, o in of_all_verbs() if "--output" in o.opts and not isinstance(o.type, OutputFile)]
    assert wrong == []


def test_defaults_of_one_name_differ_only_where_it_is_said() -> None:
    by_name: dict[str, set[object]] = defaultdict(set)
    for _verb, option in of_all_verbs():
        for name in ("--max-weight", "--t-gen", "--t-filter", "--t-sim"):
            if name in option.opts and option.default is not None and not str(option.default).startswith("Sentinel"):
                by_name[name].add(option.default)
    assert {name: found for name, found in by_name.items() if len(found) > 1} == {}


def test_every_verb_has_quiet_and_verbose() -> None:
    for verb, command in VERBS.items():
        names = {name for option in options(command) for name in option.opts}
        assert {"-q", "--quiet", "-v", "--verbose"} <= names, verb


@pytest.mark.parametrize("verb", ["plan", "validate"])
def test_the_old_name_of_resamples_names_the_new_one(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "a.parquet", "b.parquet", "--replicas", "30"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "error: --replicas is the number of simulations of an event; here it is --resamples 30\n"
    )
