"""What comes from a file cannot act on the terminal that shows it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from smartbkg.cli import command_line, main
from smartbkg.conditions import ConditionsStore
from smartbkg.storage.printing import duration, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("B⁰ → J/ψ K⁰\n\ttabs", "B⁰ → J/ψ K⁰\n\ttabs"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\rb\x9bc", "a\\rb\\x9bc"),
        ("\u202eabc", "\\u202eabc"),  # right to left: shows another name than there is
    ],
)
def test_what_a_terminal_acts_on_is_shown_instead(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_names_in_errors_and_descriptions_of_tags_are_shown_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["info", str(tmp_path / "a\x1b[31mb")])
    assert "\\x1b[31m" in capsys.readouterr().err
    ConditionsStore(tmp_path / "store").create_tag("Main", "of \x1b[31mred")
    result = CliRunner().invoke(command_line, ["conditions", "tags", "--at", str(tmp_path / "store")], color=True)
    assert "of \\x1b[31mred" in result.output


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (60, "1 min 0 s"), (200, "3 min 20 s"), (3599.4, "59 min 59 s"),
     (3600, "1 h 0 min"), (7530, "2 h 5 min"), (273_600, "3 d 4 h")],
)  # fmt: skip
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
