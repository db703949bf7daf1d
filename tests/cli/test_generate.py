"""`smartbkg generate`: a file that reads back, the same for any number of processes, and one-line errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smartbkg.cli import main
from smartbkg.io.parquet import ParquetReader

pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")


def generate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["generate", *arguments])
    return int(stop.value.code or 0)


def test_events_read_back_with_their_numbers_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    options = ["--process", "charged", "--events", "7", "--seed", "3", "--experiment", "2", "--run", "9"]
    assert generate(*options, "--first-event", "4", "--output", str(path)) == 0
    with ParquetReader(path) as reader:
        (batch,) = reader.batches()
        settings = reader.metadata["settings"]
    assert [batch.event_id(index) for index in range(7)] == [(2, 9, number) for number in range(4, 11)]
    assert set(batch.event["process"]) == {"charged"}
    assert settings["seed"] == 3


def test_default_event_ids_are_said_and_chosen_ones_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--process", "mixed", "--events", "1", "--seed", "1", "--output", str(tmp_path / "e.parquet")]
    assert generate(*options) == 0
    sentence = "event ids are the defaults (experiment 0, run 1, events from 1): another job needs a --run"
    assert sentence in capsys.readouterr().err
    assert generate(*options, "--run", "1") == 0
    assert "defaults" not in capsys.readouterr().err


def test_two_processes_write_the_same_file_as_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n_jobs}.parquet" for n_jobs in (1, 2)]
    for n_jobs, path in enumerate(paths, start=1):
        options = ["--process", "mixed", "--events", "1100", "--seed", "1", "--jobs", str(n_jobs)]
        assert generate(*options, "--output", str(path)) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--process", "mixd"], "unknown process 'mixd': did you mean 'mixed'?"),
        (["--events", "0"], "n_events is 0, expected at least 1"),
        (["--run", "99999999999"], "run is 99999999999, expected at most 2147483647"),
        (["--first-event", str(2**63 - 1), "--events", "2"], "last event is 9223372036854775808, expected at most"),
        (["--jobs", "0"], "n_jobs is 0, expected at least 1"),
        (["--output", "e.hepmc3"], "e.hepmc3: Parquet, of which `smartbkg convert` makes HepMC3, is written"),
    ],
    ids=["process", "events", "run", "last-event", "jobs", "suffix"],
)
def test_wrong_usage_is_one_line_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], message: str
) -> None:
    path = tmp_path / "events.parquet"
    options = ["--process", "mixed", "--events", "1", "--seed", "1"]
    assert generate(*options, "--output", str(path), *wrong) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not list(tmp_path.iterdir())


def test_missing_pythia_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    options = ["--process", "mixed", "--events", "1", "--seed", "1", "--output", str(tmp_path / "events.parquet")]
    assert generate(*options) == 1
    assert "pip install 'smartbkg[generate]'" in capsys.readouterr().err
