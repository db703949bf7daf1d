"""One rule of names for every output: a suffix that does not fit is refused in one line, before anything is done."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_tree import verbs

from smartbkg.cli import command_line, main
from smartbkg.cli.outputs import JSON_OR_STANDARD, EventsFile, OutputFile
from smartbkg.errors import UsageError

OUTPUTS = [
    (verb, command, parameter)
    for verb, command in verbs()
    for parameter in command.params
    if isinstance(parameter.type, OutputFile) and (parameter.type.valid or isinstance(parameter.type, EventsFile))
]


def arguments(command: click.Command, output: click.Parameter, value: str) -> list[str]:
    """What makes a verb look at this output: everything that it demands has some value."""
    given = []
    for parameter in command.params:
        if parameter is output and isinstance(parameter, click.Option):
            given += [parameter.opts[0], value]
        elif parameter is output:
            given.append(value)
        elif isinstance(parameter, click.Argument):
            given.append("input.parquet" if parameter.required else "")
        elif parameter.required:
            given += [parameter.opts[0], "1" if parameter.type.name.startswith("integer") else "x.parquet"]
    return [word for word in given if word]


@pytest.mark.parametrize(
    ("verb", "command", "output"), OUTPUTS, ids=[f"{verb} {output.opts[0]}" for verb, _, output in OUTPUTS]
)
def test_a_name_that_does_not_fit_is_refused_and_nothing_is_written(
    verb: str, command: click.Command, output: click.Parameter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = "out.docx"
    words = [*verb.split(), *arguments(command, output, wrong)]
    result = CliRunner().invoke(command_line, words)
    assert isinstance(result.exception, UsageError), (result.output, result.exception)
    message = str(result.exception)
    assert wrong in message
    assert len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train data.parquet -o m.pth", "a model is written, expected a name that ends in .safetensors"),
        ("ntuple flags.parquet kept.parquet -o w.parquet", "a ROOT n-tuple is written, expected a name that ends in"),
        ("flag skim.root -o flags.root", "a Parquet table is written, expected a name that ends in .parquet or .pq"),
        ("simulate e.parquet -o page.html", "a Parquet table is written"),
        ("simulate --compare full.root -o t.parquet", "an HTML page is written"),
        ("reweight f.parquet s.parquet --threshold 0.5 -o r.parquet", "a model is written"),
    ],
)
def test_the_line_names_the_right_suffix(
    words: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert expected in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_follows_json_is_not_taken_for_its_output(tmp_path: Path) -> None:
    kept = tmp_path / "kept.parquet"
    kept.write_bytes(b"precious")
    result = CliRunner().invoke(command_line, ["validate", "--json", str(kept), "flags.parquet"])
    assert isinstance(result.exception, UsageError)
    assert kept.read_bytes() == b"precious"


def test_standard_output_and_devices_may_have_any_name() -> None:
    assert JSON_OR_STANDARD.convert("-", None, None) == Path("-")
    assert JSON_OR_STANDARD.convert("/dev/null", None, None) == Path("/dev/null")
