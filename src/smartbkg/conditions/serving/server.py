"""The embedded store offered over the Belle II REST protocol, so that a batch farm needs no shared disk.

Reading is open to whoever reaches the port; writing needs a token, and there is none unless it is asked for. Files are
found by looking up name and revision in the database, never by a path that a client sends. Every request opens the
store anew: the server can be killed and started again at any moment. No client can take it from the others: see
`smartbkg.conditions.serving.connections`.
"""

from __future__ import annotations

import hmac
import io
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, unquote, urlsplit

from smartbkg._version import __version__
from smartbkg.conditions.interval import parse_interval
from smartbkg.conditions.payload import GlobalTag, Payload, TagStatus, digest_file
from smartbkg.conditions.protocol import API, PAYLOADS, interval_record, parse_payload_url, payload_record, tag_record
from smartbkg.conditions.serving.connections import Connections, ServerLimits
from smartbkg.conditions.serving.upload import (
    RefusedError,
    body_length,
    copy_body,
    parse_record,
    receive_upload,
    send_file,
)
from smartbkg.conditions.source import UnreachableError
from smartbkg.conditions.store import ConditionsStore
from smartbkg.conditions.transport import LOGGER
from smartbkg.errors import ConditionsError, SmartBKGError, nearest
from smartbkg.storage.json_content import from_json
from smartbkg.storage.machine import MachineError

DEFAULT_PORT: Final = 8765
_HOST: Final = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")


class ConditionsServer(ThreadingHTTPServer):
    """Serves a store.

    Parameters
    ----------
    store : what is served.
    host, port : where to listen; port 0 takes a free one.
    token : secret that allows writing, None to serve for reading alone.
    public_url : URL by which clients reach it, behind a proxy that speaks https for example.
    limits : what one client can take from all others.
    """

    daemon_threads = True
    request_queue_size = 256  # a farm's jobs start together

    def __init__(
        self,
        store: ConditionsStore,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        token: str | None = None,
        *,
        public_url: str | None = None,
        limits: ServerLimits | None = None,
    ) -> None:
        self.store = store
        self.token = token
        self.public_url = _checked_url(public_url)
        self.write_lock = threading.Lock()
        self.connections = Connections(limits or ServerLimits())
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            self.connections.close()
            raise ConditionsError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', error)}") from error

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, as soon as there is room for it."""
        self.connections.admit(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.connections.release(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and end all connections."""
        super().server_close()
        self.connections.close()

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's full name, which can take minutes on a farm."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name = socket.gethostname() if host in ("0.0.0.0", "::") else str(host)
        self.server_port = int(port)

    @property
    def url(self) -> str:
        """URL for clients."""
        if self.public_url is not None:
            return f"{self.public_url}/"
        return f"http://{self.server_name}:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's
        """A client that goes away is no error of the server; anything else is logged."""
        LOGGER.info("request of %s broke off", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ConditionsServer
    server_version = f"smartbkg/{__version__}"

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
        self.server.connections.expect(self.connection, 0)
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
        except MachineError as error:
            self._send_error(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        except SmartBKGError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))
        except ValueError as error:  # a path that cannot be taken apart, a number that is none
            self._send_error(HTTPStatus.BAD_REQUEST, str(error)[:200])

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
            size = path.stat().st_size
            self.server.connections.expect(self.connection, size)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if self.command != "HEAD":
                send_file(handle, self.wfile)

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
        length = body_length(self.headers.get("Content-Length", ""), self.server.connections.limits.largest_upload)
        self.server.connections.expect(self.connection, length)
        store, largest_record = self.server.store, self.server.connections.limits.largest_record
        kind = self.headers.get("Content-Type", "")
        with receive_upload(self.rfile, length, kind, store.folder, largest_record) as upload:
            found = digest_file(upload.path)
            if found.md5 != upload.record.get("checksum"):
                message = (
                    f"the file arrived with MD5 {found.md5}, expected {upload.record.get('checksum')}: send it again"
                )
                raise RefusedError(HTTPStatus.BAD_REQUEST, message)
            with self.server.write_lock:
                self.server.connections.expect(self.connection, found.n_bytes)
                return self._record(store.add_payload(name, upload.path))

    def check_payloads(self, _query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Those of the payloads, given by name and MD5, that the store has."""
        try:
            wanted = from_json(self._body())
        except (ValueError, RecursionError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from error
        if not isinstance(wanted, list):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not a JSON list")
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
        return payload_record(payload._replace(base_url=f"{self._base_url()}/{PAYLOADS}"))

    def _base_url(self) -> str:
        """The URL by which this client reaches the server, as far as that is known."""
        host = self.headers.get("Host", "")
        if self.server.public_url is not None or _HOST.fullmatch(host) is None:
            return self.server.url.rstrip("/")
        is_https = self.headers.get("X-Forwarded-Proto", "").lower() == "https"
        return f"http{'s' if is_https else ''}://{host}"

    def _body(self) -> bytes:
        length = body_length(self.headers.get("Content-Length", ""), self.server.connections.limits.largest_record)
        self.server.connections.expect(self.connection, length)
        content = io.BytesIO()
        copy_body(self.rfile, content, length)
        return content.getvalue()

    def _json_body(self) -> Mapping[str, Any]:
        return parse_record(self._body())

    def _send(self, status: HTTPStatus, content: bytes) -> None:
        self.server.connections.expect(self.connection, len(content))
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


def _checked_url(url: str | None) -> str | None:
    """The URL without its last slash.

    Raises
    ------
    ConditionsError
        It is no http or https URL.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ConditionsError(f"{url}: expected a URL such as https://host/path")
    return url.rstrip("/")


def _text(record: Mapping[str, Any], key: str) -> str:
    return str(record.get(key) or "")
