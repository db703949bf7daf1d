"""Bodies of requests: JSON records in memory, payload files block by block to disk."""

from __future__ import annotations

import contextlib
import io
import itertools
import mmap
import re
import shutil
import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from smartbkg.errors import ConditionsError
from smartbkg.storage.json_content import from_json
from smartbkg.storage.machine import disk_errors
from smartbkg.storage.partial import partial_file

_BOUNDARY: Final = re.compile(r'boundary="?([^";\s]{1,70})"?')
_BLOCK: Final = 1 << 18
_LARGEST_HEADER: Final = 4096
_LONGEST_LENGTH: Final = 19

Bytes = io.BufferedIOBase | IO[bytes]


class RefusedError(ConditionsError):
    """A request that is answered with an HTTP error status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def body_length(stated: str, largest: int) -> int:
    """The length of a body, from the header ``Content-Length``.

    Raises
    ------
    RefusedError
        It is not stated, or more than ``largest``.
    """
    if not (stated.isascii() and stated.isdigit() and len(stated) < _LONGEST_LENGTH):
        raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "a body needs its Content-Length")
    if int(stated) > largest:
        message = f"at most {largest >> 20} MiB" if largest >> 20 else f"at most {largest} bytes"
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return int(stated)


def copy_body(stream: Bytes, target: Bytes, length: int) -> None:
    """Copy a body of that length, block by block.

    Raises
    ------
    RefusedError
        It ends before.
    """
    left = length
    while left and (block := stream.read(min(left, _BLOCK))):
        target.write(block)
        left -= len(block)
    if left:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{length - left} of {length} bytes arrived")


def parse_record(content: bytes) -> Mapping[str, Any]:
    """A JSON object.

    Raises
    ------
    RefusedError
        It is none.
    """
    try:
        record = from_json(content)
    except (ValueError, RecursionError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from error
    if not isinstance(record, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return record


class _Part(NamedTuple):
    """A part of a multipart body."""

    is_record: bool
    start: int
    stop: int


def receive_upload(stream: Bytes, length: int, content_type: str, folder: Path, largest_record: int) -> Upload:
    """Receive a multipart/mixed body of a file and a JSON record; the file goes to disk.

    Parameters
    ----------
    folder : where the temporary files are, best on the file system of the store.

    Raises
    ------
    RefusedError
        Another form, or it ends before its stated length.
    MachineError
        The disk is full.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected multipart/mixed with a boundary")
    refusal = RefusedError(HTTPStatus.BAD_REQUEST, "expected two parts: a file and a JSON record")
    with disk_errors(folder / "upload"), tempfile.TemporaryFile(dir=folder, prefix=".upload.") as body:
        copy_body(stream, body, length)
        body.flush()
        if length == 0:
            raise refusal
        with mmap.mmap(body.fileno(), 0, access=mmap.ACCESS_READ) as content:
            parts = _parts(content, b"--" + boundary.group(1).encode())
            records = [part for part in parts if part.is_record]
            files = [part for part in parts if not part.is_record]
            if len(records) != 1 or len(files) != 1 or records[0].stop - records[0].start > largest_record:
                raise refusal
            record = parse_record(content[records[0].start : records[0].stop])
        with contextlib.ExitStack() as stack:
            path = stack.enter_context(partial_file(folder / "upload"))
            body.seek(files[0].start)
            with path.open("wb") as file:
                copy_body(body, file, files[0].stop - files[0].start)
            return Upload(path, record, stack.pop_all())


def _parts(content: mmap.mmap, delimiter: bytes) -> list[_Part]:
    """Where the parts between delimiters begin and end, without their headers."""
    places = []
    place = content.find(delimiter)
    while place >= 0:
        if place == 0 or content[place - 2 : place] == b"\r\n":
            places.append(place)
        place = content.find(delimiter, place + len(delimiter))
    parts = []
    for start, stop in itertools.pairwise(places):
        begin = start + len(delimiter)
        end_of_header = content.find(b"\r\n\r\n", begin, min(stop, begin + _LARGEST_HEADER))
        if end_of_header >= 0:
            header = content[begin:end_of_header].lower()
            parts.append(_Part(b"application/json" in header, end_of_header + 4, stop - 2))
    return parts


class Upload:
    """A file and its record that have arrived.

    Parameters
    ----------
    path : the file, temporary.
    record : its JSON record.
    stack : removes the file at the end of the ``with`` block.
    """

    def __init__(self, path: Path, record: Mapping[str, Any], stack: contextlib.ExitStack) -> None:
        self.path = path
        self.record = record
        self._stack = stack

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def send_file(source: Bytes, target: Bytes) -> None:
    """Copy a file into an answer, block by block."""
    shutil.copyfileobj(source, target, _BLOCK)


__all__ = ["RefusedError", "Upload", "body_length", "copy_body", "parse_record", "receive_upload", "send_file"]
