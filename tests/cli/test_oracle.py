"""`smartbkg oracle`: measured probabilities, soft labels, and one-line errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import random_events

from smartbkg.cli import main
from smartbkg.io import create_events
from smartbkg.io.tables import read_table
from smartbkg.storage.provenance import record


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["oracle", *arguments])
    return int(stop.value.code or 0)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.parquet"
    with create_events(path, record("events", 1, {})) as writer:
        writer.write(random_events(60))
    return path


def test_fractions_are_those_of_repeated_simulation(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from smartbkg.experiment.simulation import simulate_events
    from smartbkg.io.parquet import ParquetReader

    soft = tmp_path / "soft.parquet"
    options = ["--replicas", "8", "--skim", "TauGeneric", "--seed", "3", "--jobs", "2"]
    assert run(str(events), *options, "--soft-labels", str(soft)) == 0
    output = capsys.readouterr().out
    assert "60 events, 480 simulations" in output
    assert "speed-up, cross-fit" in output
    (batch,) = ParquetReader(events).batches()
    passes = [simulate_events(batch, 3, replica, ["TauGeneric"]).passes["TauGeneric"] for replica in range(1, 9)]
    table = read_table(soft, "flags")
    np.testing.assert_allclose(table["pass_fraction_TauGeneric"], np.mean(passes, axis=0))
    assert table.metadata["simulations"] == 480


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--skim", "TauGenerics"], "did you mean 'TauGeneric'"),
        (["--skim", "TauGeneric", "--replicas", "7"], "expected an even number"),
        (["--skim", "never:never", "--replicas", "4"], "none of 60 events passed"),
    ],
    ids=["skim", "replicas", "nothing"],
)
def test_mistakes_are_one_line(
    events: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    (events.parent / "never.py").write_text(
        "import numpy as np\ndef never(events):\n    return np.zeros(len(events), bool)\n"
    )
    monkeypatch.syspath_prepend(events.parent)
    assert run(str(events), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
