"""Files elsewhere: addresses of an HTTP server on loopback and of fsspec's own memory; no network."""

from __future__ import annotations

import builtins
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from synthetic import random_events

from smartbkg.cli.convert import command
from smartbkg.errors import FileFormatError, MissingDependencyError
from smartbkg.events import EventBatch
from smartbkg.io import create_events, open_events, remote
from smartbkg.io.several import SeveralReader, expand
from smartbkg.storage.machine import MachineError
from smartbkg.storage.provenance import record

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; a name with ``cut`` ends before its announced length."""

    def log_message(self, *arguments: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2] if "cut" in self.path else content)
        if "cut" in self.path:
            self.close_connection = True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served")
    for number, name in enumerate(
        ("a.hepmc3", "b.hepmc3.gz", "c.parquet", "d.edm4hep.root", "cut.parquet", "cut.hepmc3")
    ):
        with create_events(path / name, record("events", 1, {})) as writer:
            writer.write(random_events(20, seed=number, first_event=100 * number))
    (path / "truncated.parquet").write_bytes((path / "c.parquet").read_bytes()[:500])
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def numbers(path: str | Path) -> list[int]:
    with open_events(path) as reader:
        return [int(n) for batch in reader.batches() for n in batch.event["evtNum"]]


@pytest.mark.parametrize("as_path", [True, False])
@pytest.mark.parametrize("name", ["a.hepmc3", "b.hepmc3.gz", "c.parquet", "d.edm4hep.root"])
def test_events_of_every_kind_are_read_from_a_server(server: str, folder: Path, name: str, as_path: bool) -> None:
    address = f"{server}/{name}"
    assert numbers(Path(address) if as_path else address) == numbers(folder / name)


def test_several_addresses_are_read_as_one(server: str) -> None:
    with SeveralReader([Path(f"{server}/a.hepmc3"), Path(f"{server}/b.hepmc3.gz")]) as reader:
        assert sum(map(len, reader.batches())) == 40


def test_patterns_of_a_system_that_lists_are_expanded(folder: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("a.hepmc3", "b.hepmc3.gz"):
        memory.pipe(f"/store/{name}", (folder / name).read_bytes())
    found = expand([Path("memory://store/*.hepmc3*")])
    assert [path.name for path in found] == ["a.hepmc3", "b.hepmc3.gz"]
    assert [numbers(path) for path in found] == [numbers(folder / "a.hepmc3"), numbers(folder / "b.hepmc3.gz")]
    with pytest.raises(FileFormatError, match=r"memory://store/\*\.root: no file matches this pattern"):
        expand([Path("memory://store/*.root")])


def test_a_copy_is_read_by_its_address_and_only_once(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fetch = remote._Copies._fetch
    monkeypatch.setattr(
        remote._Copies, "_fetch", lambda copies, address: (calls.append(address), fetch(copies, address))[1]
    )
    address = f"{server}/c.parquet?version=1"
    with open_events(address) as one, open_events(address) as other:
        assert one.source == other.source == address
        assert EventBatch.concatenate(list(one.batches())).event["evtNum"][0] == 200
    assert calls == [address]


def test_copies_make_room_for_newer_ones(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_COPIES", 1)
    copies = remote._Copies()
    first = copies.of(f"{server}/c.parquet")
    second = copies.of(f"{server}/d.edm4hep.root")
    assert not first.exists()
    assert second.exists()
    assert copies.of(f"{server}/c.parquet").exists()
    copies.remove()
    assert not second.parent.parent.exists()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("missing.hepmc3", FileFormatError, "missing.hepmc3: no such file"),
        ("truncated.parquet", FileFormatError, "truncated.parquet: "),
        ("cut.parquet", MachineError, "cut.parquet: cannot read: "),
        ("cut.hepmc3", (FileFormatError, MachineError), "cut.hepmc3: "),
    ],
)
def test_what_goes_wrong_is_one_line_with_the_address(server: str, name: str, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message) as error:
        numbers(f"{server}/{name}")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(server)


def test_a_server_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(MachineError, match=r"^http://127\.0\.0\.1:9/a\.hepmc3: cannot read: "):
        numbers("http://127.0.0.1:9/a.hepmc3")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *arguments: Any, **further: Any) -> Any:
        if name.startswith("fsspec"):
            raise ImportError(name)
        return whole(name, *arguments, **further)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"smartbkg\[remote\]"):
        remote.open_address("https://host/a.hepmc3")


def test_an_unknown_protocol_is_refused_by_name() -> None:
    with pytest.raises(FileFormatError, match="gopher://host/a: Protocol not known: gopher"):
        numbers("gopher://host/a")


@pytest.mark.parametrize(
    "address",
    ["https://host/a/b.root", "root://host:1094//store/a.root", "s3://bucket/a.parquet", "file:///tmp/a.hepmc3"],
)
def test_an_address_survives_being_a_path(address: str) -> None:
    assert remote.address_of(Path(address)) == remote.address_of(address) == address


def test_the_command_line_takes_addresses(server: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(command, [f"{server}/a.hepmc3", f"{server}/c.parquet", str(tmp_path / "o.parquet")])
    assert run.exit_code == 0, run.output
    assert len(numbers(tmp_path / "o.parquet")) == 40
