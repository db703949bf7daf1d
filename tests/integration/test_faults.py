"""Every verb that writes, under every fault of the machine: one line, exit code 1, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from filtered_sample import Chain, make_chain, make_model

from smartbkg.cli import main
from smartbkg.storage.partial import _visited

N_EVENTS = 400

#: Verb → its words; ``{out}`` is the folder that the fault concerns, ``{name}`` the stem of the output.
WRITING = {
    "filter": "filter {events} --model {model} --skim first --policy score --seed 1 --output {out}/{name}.parquet",
    "filter to text": "filter {events} --model {model} --skim first --policy score --output {out}/{name}.hepmc3.gz",
    "filter with scores": "filter {events} --model {model} --skim first --policy score --output {elsewhere}/k.parquet "
    "--scores {out}/{name}.parquet",
    "score": "score {events} --model {model} --output {out}/{name}.parquet",
    "convert": "convert {events} {out}/{name}.hepmc3.zst",
    "convert to Parquet": "convert {events} {out}/{name}.parquet",
    "flag": "flag {csv} --skim first --output {out}/{name}.parquet",
    "dataset": "dataset {events} --flags {flags} --skim all --output {out}/{name}.parquet",
    "merge": "merge {kept} {kept_too} --output {out}/{name}.parquet",
    "ntuple": "ntuple {flags} {kept} --output {out}/{name}.root",
    "plan": "plan {model} {dataset} --skim first --output {out}/{name}.safetensors",
    "show": "show {events} --output {out}/{name}.svg",
    "config": "config init {out}/{name}.yaml",
    "conditions get": "conditions get SmartBKG_GATGAP GATGAPgen.pth --at package --output {out}/{name}.pth",
    "conditions put": "conditions put New model {model} --new --at {out}/{name}",
}
#: Verb → its words; it writes to standard output.
PRINTING = {
    "info": "info {events}",
    "show": "show {events}",
    "model": "model info {model}",
    "conditions tags": "conditions tags --at package",
    "filter": "filter {events} --model {model} --skim first --policy score --seed 1 --output -",
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folder = tmp_path_factory.mktemp("chain")
    model = make_model(folder / "model.safetensors")
    make_chain(folder / "too", N_EVENTS, model=model, first_event=N_EVENTS)
    return make_chain(folder, N_EVENTS, model=model)


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """`main` sets handlers of the process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(command: str, capsys: pytest.CaptureFixture[str] | None = None) -> tuple[int, str]:
    """Exit code and standard error of a command; anything but an ordered exit is raised."""
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    return int(stop.value.code or 0), "" if capsys is None else capsys.readouterr().err


def filled(words: str, chain: Chain, out: Path, elsewhere: Path, name: str = "out") -> str:
    csv = elsewhere / "passing.csv"
    csv.write_text("experiment,run,evtNum\n" + "".join(f"0,1,{number}\n" for number in range(20)))
    kept_too = chain.kept.parent / "too" / "kept.parquet"
    return words.format(**chain._asdict(), kept_too=kept_too, out=out, elsewhere=elsewhere, name=name, csv=csv)


def files_in(folder: Path) -> list[str]:
    """Files with content: SQLite leaves an empty one where its first write fails, which counts as no store."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name != "filler" and path.is_file() and path.stat().st_size
    )


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A file system in memory on a folder."""
    made = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    with mounted(folder):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    with mounted(folder, "-o", "size=16k"):
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as handle:
            while True:
                handle.write(bytes(1024))
        yield


@contextlib.contextmanager
def no_permission(folder: Path) -> Iterator[None]:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


FAULTS: dict[str, Callable[[Path], contextlib.AbstractContextManager[None]]] = {
    "read-only mount": read_only,
    "full disk": full_disk,
    "no permission": no_permission,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", WRITING)
def test_a_verb_that_cannot_write_says_so_in_one_line_and_leaves_nothing(
    chain: Chain, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], verb: str, fault: str
) -> None:
    folder = tmp_path_factory.mktemp("fault")
    out, elsewhere = folder / "out", folder / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    command = filled(WRITING[verb], chain, out, elsewhere)
    with FAULTS[fault](out):
        code, said = run(command, capsys)
        left = files_in(out)
    assert (code, left) == (1, []), said
    assert said.strip().splitlines()[-1].startswith("error: "), said
    assert "Traceback" not in said
    assert str(out) in said


@pytest.mark.parametrize("verb", WRITING)
def test_the_longest_names_are_written(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """And neither a home nor a standard input is needed for it."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    monkeypatch.setattr(sys, "stdin", None)
    code, said = run(filled(WRITING[verb], chain, out, elsewhere, "n" * 225), capsys)
    assert code == 0, said
    assert not [name for name in files_in(out) if ".partial" in name]
    assert len(list(out.iterdir())) == 1


@pytest.mark.parametrize("verb", PRINTING)
def test_a_full_standard_output_is_an_error(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = filled(PRINTING[verb], chain, tmp_path, tmp_path)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, said = run(command, capsys)
        monkeypatch.undo()
    assert code == 1, said
    assert said.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in said


@pytest.mark.parametrize("verb", ["score", "convert", "info", "show"])
def test_a_closed_standard_input_is_one_line(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    words = (WRITING | PRINTING)[verb]
    command = filled(words, chain, tmp_path, tmp_path).replace(str(chain.events), "-")
    code, said = run(command, capsys)
    assert code == 1
    assert "standard input: it is closed" in said


def test_good_events_are_never_skipped_for_an_error_of_the_machine(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk of a cache, inside of the work on a batch, was taken for damaged events and half of them left out."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "cache"))

    monkeypatch.setattr("smartbkg.io.records.check_units", fail)
    for suffix in ("parquet", "hepmc3"):
        source = tmp_path / f"e.{suffix}"
        monkeypatch.undo()
        run(f"convert {chain.events} {source}")
        monkeypatch.setattr("smartbkg.io.records.check_units", fail)
        code, said = run(f"convert {source} {tmp_path / 'o.parquet'} --skip-corrupt", capsys)
        assert code == 1
        assert "no space left on the disk" in said
        assert "damaged" not in said
        assert not (tmp_path / "o.parquet").exists()


def test_what_a_killed_verb_left_is_removed_by_the_next(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = filled(WRITING["convert to Parquet"], chain, tmp_path, tmp_path)
    stop = "import os, signal; import smartbkg.storage.atomic as a; "
    stop += "a._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
    script = f"import sys; sys.argv[1:] = {command.split()!r}; {stop} from smartbkg.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [name for name in files_in(tmp_path) if name.endswith(".partial")]
    assert not (tmp_path / "out.parquet").exists()
    _visited.clear()
    assert run(command)[0] == 0
    assert files_in(tmp_path) == ["out.parquet", "passing.csv"]


def test_ids_in_the_inputs_are_what_was_generated(chain: Chain) -> None:
    """The chain under test is no empty one."""
    from smartbkg.io.tables import read_table

    assert np.array_equal(read_table(chain.scores)["evtNum"], np.arange(N_EVENTS))
