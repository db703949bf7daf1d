from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conditions.payload_files import content_of, revision_in, write_revision
from conditions.serving import TOKEN, serving

from smartbkg.conditions import ALWAYS, ConditionsStore, Interval, find_payload
from smartbkg.conditions.cache import PayloadCache
from smartbkg.conditions.client import TOKEN_VARIABLE, RestDatabase
from smartbkg.conditions.payload import Payload
from smartbkg.conditions.source import UnreachableError
from smartbkg.conditions.transport import HttpOptions, Transport
from smartbkg.errors import ConditionsError
from smartbkg.storage.partial import partial_name

IMPATIENT = HttpOptions(timeout=5, n_retries=1, backoff=0.01)


@pytest.fixture
def store(tmp_path: Path) -> ConditionsStore:
    store = ConditionsStore(tmp_path / "store")
    store.create_tag("Main", "for tests")
    store.put("Main", "model.pth", write_revision(tmp_path / "file", 1), ALWAYS)
    store.put("Main", "model.pth", write_revision(tmp_path / "file", 2), Interval(5, 0, -1, -1))
    return store


@pytest.fixture
def cache(tmp_path: Path) -> PayloadCache:
    return PayloadCache(tmp_path / "cache")


@pytest.fixture
def url(store: ConditionsStore) -> Iterator[str]:
    with serving(store.folder) as url:
        yield url


def database(url: str, cache: PayloadCache, token: str | None = TOKEN) -> RestDatabase:
    return RestDatabase(url, cache, token=token, options=IMPATIENT)


def status_of(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, body, headers, method=method), timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_each_run_gets_its_revision_over_the_network(url: str, cache: PayloadCache) -> None:
    remote = database(url, cache)
    for experiment, revision in ((0, 1), (5, 2)):
        payload = remote.find("Main", "model.pth", experiment, 0)
        assert payload.revision == revision
        assert revision_in(remote.fetch(payload)) == revision


def test_server_and_store_agree(url: str, cache: PayloadCache, store: ConditionsStore) -> None:
    remote = database(url, cache)
    assert remote.tags() == store.tags()
    key = [(payload.name, payload.revision, payload.checksum, payload.interval) for payload in store.payloads("Main")]
    assert key == [(p.name, p.revision, p.checksum, p.interval) for p in remote.payloads("Main")]


def test_records_are_those_that_basf2_reads(url: str) -> None:
    """The keys that basf2's CentralMetadataProvider asks for."""
    status, tag = status_of(f"{url}v2/globalTag/Main")
    assert (status, tag["globalTagStatus"]["name"]) == (200, "OPEN")
    _, records = status_of(f"{url}v2/iovPayloads/?gtName=Main&expNumber=5&runNumber=3")
    (record,) = records
    payload, interval = record["payload"], record["payloadIov"]
    assert payload["basf2Module"]["name"] == "model.pth"
    assert payload["payloadUrl"] == "dbstore/model.pth/dbstore_model.pth_rev_2.root"
    assert payload["baseUrl"].startswith("http://")
    assert (payload["revision"], len(payload["checksum"])) == (2, 32)
    assert [interval[key] for key in ("expStart", "runStart", "expEnd", "runEnd")] == [5, 0, -1, -1]
    _, statuses = status_of(f"{url}v2/globalTagStatus")
    assert {"OPEN", "PUBLISHED", "INVALID"} <= {entry["name"] for entry in statuses}


def test_unknown_names_show_the_nearest_over_the_network(url: str, cache: PayloadCache) -> None:
    remote = database(url, cache)
    with pytest.raises(ConditionsError, match="did you mean 'Main'"):
        remote.tag("Mian")
    with pytest.raises(ConditionsError, match=r"did you mean 'model\.pth'"):
        remote.find("Main", "model", 0, 0)
    assert status_of(f"{url}v2/globalTag/Mian")[0] == 404


def test_tag_is_made_filled_copied_and_published_over_the_network(
    url: str, cache: PayloadCache, tmp_path: Path, store: ConditionsStore
) -> None:
    remote = database(url, cache)
    assert remote.create_tag("Mine", "made by a test").status == "OPEN"
    added = remote.put("Mine", "model.pth", write_revision(tmp_path / "file", 3), Interval(1, 0, -1, -1))
    assert added.revision == 3
    assert remote.put("Mine", "model.pth", tmp_path / "file", Interval(1, 0, -1, -1)).revision == 3
    assert remote.publish("Mine").status == "PUBLISHED"
    assert revision_in(store.fetch(store.find("Mine", "model.pth", 1, 0))) == 3
    with pytest.raises(ConditionsError, match="cannot be changed"):
        remote.put("Mine", "model.pth", write_revision(tmp_path / "file", 4), ALWAYS)
    assert remote.copy_tag("Mine", "Next").status == "OPEN"
    assert [payload.revision for payload in remote.payloads("Next")] == [3]


@pytest.mark.parametrize("token", [None, "wrong"])
def test_writing_needs_the_token(url: str, cache: PayloadCache, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    assert status_of(f"{url}v2/globalTag/DEV", "POST", b'{"name": "X"}', **headers)[0] == 401
    with pytest.raises(ConditionsError, match=TOKEN_VARIABLE):
        database(url, cache, token).create_tag("X")


def test_server_without_token_is_read_only(store: ConditionsStore, cache: PayloadCache) -> None:
    with serving(store.folder, token=None) as url, pytest.raises(ConditionsError, match="read only"):
        database(url, cache, "anything").create_tag("X")


def test_token_is_read_from_the_file_in_the_environment(
    url: str, cache: PayloadCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    monkeypatch.setenv(TOKEN_VARIABLE, str(tmp_path / "token"))
    assert database(url, cache, None).create_tag("X").name == "X"
    (tmp_path / "token").write_text("")
    with pytest.raises(ConditionsError, match="one line with the token"):
        database(url, cache, None).create_tag("Y")


def test_token_never_travels_in_clear_text() -> None:
    with pytest.raises(ConditionsError, match="clear text"):
        Transport("http://conditions.example.org/", token=TOKEN)
    Transport("https://conditions.example.org/", token=TOKEN)


@pytest.mark.parametrize("url", ["ftp://host/", "file:///etc/", "http://", "host/path", "https://user:pw@host/"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConditionsError, match="expected a URL"):
        Transport(url)


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "dbstore/../../../etc/passwd",
        "dbstore/x/dbstore_..%2f..%2fx_rev_1.root",
        "dbstore/model.pth/dbstore_other_rev_1.root",
        "/etc/passwd",
        "database.sqlite",
        "dbstore/model.pth/dbstore_model.pth_rev_1.root/",
    ],
)
def test_server_sends_nothing_but_payloads(url: str, path: str) -> None:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET /payloads/{path} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    if path.endswith("_rev_1.root/"):  # a trailing slash names the same payload
        assert answer.endswith(content_of(1))
    else:
        assert answer.split()[1] in (b"400", b"404")
        assert b"root:" not in answer


def test_malformed_requests_get_an_answer(url: str) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    assert status_of(f"{url}v2/iovPayloads/?gtName=Main")[0] == 400
    assert status_of(f"{url}v2/nothing")[0] == 404
    assert status_of(f"{url}v2/globalTag/DEV", "POST", b"not json", **token)[0] == 400
    assert status_of(f"{url}v2/globalTag/DEV", "POST", b"[]", **token)[0] == 400
    assert status_of(f"{url}v2/globalTag/DEV", "POST", b'{"name": "../x"}', **token)[0] == 400
    assert status_of(f"{url}v2/globalTag/99/clone", "POST", b'{"name": "x"}', **token)[0] == 404
    assert status_of(f"{url}v2/globalTag/1/updateGlobalTagStatus/GONE", "PUT", b"{}", **token)[0] == 400
    assert status_of(f"{url}v2/package/dbstore/module/x/payload", "POST", b"x", **token)[0] == 415
    multipart = {**token, "Content-Type": "multipart/mixed; boundary=b"}
    assert status_of(f"{url}v2/package/dbstore/module/x/payload", "POST", b"--b\r\n\r\n", **multipart)[0] == 400


def test_upload_that_was_damaged_on_its_way_is_refused(url: str, store: ConditionsStore) -> None:
    record = json.dumps({"checksum": "0" * 32})
    kinds = {"application/octet-stream": "content", "application/json": record}
    parts = "".join(f"--b\r\nContent-Type: {kind}\r\n\r\n{text}\r\n" for kind, text in kinds.items())
    body = f"{parts}--b--\r\n".encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/mixed; boundary=b"}
    status, answer = status_of(f"{url}v2/package/dbstore/module/x/payload", "POST", body, **headers)
    assert status == 400
    assert "send it again" in answer["message"]
    assert store.find_payload("x", 1) is None


def test_payload_damaged_on_the_server_is_refused(url: str, cache: PayloadCache, store: ConditionsStore) -> None:
    payload = store.find("Main", "model.pth", 0, 0)
    path = store.path_of(payload)
    content = bytearray(path.read_bytes())
    content[1000] ^= 4
    path.write_bytes(content)
    remote = database(url, cache)
    with pytest.raises(ConditionsError, match="damaged"):
        remote.fetch(remote.find("Main", "model.pth", 0, 0))
    assert not cache.path_of(payload).exists()


def test_damaged_file_in_the_cache_is_downloaded_again(url: str, cache: PayloadCache) -> None:
    remote = database(url, cache)
    path = remote.fetch(remote.find("Main", "model.pth", 0, 0))
    path.write_bytes(path.read_bytes()[:100])
    assert revision_in(remote.fetch(remote.find("Main", "model.pth", 0, 0))) == 1
    assert not list(cache.folder.rglob("*.partial"))


def test_job_goes_on_without_the_server_once_a_published_tag_was_asked(
    store: ConditionsStore, cache: PayloadCache
) -> None:
    store.publish("Main")
    with serving(store.folder) as url:
        find_payload("Main", "model.pth", 5, 3, places=[url], cache=cache, options=IMPATIENT)
    found = find_payload("Main", "model.pth", 5, 3, places=[url], cache=cache, options=IMPATIENT)
    assert revision_in(found.path) == 2


def test_open_tags_are_never_answered_from_memory(store: ConditionsStore, cache: PayloadCache) -> None:
    """An open tag may have a new revision by now: better no answer than a wrong one."""
    with serving(store.folder) as url:
        find_payload("Main", "model.pth", 5, 3, places=[url], cache=cache, options=IMPATIENT)
    with pytest.raises(ConditionsError, match="no answer"):
        find_payload("Main", "model.pth", 5, 3, places=[url], cache=cache, options=IMPATIENT)


def test_next_place_is_asked_where_one_is_silent(store: ConditionsStore, cache: PayloadCache) -> None:
    with serving(store.folder) as url:
        silent = "http://127.0.0.1:9/"
        found = find_payload("Main", "model.pth", places=[silent, url], cache=cache, options=IMPATIENT)
    assert found.place == url.rstrip("/")


class _Hostile(BaseHTTPRequestHandler):
    """Answers every request with what the test wants."""

    answer: bytes = b"{}"
    answer_by_path: Mapping[str, bytes] = {}
    n_requests = 0
    n_failures = 0

    def do_GET(self) -> None:
        type(self).n_requests += 1
        if self.n_requests <= self.n_failures:
            self.send_error(503)
            return
        answer = self.answer_by_path.get(self.path.partition("?")[0], self.answer)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hostile() -> Iterator[tuple[str, type[_Hostile]]]:
    handler = type("Handler", (_Hostile,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", handler
        server.shutdown()


@pytest.mark.parametrize(
    "change",
    [
        {"payloadUrl": "../../etc/passwd"},
        {"payloadUrl": "dbstore/../../../etc/passwd"},
        {"payloadUrl": "http://elsewhere/file"},
        {"payloadUrl": "//elsewhere/file"},
        {"payloadUrl": "a%2e%2e/b"},
        {"basf2Module": {"name": "../../etc/passwd"}},
        {"checksum": "../../../../etc/passwd"},
        {"checksum": None},
        {"revision": "x"},
    ],
)
def test_records_that_lead_elsewhere_are_refused(
    hostile: tuple[str, type[_Hostile]], cache: PayloadCache, change: dict[str, Any]
) -> None:
    url, handler = hostile
    payload = {
        "payloadId": 1, "basf2Module": {"name": "m"}, "revision": 1, "checksum": "0" * 32, "payloadUrl": "dbstore/m",
        "baseUrl": url,
    }  # fmt: skip
    interval = {"expStart": 0, "runStart": 0, "expEnd": -1, "runEnd": -1}
    tag = {"globalTagId": 1, "name": "Main", "globalTagStatus": {"name": "PUBLISHED"}}
    records = [{"payload": payload | change, "payloadIov": interval}]
    answers = {"/v2/globalTag/Main": tag, "/v2/iovPayloads/": records}
    handler.answer_by_path = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    remote = database(url, cache)
    assert remote.tag("Main").status == "PUBLISHED"
    with pytest.raises(ConditionsError):
        remote.valid("Main", 0, 0)
    assert not list(cache.folder.rglob("*passwd*"))


@pytest.mark.parametrize("base_url", ["file:///etc", "ftp://host", "../../etc"])
def test_payload_urls_of_other_kinds_are_refused(cache: PayloadCache, base_url: str) -> None:
    payload = Payload("passwd", 1, "0" * 32, url="passwd", base_url=base_url)
    with pytest.raises(ConditionsError, match="refusing"):
        database("http://127.0.0.1:9/", cache).fetch(payload)


def test_passing_failures_are_tried_again(hostile: tuple[str, type[_Hostile]]) -> None:
    url, handler = hostile
    handler.n_failures = 3
    answer = Transport(url, options=HttpOptions(timeout=5, n_retries=3, backoff=0.001)).get_json("x")
    assert answer == {}
    assert handler.n_requests == 4


@pytest.mark.parametrize("answer", [b"<html>busy</html>", b"\xff\xfe", b'{"half'])
def test_answers_that_are_not_json_count_as_silence(hostile: tuple[str, type[_Hostile]], answer: bytes) -> None:
    url, handler = hostile
    handler.answer = answer
    with pytest.raises(UnreachableError, match="not JSON"):
        Transport(url, options=IMPATIENT).get_json("x")


@pytest.mark.parametrize("answer", [b"[]", b"{}", b'"text"', b"[1]", b'{"name": 3}'])
def test_answers_of_another_form_are_refused(
    hostile: tuple[str, type[_Hostile]], cache: PayloadCache, answer: bytes
) -> None:
    url, handler = hostile
    handler.answer = answer
    with pytest.raises(ConditionsError):
        database(url, cache).valid("Main", 0, 0)


def test_what_a_killed_download_left_goes_with_the_next_one_of_any_payload(
    url: str, cache: PayloadCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.folder.mkdir()
    left = cache.folder / partial_name("other.pth")
    left.write_bytes(b"half of a payload")
    monkeypatch.setattr("smartbkg.storage.partial._visited", {})
    remote = database(url, cache)
    assert revision_in(remote.fetch(remote.find("Main", "model.pth", 0, 0))) == 1
    assert not list(cache.folder.glob(".*"))
