"""HTTP with retries and timeouts: what a job needs when thousands of its kind ask one server that may restart."""

from __future__ import annotations

import http.client
import io
import logging
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.parse import urlsplit

from smartbkg.conditions.source import UnreachableError
from smartbkg.errors import ConditionsError
from smartbkg.storage.json_content import from_json
from smartbkg.storage.machine import disk_errors

LOGGER: Final = logging.getLogger("smartbkg.conditions")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_BLOCK: Final = 1 << 18
_LARGEST_REPLY: Final = 256 << 20
_LARGEST_PAYLOAD: Final = 4 << 30
#: The server is there but cannot answer now; every other error status is an answer.
_PASSING: Final = (429, 500, 502, 503, 504)

Result = TypeVar("Result")


@dataclass(frozen=True)
class HttpOptions:
    """How patient a client is."""

    timeout: float = 20.0
    """Seconds without an answer after which a try is given up."""
    n_retries: int = 7
    """Further tries after the first one."""
    backoff: float = 0.2
    """Seconds before the first retry; doubled each time up to 10 s, with a random factor of 0.5 to 1."""


class NotFoundError(ConditionsError):
    """The server has no such thing (HTTP 404)."""


class Transport:
    """Requests to one server.

    Parameters
    ----------
    base_url : ``http://`` or ``https://`` URL below which all requests go.
    token : secret that allows writing; sent to the server of ``base_url`` alone, never in clear text over a network.

    Raises
    ------
    ConditionsError
        Not such a URL, or a token that would travel in clear text.
    """

    def __init__(self, base_url: str, *, token: str | None = None, options: HttpOptions | None = None) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ConditionsError(f"{base_url}: expected a URL such as https://host/path/")
        is_loopback = parts.hostname in _LOOPBACK
        if token is not None and parts.scheme == "http" and not is_loopback:
            raise ConditionsError(f"{base_url}: refusing to send the token in clear text: use https")
        self.base_url = base_url.rstrip("/") + "/"
        self._token = token
        self._options = options or HttpOptions()
        self._opener = _http_opener(uses_proxy=not is_loopback)

    def get_json(self, path: str) -> Any:
        """The JSON answer to a GET request."""
        return self._with_retries(path, lambda: self._json("GET", path, None, {}))

    def send_json(self, method: str, path: str, content: bytes, content_type: str = "application/json") -> Any:
        """The JSON answer to a writing request. It is not repeated once the server may have acted on it."""
        return self._json(method, path, content, {"Content-Type": content_type})

    def download(self, url: str, partial: Path) -> None:
        """Write the answer to a GET request to a file.

        Parameters
        ----------
        url : absolute, or a path below ``base_url``.
        """
        self._with_retries(url, lambda: self._download(url, partial))

    def _with_retries(self, path: str, attempt: Callable[[], Result]) -> Result:
        for n_tried in range(self._options.n_retries + 1):
            try:
                return attempt()
            except UnreachableError as error:
                if n_tried == self._options.n_retries:
                    raise
                pause = min(10.0, self._options.backoff * 2**n_tried) * random.uniform(0.5, 1.0)
                LOGGER.warning("%s; trying again in %.1f s (%s)", error, pause, path)
                time.sleep(pause)
        raise UnreachableError(f"{self.base_url}: the number of retries must not be negative")

    def _open(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> IO[bytes]:
        is_absolute = "://" in path
        url = path if is_absolute else self.base_url + path
        if urlsplit(url).scheme not in ("http", "https"):
            raise ConditionsError(f"{url[:200]}: refusing a URL that is neither http nor https")
        request = urllib.request.Request(
            url, data=content, method=method, headers={"Accept": "application/json", **headers}
        )
        if self._token is not None and not is_absolute:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        response: IO[bytes] = self._opener.open(request, timeout=self._options.timeout)
        return response

    def _json(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Any:
        try:
            with self._open(method, path, content, headers) as response:
                reply = response.read(_LARGEST_REPLY)
            return from_json(reply)
        except (ValueError, UnicodeDecodeError) as error:
            raise UnreachableError(f"{self.base_url}{path}: the answer is not JSON") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._explained(error, path) from error

    def _download(self, url: str, partial: Path) -> None:
        try:
            with self._open("GET", url, None, {"Accept": "*/*"}) as response, _create(partial) as handle:
                n_bytes = 0
                while block := response.read(_BLOCK):
                    n_bytes += len(block)
                    if n_bytes > _LARGEST_PAYLOAD:
                        raise ConditionsError(f"{url}: longer than {_LARGEST_PAYLOAD >> 30} GiB: refused")
                    with disk_errors(partial):  # a full disk here is no silence of the server
                        handle.write(block)
                        handle.flush()
                expected = response.headers.get("Content-Length")  # type: ignore[attr-defined]  # HTTPResponse
            if expected is not None and expected.isdigit() and int(expected) != n_bytes:
                raise UnreachableError(f"{url}: {n_bytes} of {expected} bytes arrived")
        except (OSError, http.client.HTTPException) as error:
            raise self._explained(error, url) from error

    def _explained(self, error: Exception, path: str) -> ConditionsError:
        """What went wrong, as an error that says whether another try or another server can help."""
        where = path if "://" in path else self.base_url + path
        if isinstance(error, urllib.error.HTTPError):
            message = _message_of(error)
            if error.code == 404:
                return NotFoundError(f"{where}: {message}")
            if error.code in _PASSING:
                return UnreachableError(f"{where}: HTTP {error.code}: {message}")
            if error.code in (401, 403):
                return ConditionsError(
                    f"{where}: HTTP {error.code}: {message} (the token is read from the file named in "
                    "SMARTBKG_CONDITIONS_TOKEN)"
                )
            return ConditionsError(f"{where}: HTTP {error.code}: {message}")
        reason = getattr(error, "reason", None) or error
        return UnreachableError(f"{where}: no answer: {reason}")


def _create(path: Path) -> io.BufferedWriter:
    """A new file to write to."""
    with disk_errors(path):
        return path.open("wb")


def _http_opener(*, uses_proxy: bool) -> urllib.request.OpenerDirector:
    """An opener of http and https alone: urllib's own would follow a redirection to ftp, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(None if uses_proxy else {}),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _message_of(error: urllib.error.HTTPError) -> str:
    """The message of the server's JSON error record, or the reason of the status line."""
    with error:
        try:
            record = from_json(error.read(1 << 16))
            return str(record.get("message") or record.get("reason"))[:500]
        except (ValueError, OSError, AttributeError, http.client.HTTPException):
            return str(error.reason)
