"""An external simulation: what it writes is read, and failures name the events concerned."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from io_events import decay_event, hepmc_text

from smartbkg.errors import EventError, UsageError
from smartbkg.events import EventBatch
from smartbkg.experiment.external import SimulationError, simulate_externally, simulate_file_externally
from smartbkg.experiment.external_program import seed_of_call
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


def write_hepmc(path: Path, n_events: int) -> Path:
    """Events in MeV and mm, with more digits than single precision and an attribute of their own."""
    text = hepmc_text([decay_event(number, momentum_unit="MEV") for number in range(1, n_events + 1)])
    path.write_bytes(text)
    return path


def test_hepmc_is_handed_over_as_it_was_read(tmp_path: Path) -> None:
    events = write_hepmc(tmp_path / "events.hepmc3", 3)
    seen = tmp_path / "seen"
    body = f"import shutil\nshutil.copy(source, {str(seen)!r})\nopen(target, 'w').write('evtNum\\n2\\n')"
    summary = simulate_file_externally(
        events, tmp_path / "flags.parquet", program(tmp_path, body), input_suffix=".hepmc3", skim="mine"
    )
    assert summary.n_passing == 1

    def body_of(path: Path) -> list[bytes]:
        lines = path.read_bytes().splitlines()
        return [line for line in lines[lines.index(next(x for x in lines if x[:2] == b"E ")) :] if line[:1] in b"PVUW"]

    assert body_of(seen) == body_of(events)


SEEDED = """
seed, part, n_events, run = sys.argv[3:7]
import pyarrow.parquet as pq
events = pq.read_table(source)
assert set(events.column("run").to_pylist()) == {int(run)} and len(events) == int(n_events)
rows = zip(events.column("run").to_pylist(), events.column("evtNum").to_pylist())
with open(target, "w") as handle:
    handle.write("experiment,run,evtNum,passes,drawn,part\\n")
    for run, event in rows:
        handle.write(f"7,{run},{event},{(int(seed) + event) % 2},{seed},{part}\\n")
"""


def test_calls_have_seeds_parts_and_runs_and_any_number_at_a_time_gives_the_same(tmp_path: Path) -> None:
    runs = [make_batch(7).with_event_columns(run=np.full(7, run)) for run in (1, 2)]
    events = write_events(tmp_path / "events.parquet", EventBatch.concatenate(runs))
    command = program(tmp_path, SEEDED) + " {seed} {part} {events} {run}"
    tables = {}
    for name, seed, n_jobs in (("one", 5, 1), ("three", 5, 3), ("other", 6, 1)):
        output = tmp_path / f"{name}.parquet"
        simulate_file_externally(events, output, command, seed=seed, n_jobs=n_jobs, batch_size=4)
        tables[name] = read_table(output, "flags")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "three.parquet").read_bytes()
    table = tables["one"]
    assert table["run"].tolist() == [1] * 7 + [2] * 7
    assert table["part"].tolist() == [0] * 4 + [1] * 3 + [2] + [3] * 4 + [4] * 2
    seeds = {int(seed) for seed in table["drawn"]}
    assert len(seeds) == 5
    assert all(1 <= seed <= 900_000_000 for seed in seeds)
    assert seeds.isdisjoint({int(seed) for seed in tables["other"]["drawn"]})


def test_the_seed_of_a_call_follows_from_its_events_and_not_from_its_place() -> None:
    batch = make_batch(6)
    assert seed_of_call(batch, 3) == seed_of_call(make_batch(6), 3)
    assert len({seed_of_call(batch, 3), seed_of_call(batch, 4), seed_of_call(batch.slice(0, 5), 3)}) == 3
    other = make_batch(6)
    other.particle["px"][2] += 1.0
    assert seed_of_call(other, 3) != seed_of_call(batch, 3)


def test_numbers_that_the_program_wrote_are_variables(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events.parquet", make_batch())
    body = """
import pyarrow.parquet as pq
events = [event for event in pq.read_table(source).column("evtNum").to_pylist() if event >= 5]
open(target, "w").write("evtNum,Mbc,weight\\n" + "".join(f"{event},{5.2 + event},9\\n" for event in events))
"""
    for batch_size in (4, 10):  # with 4, no event of the first call passes
        output = tmp_path / f"flags{batch_size}.parquet"
        simulate_file_externally(events, output, program(tmp_path, body), batch_size=batch_size)
        table = read_table(output, "flags")
        assert np.isnan(table["Mbc"][:5]).all()
        assert table["Mbc"][5:] == pytest.approx(5.2 + np.arange(5, 10))
        assert (table["weight"] == 1).all(), "the weight is that of the event, whatever the program calls so"


def test_an_event_that_comes_twice_is_refused_in_whatever_calls(tmp_path: Path) -> None:
    twice = EventBatch.concatenate([make_batch(4), make_batch(2)])
    events = write_events(tmp_path / "events.parquet", twice)
    with pytest.raises(EventError, match="occurs twice"):
        simulate_file_externally(events, tmp_path / "flags.parquet", program(tmp_path, EVEN_IDS), batch_size=4)


def test_programs_that_run_beside_a_failing_one_are_ended(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events.parquet", make_batch())
    survived = tmp_path / "survived"
    body = f"""
import time
if sys.argv[3] == '0':
    time.sleep(1)
    sys.exit('broken')
time.sleep(20)
open({str(survived)!r}, 'w')
"""
    with pytest.raises(SimulationError, match="broken"):
        simulate_file_externally(
            events, tmp_path / "flags.parquet", program(tmp_path, body) + " {part}", n_jobs=2, batch_size=4
        )
    assert not survived.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.parquet", "program.py"]
