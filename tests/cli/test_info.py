"""What a file holds, in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from io_events import write_mdst
from synthetic import random_events

from smartbkg.cli.info import command
from smartbkg.cli.show import command as show
from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch
from smartbkg.io import create_events
from smartbkg.io.tables import write_table
from smartbkg.storage.provenance import record


def info(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_events_are_counted_and_the_first_is_drawn(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, 3), (1, 2, 4), (1, 2, 4)])
    text = info(tmp_path / "m.root", "--process", "charged")
    for expected in (
        "events 3", "particles per event 3.0 (from 3 to 3)", "run 2", "evtNum 3 to 4", "processes charged 3",
        "sum of weights 1.5", "unknown PDG codes none", "1 events come twice", "Upsilon(4S) 11.000 GeV", "B+",
    ):  # fmt: skip
        assert expected in text, expected


def test_reading_stops_where_asked(tmp_path: Path) -> None:
    write_mdst(tmp_path / "m.root", [(1, 2, n) for n in range(9)])
    assert "events 4 read, there are more" in info(tmp_path / "m.root", "--max-events", 4)


def test_real_files(reference_data: Path) -> None:
    text = info(reference_data / "edm4hep" / "fcc_winter2023.root", "--max-events", 20)
    assert "-10211 (a(0)(1450)-) 1" in text
    assert "has no event header" in text
    assert "release-06-00-00" in info(reference_data / "belle2" / "mdst-v06-00-00.root")


def test_tables_are_described_too(tmp_path: Path) -> None:
    write_table(tmp_path / "f.parquet", {"evtNum": [1, 2]}, record("flags", 1, {"skim": "fei"}))
    text = info(tmp_path / "f.parquet")
    assert "rows 2" in text
    assert "kind flags" in text
    assert '"skim": "fei"' in text


def test_anything_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(FileFormatError, match="no known event format"):
        info(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["a.hepmc3", "a.parquet", "a.edm4hep.root"])
def test_codes_that_mean_nothing_are_shown_as_codes(tmp_path: Path, name: str) -> None:
    """Of PYTHIA's diffraction, geantinos and NuHepMC: the library of particles calls them invalid."""
    codes = [9902210, 0, 200990000, 1000822080, 211]
    batch = random_events(1, max_particles=5)
    batch = EventBatch.concatenate([batch] * 5).with_event_columns(evtNum=np.arange(5))
    particle = batch.particle | {"PDG": np.resize(codes, batch.n_particles)}
    with create_events(tmp_path / name, record("events", 1, {})) as writer:
        writer.write(EventBatch.from_columns(batch.counts, batch.event, particle))
    assert "events 5" in info(tmp_path / name)
    for options in ((), ("--output", str(tmp_path / "t.svg"))):
        result = CliRunner().invoke(show, [str(tmp_path / name), *options], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert "9902210" in CliRunner().invoke(show, [str(tmp_path / name)]).output
