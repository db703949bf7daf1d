"""The records of the conditions protocol come back as they were, and nothing in them leads out of its folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.conditions.interval import Interval
from smartbkg.conditions.payload import GlobalTag, Payload
from smartbkg.conditions.protocol import (
    check_relative_url,
    interval_record,
    parse_payload,
    parse_payload_url,
    parse_tag,
    payload_record,
    payload_url,
    tag_record,
)
from smartbkg.errors import ConditionsError

NUMBERS = st.integers(-1, 999_999)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(1, 10**9 - 1))
def test_payloads_and_intervals_survive_the_wire(first: int, run: int, last: int, last_run: int, revision: int) -> None:
    payload = Payload(
        "GATGAPgen.pth", revision, "a" * 32, Interval(first, run, last, last_run), sha256="b" * 64, identifier=7
    )
    found = parse_payload(payload_record(payload), interval_record(payload.interval), "server")
    assert found == payload._replace(url=payload_url(payload))
    assert parse_payload_url(found.url) == (payload.name, revision)


def test_tags_survive_the_wire() -> None:
    tag = GlobalTag("SmartBKG_GATGAP", "PUBLISHED", "for tests", 3)
    assert parse_tag(tag_record(tag), "server") == tag


@pytest.mark.parametrize(
    "url", ["../secret", "a/../../b", "http://elsewhere/x", "//host/x", "a//b", "", "a/./b", "a b"]
)
def test_a_path_that_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ConditionsError, match="not a path below the payload URL"):
        check_relative_url(url, "server")


@pytest.mark.parametrize(
    "url",
    [
        "dbstore/a/dbstore_b_rev_1.root",
        "dbstore/a/dbstore_a_rev_x.root",
        "etc/passwd",
        "dbstore/../dbstore_.._rev_1.root",
    ],
)
def test_the_server_opens_nothing_by_another_name(url: str) -> None:
    with pytest.raises(ConditionsError):
        parse_payload_url(url)


@pytest.mark.parametrize("broken", [{}, {"globalTagId": 1, "name": "x"}, {"globalTagStatus": None, "name": "x"}])
def test_a_record_of_another_form_is_one_line(broken: dict[str, object]) -> None:
    with pytest.raises(ConditionsError, match="server: not a global tag record"):
        parse_tag(broken, "server")
    with pytest.raises(ConditionsError, match="server: not a payload record"):
        parse_payload(broken, {}, "server")
