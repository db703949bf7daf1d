"""What a user gets wrong is one line on standard error, whatever the verb: exit code 2 for usage, 1 for files."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from command_tree import verbs

from smartbkg.cli import main
from smartbkg.cli.examples import EXAMPLES

VERBS = tuple(verb for verb, _ in verbs())

#: Words behind which a file to write stands; `filter` writes its scores, `export` its configuration.
OUTPUT_OPTIONS = {"-o", "--soft-labels", "--onnx", "--page"}
ALSO_WRITTEN = {"filter": "--scores", "export": "--config"}
#: Verbs whose last word is a file to write.
LAST_IS_WRITTEN = ("convert", "model convert")
SUFFIXES = (".parquet", ".safetensors", ".csv", ".yaml", ".pth", ".gz")


def inputs_of(verb: str, words: list[str]) -> list[int]:
    """Where the files stand that an example reads."""
    options = OUTPUT_OPTIONS | ({ALSO_WRITTEN[verb]} if verb in ALSO_WRITTEN else set())
    found = [
        place
        for place, word in enumerate(words)
        if word.strip("'").endswith(SUFFIXES) and words[place - 1] not in options
    ]
    return found[:-1] if verb in LAST_IS_WRITTEN else found


def reading_examples() -> list[tuple[str, tuple[str, ...], list[int]]]:
    """The first example of each verb that reads files, and where these stand in it."""
    found = []
    for verb, lines in EXAMPLES.items():
        if verb == "config init" or any(mark in lines[0] for mark in ("|", ">", "$(")):
            continue
        words = shlex.split(lines[0])[1:]
        places = inputs_of(verb, words)
        if places:
            found.append((verb, tuple(words), places))
    return found


READING = reading_examples()

#: What is right all the same: a configuration of defaults, and any content as a payload.
RIGHT = {
    ("config validate", "empty"),
    ("config dump", "empty"),
    ("conditions put", "empty"),
    ("conditions put", "text"),
}


def outcome(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Exit code, standard output and standard error of a call."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


def is_one_line(text: str) -> bool:
    return text.startswith("error: ") and len(text.splitlines()) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_one_line_that_names_the_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome([*verb.split(), "--no-such-option"], capsys)
    assert (code, out) == (2, "")
    assert is_one_line(err), err
    assert f"(smartbkg {verb} --help)" in err
    assert "--no-such-option" in err


def test_an_option_that_is_nearly_right_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = outcome(["filter", "--polici", "score"], capsys)
    assert "--policy" in err


def test_a_value_of_the_wrong_kind_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outcome(["filter", "e.parquet", "-o", "k.parquet", "--seed", "seven"], capsys)
    assert code == 2
    assert is_one_line(err)
    assert "'--seed': 'seven' is not a valid integer (smartbkg filter --help)" in err


def test_a_missing_choice_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = outcome(["campaign", "submit", "folder"], capsys)
    assert code == 2
    assert is_one_line(err), err


def test_a_group_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = outcome(["conditions"], capsys)
    assert "copy-tag" in out + err


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text"])
@pytest.mark.parametrize(("verb", "words", "places"), READING, ids=[verb for verb, *_ in READING])
def test_a_file_that_is_no_such_file_is_one_line_and_nothing_is_written(
    verb: str,
    words: tuple[str, ...],
    places: list[int],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if (verb, kind) in RIGHT:
        return
    monkeypatch.chdir(tmp_path)
    for place in places:
        path = tmp_path / words[place]
        if kind == "folder":
            path.mkdir()
        elif kind == "empty":
            path.touch()
        elif kind == "text":
            path.write_text("This is a text, and nothing that any of the verbs reads.\n")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = outcome(list(words), capsys)
    assert code in (1, 2)
    assert out == ""
    assert is_one_line(err), err
    assert any(words[place] in err for place in places), err
    assert sorted(tmp_path.rglob("*")) == before
