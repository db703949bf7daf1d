"""Payloads: safe names, contents that are proved, and which of several holds for a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from smartbkg.conditions.interval import Interval
from smartbkg.conditions.payload import (
    Payload,
    check_checksum,
    check_file,
    check_name,
    digest_file,
    valid_payloads,
)
from smartbkg.errors import ConditionsError


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a" * 201, "blank ed", "null\0", "line\n"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ConditionsError, match="payload name"):
        check_name(name, "payload")


def test_names_of_belle2_pass() -> None:
    for name in ("GATGAPgen.pth", "SmartBKG_GATGAP", "main_2024-01.v1+x"):
        assert check_name(name, "payload") == name


@pytest.mark.parametrize("checksum", ["", "g" * 32, "A" * 32, "a" * 31])
def test_only_an_md5_is_a_checksum(checksum: str) -> None:
    with pytest.raises(ConditionsError, match="is not an MD5"):
        check_checksum(checksum, "server")


def test_a_file_is_digested_in_one_pass(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "p").write_bytes(content)
    found = digest_file(tmp_path / "p")
    assert found == (hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest(), len(content))
    with pytest.raises(ConditionsError, match="cannot read"):
        digest_file(tmp_path / "missing")


def test_a_changed_file_is_not_the_payload_whichever_checksum_tells(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b"weights")
    digests = digest_file(path)
    payload = Payload("p", 3, digests.md5, sha256=digests.sha256)
    assert check_file(path, payload) == path
    for wrong in (payload._replace(checksum="0" * 32), payload._replace(sha256="0" * 64)):
        with pytest.raises(ConditionsError, match="p revision 3 is damaged"):
            check_file(path, wrong)


def test_of_several_payloads_the_highest_revision_that_holds_is_chosen() -> None:
    one = Payload("p", 1, "a" * 32)
    two = Payload("p", 2, "b" * 32, Interval(0, 10, 0, 20))
    other = Payload("q", 1, "c" * 32, Interval(1, 0, -1, -1))
    for payloads in ([one, two, other], [other, two, one]):
        assert valid_payloads(payloads, 0, 15) == {"p": two}
        assert valid_payloads(payloads, 0, 21) == {"p": one}
        assert valid_payloads(payloads, 3, 0) == {"p": one, "q": other}
