"""English that a physicist reads once: words and turns that this project does not use, in code, tests and pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "tests", "docs", "benchmarks", "examples", "models", "scripts")
SUFFIXES = {".py", ".md", ".html", ".yaml", ".yml", ".toml", ".sh"}
_COUNTED = "particles|tracks|clusters|candidates|objects|photons|replicas|requests|parents|operations|multiplications"
_UNIT = "event|particle|second|skim|core|worker|job|chunk|epoch|step|layer|head|row|column|line|file|process|model|code"
_PIECE = "line|entry|record|chunk|row|name|number|value|column|file|table|panel|seed|label|test|model|key|weight"

#: Words in which a physicist stumbles, and what this project says.
INSTEAD = {
    r"\bjudg(?:e|es|ed|ing|ement)\b": "evaluate, test, compare",
    r"\bhears?\b|\bheard\b": "read, attend to",
    r"\brubbish\b": "uninitialised, scratch values",
    r"\bwish(?:es)?\b": "request",
    r"\bthe way back\b": "backward, roll back, read again",
    r"\b[A-Z][a-z]+Figures\b": "...Metrics: figures are drawn",
    rf"\b(?:seconds|ms|µs|us|bytes|kB|MB|{_COUNTED}) an? (?:{_UNIT})\b(?! of)": "per event, per worker",
    r"\b[Ee]vents a (?:second|step|chunk|batch)\b": "events per second",
    rf"\b[Oo]ne (?:(?:{_PIECE}) )?an? (?:{_UNIT}|failure|candidate|variable)\b": "one per event, one line per failure",
}


def texts() -> list[Path]:
    """Every text of the project that a person reads, without this file."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    found += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return sorted(path for path in found if path.is_file() and path != Path(__file__).resolve())


def findings(pattern: str) -> list[str]:
    """``file:line: text`` of each place where it stands."""
    compiled = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if compiled.search(line)
    ]


@pytest.mark.parametrize("pattern", INSTEAD)
def test_no_text_uses_a_word_that_is_read_twice(pattern: str) -> None:
    assert findings(pattern) == [], f"say: {INSTEAD[pattern]}"


def test_every_pattern_finds_what_it_is_for() -> None:
    examples = (
        "events that judge", "what a token hears", "rows of rubbish", "the wish for a policy", "on the way back",
        "class EpochFigures(NamedTuple)", "3 ms an event", "5 events a second", "names, one a column",
    )  # fmt: skip
    assert all(re.search(pattern, text) for pattern, text in zip(INSTEAD, examples, strict=True))
    assert len(texts()) > 500, "the texts are looked for in the right place"
