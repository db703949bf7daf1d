"""Bodies of requests: what is stated must arrive, and no more than is allowed."""

from __future__ import annotations

import io
from http import HTTPStatus
from pathlib import Path

import pytest

from smartbkg.conditions.serving.upload import RefusedError, body_length, copy_body, parse_record, receive_upload

FILE = b"\r\nContent-Type: application/octet-stream\r\n\r\n"
RECORD = b"\r\nContent-Type: application/json\r\n\r\n"
TYPE = 'multipart/mixed; boundary="cut"'


def body(*parts: bytes) -> bytes:
    return b"".join(b"--cut" + part + b"\r\n" for part in parts) + b"--cut--\r\n"


@pytest.mark.parametrize(
    ("stated", "status"),
    [
        ("", HTTPStatus.LENGTH_REQUIRED), ("-1", HTTPStatus.LENGTH_REQUIRED), ("1e3", HTTPStatus.LENGTH_REQUIRED),
        ("٣", HTTPStatus.LENGTH_REQUIRED), ("9" * 30, HTTPStatus.LENGTH_REQUIRED),
        ("101", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ],
)  # fmt: skip
def test_a_length_that_is_none_or_too_large_is_refused(stated: str, status: HTTPStatus) -> None:
    with pytest.raises(RefusedError) as caught:
        body_length(stated, 100)
    assert caught.value.status == status
    assert body_length("100", 100) == 100


def test_a_body_that_ends_early_is_refused_and_what_follows_is_left_alone() -> None:
    stream, target = io.BytesIO(b"abcdef"), io.BytesIO()
    copy_body(stream, target, 4)
    assert (target.getvalue(), stream.read()) == (b"abcd", b"ef")
    with pytest.raises(RefusedError, match="2 of 3 bytes arrived"):
        copy_body(io.BytesIO(b"ab"), io.BytesIO(), 3)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_only_a_json_object_is_a_record(content: bytes) -> None:
    with pytest.raises(RefusedError):
        parse_record(content)
    assert parse_record(b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_arrives_whole_beside_its_record_and_goes_with_the_block(tmp_path: Path, order: int) -> None:
    content = b"weights\r\n--cuttlefish\r\n" + bytes(range(256))
    sent = body(*[FILE + content, RECORD + b'{"md5": "x"}'][::order])
    with receive_upload(io.BytesIO(sent), len(sent), TYPE, tmp_path, 1000) as upload:
        assert upload.record == {"md5": "x"}
        if order == 1:
            assert upload.path.read_bytes().startswith(b"weights")
        path = upload.path
        assert path.is_file()
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sent",
    [
        body(FILE + b"x"), body(RECORD + b"{}"), body(FILE + b"x", FILE + b"y", RECORD + b"{}"), b"", b"no delimiter",
        body(FILE + b"x", RECORD + b'{"a": "' + b"x" * 2000 + b'"}'),
    ],
)  # fmt: skip
def test_another_number_of_parts_or_a_long_record_is_refused_and_leaves_nothing(tmp_path: Path, sent: bytes) -> None:
    with pytest.raises(RefusedError, match="expected two parts"):
        receive_upload(io.BytesIO(sent), len(sent), TYPE, tmp_path, 1000)
    assert list(tmp_path.iterdir()) == []


def test_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        receive_upload(io.BytesIO(b""), 0, "text/plain", tmp_path, 1000)
    assert caught.value.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
