"""Names in files act neither on terminals nor on pictures and pages: every verb that prints or draws them is run."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import filtered_sample
import numpy as np
import pytest
from synthetic import random_events

import smartbkg.cli
from smartbkg.cli import main
from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.io import create_events
from smartbkg.io.tables import write_table
from smartbkg.storage.printing import for_picture, without_markup
from smartbkg.storage.provenance import record

#: Clears a terminal, colours, is markup of rich, a formula that matplotlib cannot parse, and a script.
EVIL = "_a\x1b[2J\x9b\u202e[bold red]b[/nothing]$\\frac$<script>c"
#: What of it must be seen.
SHOWN = "[bold red]b[/nothing]"

VERBS = {
    "info of events": "info {named}",
    "info of a table": "info {flags}",
    "info of what was kept": "info {kept}",
    "show": "show {named}",
    "model info": "model info {model}",
    "plan": "plan {model} {dataset} --resamples 2 --output {out}/p.safetensors --picture {out}/p.svg",
    "evaluate": "evaluate {model} {dataset} --skim {evil} --output {out}/e.html",
    "score": "score {events} --model {model} --output {out}/s.parquet",
    "filter": "filter {named} --model {model} --skim {evil} --policy score --seed 1 --output {out}/k.parquet",
    "flag": "flag {flags} --skim {evil} --output {out}/f.parquet",
    "dataset": "dataset {events} --flags {flags} --skim {evil} --output {out}/d.parquet",
    "validate": "validate {kept} {flags} --skim {evil} --resamples 100 --no-pairs --significance 0.05",
    "validate, unknown skim": "validate {kept} {flags} --skim {evil}x",
    "reweight": "reweight {flags} {scores} --threshold 0.02 --skim {evil}",
    "merge": "merge {kept} {kept} --output {out}/m.parquet",
    "ntuple": "ntuple {flags} {kept} --drop-unknown --output {out}/n.root",
    "convert": "convert {named} {out}/c.hepmc3",
    "show as a picture": "show {named} --output {out}/t.svg",
    "doctor": "doctor",
    "a file that is missing": "info {out}/{evil}",
}


FAILING = ("validate, unknown skim", "merge", "a file that is missing")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("names") / EVIL.replace("/", ":")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filtered_sample, "SKIMS", (EVIL, "second"))
        chain = filtered_sample.make_chain(folder, 3000, skims=(EVIL,))
    known = {name: str(path) for name, path in chain._asdict().items()}
    build_dataset([chain.events], [chain.flags], chain.dataset, DatasetOptions(skims=(EVIL, "second")))
    named = random_events(20, seed=1).with_event_columns(process=np.full(20, EVIL), weight_evil=np.ones(20))
    with create_events(folder / "named.parquet", record("events", 1, {EVIL: EVIL})) as writer:
        writer.write(named)
    return known | {"named": str(folder / "named.parquet"), "evil": EVIL}


def acts(text: str) -> list[str]:
    """Characters of a text that a terminal may obey."""
    return [letter for letter in text if letter not in "\n\t" and unicodedata.category(letter) in ("Cc", "Cf")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("verb", VERBS)
def test_names_are_shown_and_never_obeyed(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([word.format(**files, out=tmp_path) for word in VERBS[verb].split(" ")])
    assert bool(stop.value.code) == (verb in FAILING)
    said = "".join(capsys.readouterr())
    assert said
    assert acts(said) == []
    if verb in ("info of events", "model info", "plan", "validate, unknown skim", "a file that is missing"):
        assert SHOWN in re.sub(r"\s", " ", said).replace("\n", "")
    for picture in tmp_path.glob("*.svg"):
        text = picture.read_text()
        ElementTree.fromstring(text)
        assert [letter for letter in acts(text) if letter != "\r"] == []
    for page in tmp_path.glob("*.html"):
        assert "<script>c" not in page.read_text()


def test_a_table_that_cannot_say_its_names_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {
        "experiment": np.zeros(2, int),
        "run": np.ones(2, int),
        "evtNum": np.arange(2),
        f"score_{EVIL}": np.ones(2),
    }
    write_table(tmp_path / "s.parquet", columns, record("scores", 1, {}))
    with pytest.raises(SystemExit):
        main(["info", str(tmp_path / "s.parquet")])
    said = capsys.readouterr().out
    assert acts(said) == []
    assert SHOWN in said


def test_markup_and_formulas_are_text() -> None:
    from matplotlib.figure import Figure
    from rich.console import Console

    console = Console(width=200, file=None)
    with console.capture() as captured:
        console.print(without_markup("a\\[red]b"), highlight=False)
    assert captured.get() == "a\\[red]b\n"
    figure = Figure()
    axes = figure.add_subplot()
    axes.set_title(for_picture(EVIL))
    axes.plot([1], label=for_picture(EVIL))
    axes.legend()
    figure.canvas.draw()
    assert len(axes.get_legend().get_texts()) == 1


def test_every_word_of_the_command_line_goes_through_one_place() -> None:
    """But paths alone on a line, which other programs take as they are."""
    folder = Path(smartbkg.cli.__file__).parent
    found = {
        f"{path.stem}: {line.strip()}"
        for path in folder.glob("*.py")
        for line in path.read_text().splitlines()
        if "click.echo(" in line and path.stem != "console"
    }
    assert found == {"basf2: click.echo(str(shim_folder()))", "evaluate: click.echo(str(output.absolute()))"}
