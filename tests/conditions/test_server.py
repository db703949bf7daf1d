"""No client takes the server from the others: limits on connections, time, rate and size."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conditions.payload_files import content_of, write_revision
from conditions.serving import TOKEN

from smartbkg.conditions import ALWAYS, ConditionsStore
from smartbkg.conditions.client import read_token_file
from smartbkg.conditions.serving.connections import Connections, ServerLimits, affordable_connections
from smartbkg.conditions.serving.server import ConditionsServer
from smartbkg.errors import ConditionsError

QUICK = ServerLimits(n_connections=4, request_seconds=0.5, grace_seconds=0.5, largest_upload=1 << 16, largest_record=99)


@pytest.fixture
def store(tmp_path: Path) -> ConditionsStore:
    store = ConditionsStore(tmp_path / "store")
    store.create_tag("Main")
    store.put("Main", "model", write_revision(tmp_path / "file", 1), ALWAYS)
    return store


@contextlib.contextmanager
def serving(store: ConditionsStore, limits: ServerLimits = QUICK, public_url: str | None = None) -> Iterator[str]:
    with ConditionsServer(store, port=0, token=TOKEN, limits=limits, public_url=public_url) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def connect(url: str, content: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=20)
    connection.sendall(content)
    return connection


def ask(url: str, path: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=20) as answer:
        return bytes(answer.read())


def is_ended(connection: socket.socket) -> bool:
    """Whether the server ends a connection, within the time that the test waits for it."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass
    return True


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /v2/globalTags HTTP/1.1\r\nHost: x\r\n",
        f"POST /v2/globalTag/DEV HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 50\r\n\r\n{{".encode(),
    ],
)
def test_a_connection_that_does_not_go_on_is_ended(store: ConditionsStore, begun: bytes) -> None:
    with serving(store) as url, connect(url, begun) as connection:
        assert is_ended(connection)


def send_slowly(connection: socket.socket) -> None:
    for _ in range(400):
        connection.sendall(b"b")
        time.sleep(0.05)


def test_a_client_that_sends_a_byte_now_and_then_is_ended_all_the_same(store: ConditionsStore) -> None:
    with (
        serving(store) as url,
        connect(url, b"GET / HTTP/1.1\r\nA: ") as connection,
        pytest.raises(ConnectionError),
    ):
        send_slowly(connection)


def test_readers_are_served_while_others_hold_all_places(store: ConditionsStore) -> None:
    limits = ServerLimits(n_connections=4, request_seconds=600)
    with serving(store, limits) as url, contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(connect(url, b"GET /v2/globalTags HTTP/1.1\r\n"))
        assert json.loads(ask(url, "v2/globalTags"))[0]["name"] == "Main"


def test_a_request_that_is_being_answered_is_not_ended_to_make_room() -> None:
    connections = Connections(ServerLimits(n_connections=2, request_seconds=600))
    pairs = [socket.socketpair() for _ in range(3)]
    try:
        connections.admit(pairs[0][0])
        connections.expect(pairs[0][0], 1)
        connections.admit(pairs[1][0])
        connections.admit(pairs[2][0])
        assert pairs[1][1].recv(1) == b"", "the one without a request made room"
        pairs[0][1].setblocking(False)
        with pytest.raises(BlockingIOError):
            pairs[0][1].recv(1)
        assert len(connections) == 2
    finally:
        connections.close()
        for pair in pairs:
            for end in pair:
                end.close()


def test_there_are_never_more_connections_than_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert affordable_connections(512) == 8
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert affordable_connections(512) == 512


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("package/dbstore/module/x/payload", 1 << 17, b"413"),
        ("package/dbstore/module/x/payload", 1 << 80, b"411"),
        ("globalTag/DEV", 100, b"413"),
        ("checkPayloads", 100, b"413"),
    ],
)
def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    store: ConditionsStore, path: str, length: int, status: bytes
) -> None:
    head = f"POST /v2/{path} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n"
    with serving(store) as url, connect(url, head.encode()) as connection:
        assert connection.recv(12).endswith(status)


def test_an_upload_leaves_nothing_but_its_payload(store: ConditionsStore, tmp_path: Path) -> None:
    """The file holds what looks like a delimiter, and goes to disk in blocks."""
    from smartbkg.conditions.client import RestDatabase

    file = tmp_path / "upload"
    file.write_bytes(b"--b\r\n" * 100 + bytes(range(256)) * 30)
    with serving(store) as url:
        RestDatabase(url, token=TOKEN).put("Main", "uploaded", file, ALWAYS)
        short = f"POST /v2/package/dbstore/module/x/payload HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        short += "Content-Type: multipart/mixed; boundary=b\r\nContent-Length: 5000\r\n\r\n--b"
        with connect(url, short.encode()) as connection:
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert b"3 of 5000 bytes arrived" in answer
    assert store.fetch(store.find("Main", "uploaded", 0, 0)).read_bytes() == file.read_bytes()
    assert not [path for path in store.folder.rglob("*") if path.name.startswith(".")]


def test_clients_behind_https_get_https_urls(store: ConditionsStore) -> None:
    path = "v2/globalTag/Main/payloads"
    with serving(store) as url:
        assert json.loads(ask(url, path))[0]["baseUrl"] == f"{url}payloads"
        forwarded = json.loads(ask(url, path, **{"X-Forwarded-Proto": "https", "Host": "farm.example"}))
        assert forwarded[0]["baseUrl"] == "https://farm.example/payloads"
    with serving(store, public_url="https://conditions.example/db/") as url:
        assert json.loads(ask(url, path))[0]["baseUrl"] == "https://conditions.example/db/payloads"
    with pytest.raises(ConditionsError, match="expected a URL"):
        ConditionsServer(store, port=0, public_url="ftp://x")


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    for mode in (0o644, 0o640, 0o604):
        token.chmod(mode)
        with pytest.raises(ConditionsError, match="others can read this token: chmod 600"):
            read_token_file(token)
    token.chmod(0o600)
    assert read_token_file(token) == TOKEN


def test_a_port_that_is_taken_is_one_line(store: ConditionsStore) -> None:
    with serving(store) as url, pytest.raises(ConditionsError, match="cannot listen on"):
        ConditionsServer(store, port=urlsplit(url).port or 0)
    with pytest.raises(ConditionsError, match="cannot listen on"):
        ConditionsServer(store, port=70_000)


def test_the_payload_arrives_as_it_is(store: ConditionsStore) -> None:
    payload = store.payloads("Main")[0]
    with serving(store) as url:
        assert ask(url, f"payloads/dbstore/model/dbstore_model_rev_{payload.revision}.root") == content_of(1)
