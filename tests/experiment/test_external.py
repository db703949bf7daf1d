"""An external simulation: what it writes is read, and failures name the events concerned."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.experiment.external import SimulationError, simulate_externally, simulate_file_externally
from smartbkg.io import create_events
from smartbkg.io.tables import read_table
from smartbkg.storage.provenance import record


def make_batch(n_events: int = 10) -> EventBatch:
    columns = {
        name: np.zeros(n_events)
        for name in ("mass", "charge", "energy", "prodTime", "x", "y", "z", "px", "py", "pz", "nDaughters", "motherPDG")
    }
    return EventBatch.from_columns(
        np.ones(n_events),
        {"experiment": np.full(n_events, 7), "run": np.full(n_events, 3), "evtNum": np.arange(n_events)},
        {
            **columns,
            "arrayIndex": np.zeros(n_events),
            "PDG": np.full(n_events, 22),
            "motherIndex": np.full(n_events, -1),
            "status": np.ones(n_events),
        },
    )


def program(folder: Path, body: str) -> str:
    """A command that runs a Python program with the names `source` and `target`."""
    script = folder / "program.py"
    script.write_text(f"import sys\nsource, target = sys.argv[1:3]\n{body}\n")
    return f"{sys.executable} {script} {{input}} {{output}}"


EVEN_IDS = """
import pyarrow.parquet as pq
events = pq.read_table(source).column("evtNum").to_pylist()
with open(target, "w") as handle:
    handle.write("evtNum\\n" + "".join(f"{event}\\n" for event in events if event % 2 == 0))
"""


def test_events_listed_by_the_program_pass(tmp_path: Path) -> None:
    result = simulate_externally(make_batch(), program(tmp_path, EVEN_IDS))
    assert result.passes.tolist() == [True, False] * 5
    assert result.is_simulated.all()


def test_program_that_reads_hepmc_and_writes_root(tmp_path: Path) -> None:
    body = """
import numpy as np, uproot
events = [int(line.split()[1]) for line in open(source) if line.startswith("E ")]
with uproot.recreate(target + ".root") as file:
    odd = np.array([event for event in events if event % 2], dtype=np.int64)
    columns = {"__experiment__": odd * 0 + 7, "__run__": odd * 0 + 3, "__event__": odd}
    file.mktree("tree", {name: values.dtype for name, values in columns.items()}).extend(columns)
"""
    result = simulate_externally(make_batch(), program(tmp_path, body), input_suffix=".hepmc3")
    assert result.passes.tolist() == [False, True] * 5


def test_failure_names_code_last_words_and_events(tmp_path: Path) -> None:
    command = program(tmp_path, "print('geometry not found')\nsys.exit(3)")
    with pytest.raises(SimulationError, match=r"code 3, for 10 events .*\(7, 3, 0\).* 5 more: geometry not found"):
        simulate_externally(make_batch(), command)


def test_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    body = "import subprocess, time\nsubprocess.Popen(['sleep', '60'])\ntime.sleep(60)"
    started = time.monotonic()
    with pytest.raises(SimulationError, match=r"no result after 1 s, for 10 events"):
        simulate_externally(make_batch(), program(tmp_path, body), timeout=1.0)
    assert time.monotonic() - started < 20


def test_lost_events_are_reported(tmp_path: Path) -> None:
    body = """
with open(target, "w") as handle:
    handle.write("experiment,run,evtNum,passes\\n" + "".join(f"7,3,{i},{i % 2}\\n" for i in range(10) if i != 4))
"""
    result = simulate_externally(make_batch(), program(tmp_path, body))
    assert np.flatnonzero(~result.is_simulated).tolist() == [4]
    assert result.passes.sum() == 5


def write_events(path: Path, batch: EventBatch) -> Path:
    with create_events(path, record("events", 1, {})) as writer:
        writer.write(batch)
    return path


def test_file_of_flags_leaves_out_lost_events_when_told_so(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events.parquet", make_batch())
    body = """
with open(target, "w") as handle:
    handle.write("experiment,run,evtNum,passes\\n" + "".join(f"7,3,{i},1\\n" for i in range(9)))
"""
    command = program(tmp_path, body)
    with pytest.raises(SimulationError, match=r"lost 1 events .*\(7, 3, 9\)"):
        simulate_file_externally(events, tmp_path / "flags.parquet", command)
    assert not (tmp_path / "flags.parquet").exists()
    summary = simulate_file_externally(events, tmp_path / "flags.parquet", command, skip_failures=True)
    assert (summary.n_events, summary.n_passing, summary.n_failed) == (10, 9, 1)
    assert len(read_table(tmp_path / "flags.parquet", "flags")) == 9


def test_event_that_was_not_given_is_refused(tmp_path: Path) -> None:
    body = "open(target, 'w').write('evtNum\\n99\\n')"
    with pytest.raises(SimulationError, match=r"holds event \(7, 3, 99\), which it was not given"):
        simulate_externally(make_batch(), program(tmp_path, body))


@pytest.mark.parametrize("command", ["mysim {input}", "mysim {output}"])
def test_command_needs_input_and_output(command: str) -> None:
    with pytest.raises(UsageError, match="the command has no"):
        simulate_externally(make_batch(), command)


def test_program_that_writes_nothing_or_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="wrote 0 files, expected one, for 10 events"):
        simulate_externally(make_batch(), program(tmp_path, ""))
    with pytest.raises(SimulationError, match="cannot start"):
        simulate_externally(make_batch(), "no-such-program {input} {output}")
