"""A conditions database behind the Belle II REST protocol."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from smartbkg.conditions.cache import PayloadCache
from smartbkg.conditions.interval import Interval, check_interval
from smartbkg.conditions.payload import GlobalTag, Payload, TagStatus, check_name, digest_file, valid_payloads
from smartbkg.conditions.protocol import API, check_relative_url, parse_payload, parse_tag
from smartbkg.conditions.source import UnreachableError, WritableSource
from smartbkg.conditions.transport import LOGGER, HttpOptions, NotFoundError, Transport
from smartbkg.errors import ConditionsError

TOKEN_VARIABLE: Final = "SMARTBKG_CONDITIONS_TOKEN"
_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH


def read_token() -> str | None:
    """The token in the file that ``SMARTBKG_CONDITIONS_TOKEN`` names, None where the variable is not set.

    Raises
    ------
    ConditionsError
        The file cannot be read or is empty.
    """
    name = os.environ.get(TOKEN_VARIABLE)
    return read_token_file(Path(name)) if name else None


def read_token_file(path: Path) -> str:
    """The token in a file.

    Raises
    ------
    ConditionsError
        The file cannot be read, others than its owner can read it, or it is empty or of several lines.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & _READ_BY_OTHERS:
            raise ConditionsError(f"{path}: others can read this token: chmod 600 it, and make a new one")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConditionsError(f"{path}: cannot read the token: {error}") from error
    if not token or not token.isprintable():
        raise ConditionsError(f"{path}: expected one line with the token")
    return token


class RestDatabase(WritableSource):
    """Conditions database at a URL.

    Answers about published tags, which cannot change, and all files are kept in the cache: a job goes on without the
    server once it has asked what it needs.

    Parameters
    ----------
    base_url : URL that ``v2/globalTag/...`` is appended to.
    cache : where downloaded files are kept.
    token : secret for writing; by default from the file that ``SMARTBKG_CONDITIONS_TOKEN`` names, when it is needed.
    """

    def __init__(
        self,
        base_url: str,
        cache: PayloadCache | None = None,
        *,
        token: str | None = None,
        options: HttpOptions | None = None,
    ) -> None:
        self.place = base_url.rstrip("/").removesuffix(f"/{API}")
        self._cache = cache or PayloadCache()
        self._options = options
        self._token = token
        self._http = Transport(self.place, options=options)
        self._writer: Transport | None = None

    def _get(self, path: str, is_final: Callable[[Any], bool]) -> Any:
        """An answer from the server, or the kept one where the server does not answer.

        Parameters
        ----------
        is_final : whether an answer can never change, so that it may be kept.
        """
        key = hashlib.sha256(f"{self.place} {path}".encode()).hexdigest()
        try:
            answer = self._http.get_json(f"{API}/{path}")
        except UnreachableError:
            kept = self._cache.recall(key)
            if kept is None:
                raise
            LOGGER.warning("%s does not answer: going on with what it said of %s before", self.place, path)
            return kept
        if is_final(answer):
            self._cache.remember(key, answer)
        return answer

    def tags(self) -> list[GlobalTag]:
        records = self._http.get_json(f"{API}/globalTags")
        return [parse_tag(record, self.place) for record in _list_of(records, self.place)]

    def find_tag(self, name: str) -> GlobalTag | None:
        check_name(name, "global tag")

        def is_published(record: Any) -> bool:
            return parse_tag(record, self.place).status == TagStatus.PUBLISHED

        try:
            return parse_tag(self._get(f"globalTag/{quote(name, safe='')}", is_published), self.place)
        except NotFoundError:
            return None

    def payloads(self, tag: str) -> list[Payload]:
        is_published = self.tag(tag).status == TagStatus.PUBLISHED
        records = self._get(f"globalTag/{quote(tag, safe='')}/globalTagPayloads", lambda _: is_published)
        found = [
            parse_payload(record["payloadId"], interval, self.place)
            for record in _list_of(records, self.place)
            for interval in record["payloadIovs"]
        ]
        return sorted(found, key=lambda payload: (payload.name, payload.revision, payload.interval))

    def valid(self, tag: str, experiment: int, run: int) -> dict[str, Payload]:
        is_published = self.tag(tag).status == TagStatus.PUBLISHED
        query = urlencode({"gtName": tag, "expNumber": experiment, "runNumber": run})
        records = self._get(f"iovPayloads/?{query}", lambda _: is_published)
        found = [
            parse_payload(record["payload"], record["payloadIov"], self.place)
            for record in _list_of(records, self.place)
        ]
        return valid_payloads(found, experiment, run)

    def fetch(self, payload: Payload) -> Path:
        path = check_relative_url(payload.url, self.place)
        base = payload.base_url or f"{self.place}/payloads"
        if "://" not in base:
            base = f"{self.place}/{check_relative_url(base, self.place)}"
        elif urlsplit(base).scheme not in ("http", "https"):
            raise ConditionsError(f"{self.place}: refusing the payload URL {base[:200]!r}: neither http nor https")
        url = f"{base.rstrip('/')}/{path}"
        return self._cache.fetch(payload, lambda partial: self._http.download(url, partial))

    def _send(self, method: str, path: str, content: bytes, content_type: str = "application/json") -> Any:
        if self._writer is None:
            token = self._token if self._token is not None else read_token()
            if token is None:
                raise ConditionsError(
                    f"{self.place}: writing needs a token: put it into a file and name that in {TOKEN_VARIABLE}"
                )
            self._writer = Transport(self.place, token=token, options=self._options)
        return self._writer.send_json(method, f"{API}/{path}", content, content_type)

    def create_tag(self, name: str, description: str = "") -> GlobalTag:
        check_name(name, "global tag")
        record = {"name": name, "description": description, "isDefault": False}
        return parse_tag(self._send("POST", "globalTag/DEV", json.dumps(record).encode()), self.place)

    def put(
        self, tag: str, name: str, file: Path, interval: Interval, *, is_new: bool = False, description: str = ""
    ) -> Payload:
        """As in `WritableSource.put`; the protocol has three requests for it, each of which may be repeated."""
        check_name(name, "payload")
        check_interval(interval)
        md5 = digest_file(file).md5
        target = self._new_tag(tag, description, (name, md5, interval)) if is_new else self.tag(tag)
        content, content_type = _multipart(name, file.read_bytes(), {"checksum": md5, "isDefault": False})
        record = self._send("POST", f"package/dbstore/module/{quote(name, safe='')}/payload", content, content_type)
        identifier = int(record["payloadId"])
        self._send("POST", f"globalTagPayload/{target.identifier},{identifier}/payloadIov/{interval}", b"{}")
        return Payload(name, int(record["revision"]), md5, interval, identifier=identifier)

    def _new_tag(self, tag: str, description: str, entry: tuple[str, str, Interval]) -> GlobalTag:
        """The tag, made unless it is there already with that entry alone, or with nothing."""
        known = self.find_tag(tag)
        if known is None:
            return self.create_tag(tag, description)
        found = [(payload.name, payload.checksum, payload.interval) for payload in self.payloads(tag)]
        if found and found != [entry]:
            raise ConditionsError(
                f"{self.place}: global tag '{tag}' exists already, with {len(found)} entries: leave --new out to add "
                "to it"
            )
        return known

    def publish(self, tag: str) -> GlobalTag:
        path = f"globalTag/{self.tag(tag).identifier}/updateGlobalTagStatus/{TagStatus.PUBLISHED}"
        return parse_tag(self._send("PUT", path, b"{}"), self.place)

    def copy_tag(self, tag: str, new_name: str) -> GlobalTag:
        check_name(new_name, "global tag")
        record = {"name": new_name, "description": f"copy of {tag}", "isDefault": False}
        path = f"globalTag/{self.tag(tag).identifier}/clone"
        return parse_tag(self._send("POST", path, json.dumps(record).encode()), self.place)


def _list_of(records: Any, source: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ConditionsError(f"{source}: expected a list of records, got {str(records)[:120]}")
    return records


def _multipart(name: str, content: bytes, record: Mapping[str, Any]) -> tuple[bytes, str]:
    """A multipart/mixed body of a file and a JSON record, and its content type."""
    boundary = secrets.token_hex(16)
    parts = [
        (f'name="{name}"', "application/octet-stream", content),
        ('name="json"', "application/json", json.dumps(record).encode()),
    ]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {field}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for field, kind, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/mixed; boundary={boundary}"
