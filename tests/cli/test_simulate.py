"""`smartbkg simulate`: flags from events, and one-line errors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.cli import main
from smartbkg.experiment.parameters import ALTERNATIVE, BELLE2
from smartbkg.io import create_events
from smartbkg.io.tables import read_table
from smartbkg.provenance import record


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", *arguments])
    return int(stop.value.code or 0)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.parquet"
    with create_events(path, record("events", 1, {})) as writer:
        writer.write(random_events(50))
    return path


def test_flags_carry_ids_skims_and_provenance(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "flags.parquet"
    assert run(str(events), "--output", str(output), "--seed", "5", "--skim", "BtoXll", "--skim", "TauGeneric") == 0
    table = read_table(output, "flags")
    assert table["evtNum"].tolist() == list(range(50))
    assert [name for name in table.columns if name.startswith("passes_")] == ["passes_BtoXll", "passes_TauGeneric"]
    assert table["passes_BtoXll"].dtype == np.bool_
    detector = {"name": "belle2", "version": BELLE2.version, "digest": BELLE2.digest}
    assert table.metadata["settings"] == {"seed": 5, "skims": ["BtoXll", "TauGeneric"], "detector": detector}
    assert len(table.metadata["inputs"][0]["sha256"]) == 64
    assert "50 events" in capsys.readouterr().out


def test_another_detector_is_chosen_by_its_name_and_recorded(events: Path, tmp_path: Path) -> None:
    tables = {}
    for name, arguments in {"default": [], "belle2": ["belle2"], "alternative": ["alternative"]}.items():
        output = tmp_path / f"{name}.parquet"
        chosen = ["--detector", *arguments] if arguments else []
        assert run(str(events), "--output", str(output), "--skim", "BtoXll", *chosen) == 0
        tables[name] = read_table(output, "flags")
    for name, values in tables["default"].columns.items():
        np.testing.assert_array_equal(values, tables["belle2"][name], err_msg=name)
    assert not np.array_equal(tables["default"]["nClusters"], tables["alternative"]["nClusters"])
    recorded = tables["alternative"].metadata["settings"]["detector"]
    assert recorded == {"name": "alternative", "version": ALTERNATIVE.version, "digest": ALTERNATIVE.digest}
    assert recorded["digest"] != tables["default"].metadata["settings"]["detector"]["digest"]


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--skim", "feiHadronicB"], "did you mean 'feiHadronicB0'", 2),
        (["--skim", "nowhere:f"], "cannot import nowhere", 2),
        (["--jobs", "0"], "--jobs", 2),
        (["--detector", "alternativ"], "unknown detector 'alternativ': did you mean 'alternative'", 2),
        (["--detector", "alternative", "--simulation", "x {input} {output}"], "does not go with --simulation", 2),
        (["--detector", "alternative", "--compare", "mdst.root"], "does not go with --compare", 2),
    ],
    ids=["skim", "module", "jobs", "detector", "detector-simulation", "detector-compare"],
)
def test_mistakes_are_one_line(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, code: int
) -> None:
    output = tmp_path / "flags.parquet"
    assert run(str(events), "--output", str(output), *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not output.exists()


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "none.parquet"), "--output", str(tmp_path / "flags.parquet")) == 1
    assert "none.parquet: no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_program_of_ones_own_takes_the_place_of_the_experiment(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, pyarrow.parquet as pq\n"
        "events = pq.read_table(sys.argv[1], columns=['experiment', 'run', 'evtNum'])\n"
        "pq.write_table(events.slice(0, 20), sys.argv[2])\n"
    )
    command = f"{sys.executable} {program} {{input}} {{output}}.parquet"
    output = tmp_path / "flags.parquet"
    assert run(str(events), "--output", str(output), "--simulation", command, "--skim", "mine") == 0
    assert read_table(output, "flags")["passes_mine"].tolist() == [True] * 20 + [False] * 30
    assert "50 events, 20 pass" in capsys.readouterr().out


def test_events_or_a_comparison_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output", str(tmp_path / "flags.parquet")) == 2
    assert "give a file of events" in capsys.readouterr().err


@pytest.mark.slow
def test_comparison_with_full_simulation_is_one_page(reference_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.html"
    assert run("--compare", str(reference_data / "belle2" / "mdst.root"), "--output", str(page)) == 0
    assert "<img" in page.read_text()
