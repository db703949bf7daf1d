"""The embedded store offered over the Belle II REST protocol, so that a batch farm needs no shared disk.

Reading is open to whoever reaches the port; writing needs a token, and there is none unless it is asked for. Files are
found by looking up name and revision in the database, never by a path that a client sends. Every request opens the
store anew: the server can be killed and started again at any moment.
"""

from __future__ import annotations

import hmac
import json
import re
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, unquote, urlsplit

from smartbkg._version import __version__
from smartbkg.conditions.interval import parse_interval
from smartbkg.conditions.payload import GlobalTag, Payload, TagStatus, digest_file
from smartbkg.conditions.protocol import API, PAYLOADS, interval_record, parse_payload_url, payload_record, tag_record
from smartbkg.conditions.source import UnreachableError
from smartbkg.conditions.store import ConditionsStore
from smartbkg.conditions.transport import LOGGER
from smartbkg.errors import ConditionsError, SmartBKGError, nearest

DEFAULT_PORT: Final = 8765
_LARGEST_UPLOAD: Final = 1 << 30
_HOST: Final = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")
_BOUNDARY: Final = re.compile(r'boundary="?([^";\s]{1,70})"?')


class RefusedError(ConditionsError):
    """A request that is answered with an HTTP error status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConditionsServer(ThreadingHTTPServer):
    """Serves a store.

    Parameters
    ----------
    store : what is served.
    host, port : where to listen; port 0 takes a free one.
    token : secret that allows writing, None to serve for reading alone.
    """

    daemon_threads = True
    request_queue_size = 256  # a farm's jobs start together

    def __init__(
        self, store: ConditionsStore, host: str = "127.0.0.1", port: int = DEFAULT_PORT, token: str | None = None
    ) -> None:
        self.store = store
        self.token = token
        self.write_lock = threading.Lock()
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise ConditionsError(f"cannot listen on {host}:{port}: {error.strerror}") from error

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's full name, which can take minutes on a farm."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name = socket.gethostname() if host in ("0.0.0.0", "::") else str(host)
        self.server_port = int(port)

    @property
    def url(self) -> str:
        """URL for clients."""
        return f"http://{self.server_name}:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's
        """A client that goes away is no error of the server; anything else is logged."""
        LOGGER.info("request of %s broke off", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ConditionsServer
    server_version = f"smartbkg/{__version__}"
    timeout = 60.0

    routes: ClassVar[Sequence[tuple[str, re.Pattern[str], str]]] = [
        ("GET", re.compile(r"globalTags"), "list_tags"),
        ("GET", re.compile(r"globalTagStatus"), "list_statuses"),
        ("GET", re.compile(r"globalTag/([^/]+)"), "show_tag"),
        ("GET", re.compile(r"globalTag/([^/]+)/payloads"), "list_payloads"),
        ("GET", re.compile(r"globalTag/([^/]+)/globalTagPayloads"), "list_intervals"),
        ("GET", re.compile(r"iovPayloads/?"), "list_valid"),
        ("GET", re.compile(rf"{PAYLOADS}/(.+)"), "send_payload"),
        ("POST", re.compile(r"globalTag/DEV"), "create_tag"),
        ("POST", re.compile(r"globalTag/(\d+)/clone"), "copy_tag"),
        ("POST", re.compile(r"package/dbstore/module/([^/]+)/payload"), "add_payload"),
        ("POST", re.compile(r"checkPayloads"), "check_payloads"),
        ("POST", re.compile(r"globalTagPayload/(\d+),(\d+)/payloadIov/([-\d,]+)"), "add_interval"),
        ("PUT", re.compile(r"globalTag/(\d+)/updateGlobalTagStatus/(\w+)"), "set_status"),
    ]

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._answer("GET")

    def do_HEAD(self) -> None:
        """Answer a HEAD request: as GET, without the body."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Answer a POST request."""
        self._answer("POST")

    def do_PUT(self) -> None:
        """Answer a PUT request."""
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        try:
            target = urlsplit(self.path)
            path = unquote(target.path).strip("/").removeprefix(f"{API}/")
            query = {name: values[-1] for name, values in parse_qs(target.query).items()}
            action, arguments = self._route(method, path)
            if method != "GET":
                self._check_token()
            answer = action(query, *arguments)
            if answer is not None:
                self._send(HTTPStatus.OK, json.dumps(answer).encode())
        except RefusedError as error:
            self._send_error(error.status, str(error))
        except UnreachableError as error:
            self._send_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except SmartBKGError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))

    def _route(self, method: str, path: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
        for wanted, pattern, name in self.routes:
            match = pattern.fullmatch(path)
            if wanted == method and match is not None:
                return getattr(self, name), match.groups()
        raise RefusedError(HTTPStatus.NOT_FOUND, f"no such path: {method} {path[:200]!r}")

    def _check_token(self) -> None:
        """Let the holder of the token pass; the comparison takes the same time whatever is wrong."""
        if self.server.token is None:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this server is read only (it was started without a token)")
        sent = self.headers.get("Authorization", "")
        if not hmac.compare_digest(sent.encode(), f"Bearer {self.server.token}".encode()):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "writing needs the token of this server")

    # reading

    def list_tags(self, _query: Mapping[str, str]) -> list[dict[str, Any]]:
        """All global tags."""
        return [tag_record(tag) for tag in self.server.store.tags()]

    def list_statuses(self, _query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The statuses that a tag can have."""
        return [{"globalTagStatusId": number, "name": status} for number, status in enumerate(TagStatus, start=1)]

    def show_tag(self, _query: Mapping[str, str], name: str) -> dict[str, Any]:
        """One global tag."""
        return tag_record(self._tag(name))

    def list_payloads(self, _query: Mapping[str, str], name: str) -> list[dict[str, Any]]:
        """The payloads of a tag, each once."""
        known = {payload.identifier: payload for payload in self.server.store.payloads(self._tag(name).name)}
        return [self._record(payload) for payload in known.values()]

    def list_intervals(self, _query: Mapping[str, str], name: str) -> list[dict[str, Any]]:
        """The payloads of a tag, each with all its intervals."""
        records: dict[int, dict[str, Any]] = {}
        for payload in self.server.store.payloads(self._tag(name).name):
            empty = {"payloadId": self._record(payload), "payloadIovs": []}
            record = records.setdefault(payload.identifier, empty)
            record["payloadIovs"].append(interval_record(payload.interval))
        return list(records.values())

    def list_valid(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The payloads of a tag that hold for a run, the highest revision of each."""
        try:
            name, experiment, run = query["gtName"], int(query["expNumber"]), int(query["runNumber"])
        except (KeyError, ValueError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "expected ?gtName=NAME&expNumber=N&runNumber=N") from error
        valid = self.server.store.valid(self._tag(name).name, experiment, run)
        return [
            {"payload": self._record(payload), "payloadIov": interval_record(payload.interval)}
            for payload in valid.values()
        ]

    def send_payload(self, _query: Mapping[str, str], url: str) -> None:
        """The file of a payload, after its checksum was verified."""
        name, revision = parse_payload_url(url)
        payload = self.server.store.find_payload(name, revision)
        if payload is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"no payload {name} of revision {revision}")
        try:
            path = self.server.store.fetch(payload)
        except ConditionsError as error:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        with path.open("rb") as handle:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            if self.command != "HEAD":
                shutil.copyfileobj(handle, self.wfile, 1 << 18)

    # writing

    def create_tag(self, _query: Mapping[str, str]) -> dict[str, Any]:
        """A new, open global tag."""
        record = self._json_body()
        return tag_record(self.server.store.create_tag(_text(record, "name"), _text(record, "description")))

    def copy_tag(self, _query: Mapping[str, str], identifier: str) -> dict[str, Any]:
        """A new, open global tag with the payloads of another."""
        record = self._json_body()
        return tag_record(self.server.store.copy_tag(self._tag_of(int(identifier)).name, _text(record, "name")))

    def add_payload(self, _query: Mapping[str, str], name: str) -> dict[str, Any]:
        """A payload from a file and its MD5, as parts of a multipart/mixed body."""
        content, record = self._multipart_body()
        with tempfile.NamedTemporaryFile(prefix="smartbkg-upload-") as handle:
            handle.write(content)
            handle.flush()
            found = digest_file(Path(handle.name)).md5
            if found != record.get("checksum"):
                message = f"the file arrived with MD5 {found}, expected {record.get('checksum')}: send it again"
                raise RefusedError(HTTPStatus.BAD_REQUEST, message)
            with self.server.write_lock:
                return self._record(self.server.store.add_payload(name, Path(handle.name)))

    def check_payloads(self, _query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Those of the payloads, given by name and MD5, that the store has."""
        wanted = json.loads(self._body())
        pairs = {(str(entry.get("name")), str(entry.get("checksum"))) for entry in wanted if isinstance(entry, dict)}
        known = {(p.name, p.checksum): p for t in self.server.store.tags() for p in self.server.store.payloads(t.name)}
        return [self._record(payload) for key, payload in known.items() if key in pairs]

    def add_interval(self, _query: Mapping[str, str], tag: str, payload: str, interval: str) -> dict[str, Any]:
        """Put a payload into an open global tag."""
        with self.server.write_lock:
            self.server.store.add_interval(self._tag_of(int(tag)).name, int(payload), parse_interval(interval))
        return {"payloadIovId": int(payload), **interval_record(parse_interval(interval))}

    def set_status(self, _query: Mapping[str, str], identifier: str, status: str) -> dict[str, Any]:
        """Change the status of a global tag."""
        statuses = [known.value for known in TagStatus]
        if status not in statuses:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"unknown status '{status}': {nearest(status, statuses)}")
        store, tag = self.server.store, self._tag_of(int(identifier))
        is_publication = status == TagStatus.PUBLISHED
        return tag_record(store.publish(tag.name) if is_publication else store.set_status(tag.name, TagStatus(status)))

    # the parts of a request and an answer

    def _tag(self, name: str) -> GlobalTag:
        try:
            return self.server.store.tag(name)
        except UnreachableError:
            raise
        except ConditionsError as error:
            raise RefusedError(HTTPStatus.NOT_FOUND, str(error)) from error

    def _tag_of(self, identifier: int) -> GlobalTag:
        for tag in self.server.store.tags():
            if tag.identifier == identifier:
                return tag
        raise RefusedError(HTTPStatus.NOT_FOUND, f"no global tag with number {identifier}")

    def _record(self, payload: Payload) -> dict[str, Any]:
        host = self.headers.get("Host", "")
        base = f"http://{host}" if _HOST.fullmatch(host) else self.server.url.rstrip("/")
        return payload_record(payload._replace(base_url=f"{base}/{PAYLOADS}"))

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "a body needs its Content-Length")
        if int(length) > _LARGEST_UPLOAD:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_LARGEST_UPLOAD >> 20} MiB")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"{len(body)} of {length} bytes arrived")
        return body

    def _json_body(self) -> Mapping[str, Any]:
        return _parse_record(self._body())

    def _multipart_body(self) -> tuple[bytes, Mapping[str, Any]]:
        """The file and the JSON record of an upload."""
        boundary = _BOUNDARY.search(self.headers.get("Content-Type", ""))
        if boundary is None:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected multipart/mixed with a boundary")
        pieces = (b"\r\n" + self._body()).split(b"\r\n--" + boundary.group(1).encode())[1:-1]
        parts = [piece.removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces]
        records = [content for header, _, content in parts if b"application/json" in header.lower()]
        files = [content for header, _, content in parts if b"application/json" not in header.lower()]
        if len(records) != 1 or len(files) != 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "expected two parts: a file and a JSON record")
        return files[0], _parse_record(records[0])

    def _send(self, status: HTTPStatus, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        self._send(status, json.dumps({"code": status, "reason": status.phrase, "message": message}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the base class
        """One line a request, to the log of the package."""
        LOGGER.info("%s %s", self.address_string(), format % args)


def _parse_record(content: bytes) -> Mapping[str, Any]:
    try:
        record = json.loads(content)
    except ValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from error
    if not isinstance(record, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return record


def _text(record: Mapping[str, Any], key: str) -> str:
    return str(record.get(key) or "")
