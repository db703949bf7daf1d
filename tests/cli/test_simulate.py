"""`smartbkg simulate`: flags from events, and one-line errors."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.cli import main
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2
from smartbkg.io import create_events
from smartbkg.io.tables import read_table
from smartbkg.storage.provenance import record


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
    assert "50 events" in capsys.readouterr().err


def test_what_hepmc_does_not_say_is_given(tmp_path: Path) -> None:
    source, output = tmp_path / "e.hepmc3", tmp_path / "flags.parquet"
    with create_events(source, record("events", 1, {})) as writer:
        writer.write(random_events(5).with_event_columns(experiment=np.zeros(5, dtype=np.int32)))
    assert run(str(source), "-o", str(output), "--skim", "BtoXll", "--experiment", "7", "--run", "9") == 0
    table = read_table(output, "flags")
    assert set(table["experiment"].tolist()) == {7}
    assert set(table["run"].tolist()) == {9}


def test_options_of_reading_mean_nothing_to_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--compare", "full.root", "-o", str(tmp_path / "page.html"), "--run", "3") == 2
    assert "--run has no meaning with --compare" in capsys.readouterr().err


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
        (
            ["--detector", "alternative", "--simulation", "x {input} {output}"],
            "--detector has no meaning with --simulation",
            2,
        ),
        (["--detector", "alternative", "--compare", "mdst.root"], "--detector has no meaning with --compare", 2),
        (["--timeout", "3", "--skip-failures"], "--timeout, --skip-failures has no meaning without --simulation", 2),
        (["--seed", "2", "--simulation", "x {input} {output}"], "has no {seed}", 2),
        (["--timeout", "-1", "--simulation", "x {input} {output}"], "--timeout", 2),
    ],
    ids=[
        "skim",
        "module",
        "jobs",
        "detector",
        "detector-simulation",
        "detector-compare",
        "timeout",
        "seed-simulation",
        "negative-timeout",
    ],
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
    assert "50 events, 20 pass" in capsys.readouterr().err


def test_events_or_a_comparison_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output", str(tmp_path / "flags.parquet")) == 2
    assert "give a file of events" in capsys.readouterr().err


def test_a_program_of_ones_own_reads_hepmc(events: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "assert sys.argv[1].endswith('.hepmc3') and 'HepMC::Asciiv3' in open(sys.argv[1]).read()\n"
        "open(sys.argv[2], 'w').write('experiment,run,evtNum\\n7,2,4\\n')\n"
    )
    output = tmp_path / "flags.parquet"
    command = f"{sys.executable} {program} {{input}} {{output}}.csv"
    assert run(str(events), "--output", str(output), "--simulation", command, "--simulation-input", "hepmc3") == 0
    table = read_table(output, "flags")
    assert table["evtNum"][table["passes_external"]].tolist() == [4]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("import sys; sys.exit('no database')", "ended with code 1, for 50 events"),
        ("import time; time.sleep(60)", "no result after 2 s, for 50 events"),
        ("pass", "wrote 0 files, expected one, for 50 events"),
    ],
    ids=["fails", "hangs", "silent"],
)
def test_a_program_that_goes_wrong_is_one_line_with_its_events(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, message: str
) -> None:
    (tmp_path / "program.py").write_text(mode)
    output = tmp_path / "flags.parquet"
    command = f"{sys.executable} {tmp_path / 'program.py'} {{input}} {{output}}"
    assert run(str(events), "--output", str(output), "--simulation", command, "--timeout", "2") == 1
    error = capsys.readouterr().err
    assert message in error
    assert "(7, 1, 0), (7, 2, 1)" in error
    assert not output.exists()


def test_a_skim_in_the_working_directory_is_found_by_the_command(events: Path, tmp_path: Path) -> None:
    # in a process of its own: the installed command does not have the working directory on its path
    (tmp_path / "my_skims_here.py").write_text(
        "def highMultiplicity(events):\n"
        "    'At least ten tracks, and no tag of a B0.'\n"
        "    return (events.variables['nTracks'] >= 10) & (events.candidates.of_kind('B0').most_probable() < 0)\n"
    )
    code = "import sys; sys.path = [entry for entry in sys.path if entry]; from smartbkg.cli import main; main()"
    arguments = ["simulate", str(events), "--output", "flags.parquet", "--skim", "my_skims_here:highMultiplicity"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "passes_highMultiplicity" in read_table(tmp_path / "flags.parquet", "flags").columns


@pytest.mark.slow
def test_comparison_with_full_simulation_is_one_page(reference_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.html"
    assert run("--compare", str(reference_data / "belle2" / "mdst.root"), "--output", str(page)) == 0
    text = page.read_text()
    for title in ("Events", "Resolutions", "Efficiencies and identification", "What does not agree, and why"):
        assert f"<h2>{title}</h2>" in text
    # the histograms of EvtGen lie beside the mDST file
    assert ("<h2>The generator against EvtGen</h2>" in text) == (importlib.util.find_spec("pythia8mc") is not None)


def test_a_detector_from_a_file_simulates_and_is_recorded(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text('{"base": "belle2", "name": "mine", "background": {"clusters": 10}}')
    output = tmp_path / "flags.parquet"
    assert run(str(events), "--output", str(output), "--skim", "BtoXll", "--detector", str(mine)) == 0
    recorded = read_table(output, "flags").metadata["settings"]["detector"]
    assert recorded["name"] == "mine"
    assert recorded["digest"] == BELLE2.replace("mine", background={"clusters": 10.0}).digest
    mine.write_text('{"base": "belle2", "name": "mine", "backgrund": {}}')
    assert run(str(events), "--output", str(output), "--detector", str(mine)) == 2
    assert "did you mean 'background'" in capsys.readouterr().err


def test_several_files_and_patterns_are_simulated_as_one_with_their_totals(tmp_path: Path) -> None:
    for number, name in enumerate(("a.parquet", "b.hepmc3")):
        with create_events(tmp_path / name, record("events", 1, {})) as writer:
            writer.write(random_events(20, seed=number, first_event=100 * number))
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    assert run(str(tmp_path / "a.parquet"), str(tmp_path / "*.hepmc3"), "--output", str(one), "--skim", "BtoXll") == 0
    assert run(str(tmp_path / "a.parquet"), "--output", str(other), "--skim", "BtoXll") == 0
    found, first = read_table(one, "flags"), read_table(other, "flags")
    assert found["evtNum"].tolist() == [*range(20), *range(100, 120)]
    for name, values in first.columns.items():
        np.testing.assert_array_equal(found[name][:20], values, err_msg=name)
    totals = found.metadata["totals"]
    assert (totals["n_events"], totals["sum_weight"], totals["sum_weight_squared"]) == (40, 40.0, 40.0)
    program = f'{sys.executable} -c "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])" {{input}} {{output}}'
    assert run(str(tmp_path / "[ab].*"), "--output", str(one), "--simulation", program) == 0
    assert read_table(one, "flags").metadata["totals"]["n_events"] == 40
