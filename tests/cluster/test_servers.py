"""Files elsewhere, from real servers on loopback: S3 (moto, in the workflows' environment) and XRootD (Debian)."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from synthetic import random_events

from smartbkg.cli.convert import command
from smartbkg.errors import FileFormatError
from smartbkg.io import create_events, open_events
from smartbkg.io.several import expand
from smartbkg.storage.machine import MachineError
from smartbkg.storage.provenance import record

WORKFLOWS = os.environ.get("SMARTBKG_WORKFLOWS", "")
XROOTD = shutil.which("xrootd")
NAMES = ("a.hepmc3", "b.hepmc3.gz", "c.parquet", "d.edm4hep.root")
N_EVENTS = 20


@functools.cache
def _has_moto() -> bool:
    arguments = [f"{WORKFLOWS}/python", "-c", "import moto.server"]
    return bool(WORKFLOWS) and subprocess.run(arguments, capture_output=True, check=False).returncode == 0


needs_s3 = pytest.mark.skipif(not _has_moto(), reason="no environment with moto: make test-cluster makes it")
needs_xrootd = pytest.mark.skipif(XROOTD is None, reason="no xrootd here: make test-cluster installs it")


@contextmanager
def running(arguments: list[str], port: int, folder: Path) -> Iterator[None]:
    """A server as a process of its own, until it answers and to the end."""
    with (folder / "log").open("wb") as log, subprocess.Popen(arguments, stdout=log, stderr=log, cwd=folder) as process:
        try:
            for _ in range(300):
                with socket.socket() as connection:
                    if connection.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for number, name in enumerate(NAMES):
        with create_events(folder / name, record("events", 1, {})) as writer:
            writer.write(random_events(N_EVENTS, seed=number, first_event=100 * number))
    return folder


@pytest.fixture(scope="module")
def s3(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The query of an address that finds the server; the bucket is ``store``, its keys have a blank."""
    from pyarrow.fs import S3FileSystem

    port, folder = free_port(), tmp_path_factory.mktemp("s3")
    keys = {"AWS_ACCESS_KEY_ID": "anyone", "AWS_SECRET_ACCESS_KEY": "anything", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        with running([f"{WORKFLOWS}/python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, folder):
            place = f"127.0.0.1:{port}"
            system = S3FileSystem(
                endpoint_override=place, scheme="http", allow_bucket_creation=True, region="us-east-1"
            )
            system.create_dir("store")
            for name in NAMES:
                with system.open_output_stream(f"store/run 1/{name}", compression=None) as stream:
                    stream.write((files / name).read_bytes())
            yield f"?endpoint_override={place}&scheme=http&region=us-east-1"


@pytest.fixture(scope="module")
def xrootd(files: Path) -> Iterator[str]:
    """The address of a folder on the server, which another user than root must be able to reach."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRD_CONNECTIONWINDOW", "2")
        patch.setenv("XRD_CONNECTIONRETRY", "1")
        yield from _xrootd(files, Path(name), free_port())


def _xrootd(files: Path, folder: Path, port: int) -> Iterator[str]:
    store = folder / "store"
    shutil.copytree(files, store)
    settings = [
        f"all.export {store}",
        f"all.adminpath {folder}/admin",
        f"all.pidpath {folder}/admin",
        f"xrd.port {port}",
    ]
    (folder / "xrootd.cfg").write_text("\n".join(settings) + "\n")
    arguments = [str(XROOTD), "-c", str(folder / "xrootd.cfg"), "-I", "v4"]
    if os.geteuid() == 0:  # it refuses to run as root: Debian's package has a user for it
        arguments += ["-R", "xrootd"]
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "xrootd")
    with running(arguments, port, folder):
        yield f"root://127.0.0.1:{port}/{store}"


def numbers(path: str | Path) -> list[int]:
    with open_events(path) as reader:
        return [int(n) for batch in reader.batches() for n in batch.event["evtNum"]]


@needs_s3
@pytest.mark.parametrize("name", NAMES)
def test_events_are_read_from_s3(s3: str, files: Path, name: str) -> None:
    assert numbers(f"s3://store/run 1/{name}{s3}") == numbers(files / name)


@needs_s3
def test_the_place_of_an_s3_server_may_be_in_the_environment(
    s3: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{s3.partition('=')[2].partition('&')[0]}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert numbers("s3://store/run 1/a.hepmc3") == numbers(files / "a.hepmc3")


@needs_s3
def test_patterns_of_s3_are_expanded_and_read(s3: str, files: Path) -> None:
    found = expand([Path(f"s3://store/run 1/*.hepmc3*{s3}")])
    assert [numbers(path) for path in found] == [numbers(files / "a.hepmc3"), numbers(files / "b.hepmc3.gz")]
    with pytest.raises(FileFormatError, match="no file matches this pattern"):
        expand([Path(f"s3://store/run 2/*{s3}")])


@needs_s3
def test_what_s3_does_not_have_is_one_line(s3: str) -> None:
    for name in ("store/run 1/missing.hepmc3", "nowhere/a.hepmc3"):
        with pytest.raises(FileFormatError, match=rf"^s3://{name}.*: no such file$"):
            numbers(f"s3://{name}{s3}")


@needs_xrootd
@pytest.mark.parametrize("name", NAMES)
def test_events_are_read_by_xrootd(xrootd: str, files: Path, name: str) -> None:
    assert numbers(f"{xrootd}/{name}") == numbers(files / name)


@needs_xrootd
def test_patterns_of_xrootd_are_expanded_and_the_command_line_reads_them(
    xrootd: str, files: Path, tmp_path: Path
) -> None:
    run = CliRunner().invoke(command, [f"{xrootd}/*.hepmc3*", str(tmp_path / "all.parquet")])
    assert run.exit_code == 0, run.output
    assert numbers(tmp_path / "all.parquet") == numbers(files / "a.hepmc3") + numbers(files / "b.hepmc3.gz")


@needs_xrootd
def test_what_xrootd_does_not_have_is_one_line(xrootd: str) -> None:
    with pytest.raises(FileFormatError, match=r"^root://.*missing\.hepmc3: no such file$"):
        numbers(f"{xrootd}/missing.hepmc3")
    with pytest.raises(MachineError, match=r"^root://127\.0\.0\.1:9//a\.hepmc3: cannot read: XRootD error"):
        numbers("root://127.0.0.1:9//a.hepmc3")
