"""Every verb that writes, under every fault of the machine: one line, exit code 1, nothing left behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from command_tree import verbs
from conditions.serving import TOKEN, serving
from operations import N_EVENTS, PIPED, PRINTING, WRITING, Materials
from rights import without_roots_rights

from smartbkg.cli import main
from smartbkg.compilation.cache import user_folder
from smartbkg.conditions import ALWAYS, ConditionsStore
from smartbkg.storage.partial import _visited

#: Of the longest stem to which every verb can append its suffixes (``.safetensors.log.jsonl``) and stay below 255.
LONG = 225

#: It needs basf2, or its double.
NOT_IN_THE_TABLE = {"basf2 check"}

Prepare = Callable[[], None]


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    return Materials(tmp_path_factory.mktemp("materials"))


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """`main` sets handlers of the process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(words: list[str], capsys: pytest.CaptureFixture[str] | None = None) -> tuple[int, str]:
    """Exit code and standard error of a command; anything but an ordered exit is raised."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0), "" if capsys is None else capsys.readouterr().err


def files_in(folder: Path) -> list[str]:
    """Files with content: SQLite leaves an empty one where its first write fails, which counts as no store."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name != "filler" and path.is_file() and path.stat().st_size
    )


@contextlib.contextmanager
def mounted(folder: Path, prepare: Prepare, *options: str) -> Iterator[None]:
    """A file system in memory on a folder."""
    made = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        prepare()
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path, prepare: Prepare) -> Iterator[None]:
    with mounted(folder, prepare):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield


@contextlib.contextmanager
def full_disk(folder: Path, prepare: Prepare) -> Iterator[None]:
    with mounted(folder, prepare, "-o", "size=2m"):
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as handle:
            for size in (1 << 16, 1):
                with contextlib.suppress(OSError):
                    while True:
                        handle.write(bytes(size))
        yield


@contextlib.contextmanager
def no_permission(folder: Path, prepare: Prepare) -> Iterator[None]:
    prepare()
    with without_roots_rights():
        places = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for place in places:
            place.chmod(0o555)
        try:
            yield
        finally:
            for place in places:
                place.chmod(0o755)


FAULTS: dict[str, Callable[[Path, Prepare], contextlib.AbstractContextManager[None]]] = {
    "read-only mount": read_only,
    "full disk": full_disk,
    "no permission": no_permission,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", WRITING)
def test_a_verb_that_cannot_write_says_so_in_one_line_and_leaves_nothing(
    materials: Materials,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    fault: str,
) -> None:
    folder = tmp_path_factory.mktemp("fault")
    out, elsewhere = folder / "out", folder / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    words = materials.words(WRITING[verb], out, elsewhere)
    before: list[str] = []

    def prepare() -> None:
        materials.prepare(verb, out)
        before.extend(files_in(out))

    if (verb, fault) == ("demo", "full disk"):
        pytest.skip("it simulates for a minute before it writes")
    if (verb, fault) == ("campaign retry", "full disk"):
        pytest.skip("it gives files other names, which needs no room")
    with FAULTS[fault](out, prepare):
        code, said = run(words, capsys)
        left = files_in(out)
    assert (code, left) == (1, before), said
    assert said.strip().splitlines()[-1].startswith("error: "), said
    assert "Traceback" not in said
    assert str(out) in said


@pytest.mark.parametrize("verb", [verb for verb in WRITING if verb != "demo"])  # which takes minutes when it can write
def test_the_longest_names_are_written(
    materials: Materials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    """And neither a home nor a standard input is needed for it."""
    out, elsewhere, name = tmp_path / "out", tmp_path / "elsewhere", "n" * LONG
    out.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(user_folder().parent))  # machine code is not made anew for this
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    monkeypatch.setattr(sys, "stdin", None)
    materials.prepare(verb, out, name)
    code, said = run(materials.words(WRITING[verb], out, elsewhere, name), capsys)
    assert code == 0, said
    assert not [name for name in files_in(out) if ".partial" in name]
    assert [path.name[:LONG] for path in out.iterdir()] == [name] * len(list(out.iterdir()))


@pytest.mark.parametrize("verb", PRINTING)
def test_a_full_standard_output_is_an_error(
    materials: Materials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    words = materials.words(PRINTING[verb], tmp_path, tmp_path)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, said = run(words, capsys)
        monkeypatch.undo()
    assert code == 1, said
    assert said.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in said


@pytest.mark.parametrize("verb", PIPED)
def test_a_closed_standard_input_is_one_line(
    materials: Materials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    inputs = {str(materials.path(name)) for name in ("events", "few", "dataset", "toy")}
    words = materials.words((PRINTING | WRITING)[verb], tmp_path, tmp_path)
    code, said = run(["-" if word in inputs else word for word in words], capsys)
    assert code == 1
    assert len(said.strip().splitlines()) == 1, said
    assert said.startswith("error: ")
    assert files_in(tmp_path) == ["passing.csv"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_conditions_cache_that_cannot_be_written_is_named(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = folder / "cache"
    cache.mkdir()
    (folder / "file").write_bytes(bytes(100_000))
    ConditionsStore(folder / "store").put("Main", "model", folder / "file", ALWAYS, is_new=True)
    monkeypatch.setenv("SMARTBKG_CONDITIONS_CACHE", str(cache))
    with serving(folder / "store") as url, FAULTS[fault](cache, lambda: None):
        code, said = run(["conditions", "get", "Main", "model", "--at", url], capsys)
        left = files_in(cache)
    assert (code, left) == (1, [])
    assert said.startswith(f"error: {cache}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_served_store_that_cannot_be_written_refuses_uploads_and_serves_on(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    folder = tmp_path_factory.mktemp("served")
    monkeypatch.setenv("SMARTBKG_CONDITIONS_CACHE", str(folder / "cache"))
    (folder / "store").mkdir()
    (folder / "file").write_bytes(bytes(100_000))
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    monkeypatch.setenv("SMARTBKG_CONDITIONS_TOKEN", str(folder / "token"))

    def prepare() -> None:
        ConditionsStore(folder / "store").put("Main", "model", folder / "file", ALWAYS, is_new=True)

    with FAULTS[fault](folder / "store", prepare), serving(folder / "store") as url:
        before = files_in(folder / "store")
        code, said = run(["conditions", "put", "Main", "other", str(folder / "file"), "--at", url], capsys)
        assert (code, files_in(folder / "store")) == (1, before), said
        assert len(said.splitlines()) == 1, said
        assert said.startswith("error: ")
        assert run(["conditions", "get", "Main", "model", "--at", url], capsys)[0] == 0


def test_no_verb_is_missing_from_the_table() -> None:
    told = {" ".join(words.split()) for words in (*WRITING.values(), *PRINTING.values())}
    missing = {name for name, _ in verbs() if not any(f"{words} ".startswith(f"{name} ") for words in told)}
    assert missing == NOT_IN_THE_TABLE


def test_good_events_are_never_skipped_for_an_error_of_the_machine(
    materials: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk of a cache, inside of the work on a batch, was taken for damaged events and half of them left out."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "cache"))

    monkeypatch.setattr("smartbkg.io.records.check_units", fail)
    for suffix in ("parquet", "hepmc3"):
        source = tmp_path / f"e.{suffix}"
        monkeypatch.undo()
        run(["convert", str(materials.path("events")), str(source)])
        monkeypatch.setattr("smartbkg.io.records.check_units", fail)
        code, said = run(["convert", str(source), str(tmp_path / "o.parquet"), "--skip-corrupt"], capsys)
        assert code == 1
        assert "no space left on the disk" in said
        assert "damaged" not in said
        assert not (tmp_path / "o.parquet").exists()


def test_what_a_killed_verb_left_is_removed_by_the_next(
    materials: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = materials.words(WRITING["convert to Parquet"], tmp_path, tmp_path)
    stop = "import os, signal; import smartbkg.storage.atomic as a; "
    stop += "a._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
    script = f"import sys; sys.argv[1:] = {words!r}; {stop} from smartbkg.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [name for name in files_in(tmp_path) if name.endswith(".partial")]
    assert not (tmp_path / "out.parquet").exists()
    _visited.clear()
    assert run(words)[0] == 0
    assert files_in(tmp_path) == ["out.parquet", "passing.csv"]


def test_ids_in_the_inputs_are_what_was_generated(materials: Materials) -> None:
    """The chain under test is no empty one."""
    from smartbkg.io.tables import read_table

    assert np.array_equal(read_table(materials.path("scores"))["evtNum"], np.arange(N_EVENTS))
