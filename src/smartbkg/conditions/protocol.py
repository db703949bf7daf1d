"""The Belle II REST protocol: paths and JSON records, the same for our client and our server.

    GET  v2/globalTags                            all global tags
    GET  v2/globalTag/{name}                      one global tag
    GET  v2/globalTag/{name}/globalTagPayloads    its payloads with all their intervals of validity
    GET  v2/iovPayloads/?gtName=&expNumber=&runNumber=    its payloads that hold for a run
    GET  {baseUrl}/{payloadUrl}                   the file of a payload
    POST v2/globalTag/DEV                         new global tag
    POST v2/package/dbstore/module/{name}/payload         new payload (multipart/mixed: file, JSON with the MD5)
    POST v2/globalTagPayload/{tag},{payload}/payloadIov/{interval}
    POST v2/globalTag/{tag}/clone                 copy
    PUT  v2/globalTag/{tag}/updateGlobalTagStatus/{status}

Names and records are those that basf2's ``CentralMetadataProvider`` and ``b2conditionsdb`` use; ``sha256`` is an
addition of ours that others may leave out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from smartbkg.conditions.interval import Interval
from smartbkg.conditions.payload import GlobalTag, Payload, check_checksum, check_name
from smartbkg.errors import ConditionsError

API: Final = "v2"
#: Path of the payload files below the URL of our server.
PAYLOADS: Final = "payloads"

_PAYLOAD_URL: Final = re.compile(r"dbstore/([^/]+)/dbstore_\1_rev_(\d{1,9})\.root")
_SAFE_URL: Final = re.compile(r"[A-Za-z0-9_.+/-]{1,400}")


def payload_url(payload: Payload) -> str:
    """Path of a payload below the payload URL, by basf2's pattern."""
    return f"dbstore/{payload.name}/dbstore_{payload.name}_rev_{payload.revision}.root"


def parse_payload_url(url: str) -> tuple[str, int]:
    """Name and revision of a payload from its path.

    Raises
    ------
    ConditionsError
        Any other path: the server never opens a file by a name that a client gives.
    """
    match = _PAYLOAD_URL.fullmatch(url)
    if match is None:
        raise ConditionsError(f"payload URL {url[:200]!r}: expected dbstore/<name>/dbstore_<name>_rev_<revision>.root")
    return check_name(match.group(1), "payload"), int(match.group(2))


def check_relative_url(url: str, source: str) -> str:
    """The path itself, if it stays below the URL it is appended to.

    Raises
    ------
    ConditionsError
        It is absolute, names another host, or climbs upwards.
    """
    path = url.removeprefix("/")
    if _SAFE_URL.fullmatch(path) is None or any(part in ("", ".", "..") for part in path.split("/")):
        raise ConditionsError(f"{source}: refusing the payload URL {url[:200]!r}: not a path below the payload URL")
    return path


def tag_record(tag: GlobalTag) -> dict[str, Any]:
    """The JSON record of a global tag."""
    return {
        "globalTagId": tag.identifier,
        "name": tag.name,
        "description": tag.description,
        "isDefault": False,
        "globalTagStatus": {"name": tag.status},
        "globalTagType": {"name": "DEV"},
    }


def parse_tag(record: Mapping[str, Any], source: str) -> GlobalTag:
    """The global tag of a JSON record.

    Raises
    ------
    ConditionsError
        The record has another form.
    """
    try:
        status = record["globalTagStatus"]["name"]
        return GlobalTag(
            check_name(str(record["name"]), "global tag"), str(status), str(record.get("description") or ""),
            int(record["globalTagId"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConditionsError(f"{source}: not a global tag record: {str(record)[:120]}") from error


def payload_record(payload: Payload) -> dict[str, Any]:
    """The JSON record of a payload, without its interval."""
    return {
        "payloadId": payload.identifier,
        "basf2Module": {"name": payload.name, "basf2Package": {"name": "dbstore"}},
        "revision": payload.revision,
        "checksum": payload.checksum,
        "sha256": payload.sha256,
        "payloadUrl": payload.url or payload_url(payload),
        "baseUrl": payload.base_url,
    }


def interval_record(interval: Interval) -> dict[str, int]:
    """The JSON record of an interval of validity."""
    return {
        "expStart": interval.first_experiment,
        "runStart": interval.first_run,
        "expEnd": interval.final_experiment,
        "runEnd": interval.final_run,
    }


def parse_payload(payload: Mapping[str, Any], interval: Mapping[str, Any], source: str) -> Payload:
    """The payload of two JSON records.

    Raises
    ------
    ConditionsError
        The records have another form, or a name, checksum or URL that is not safe.
    """
    try:
        return Payload(
            name=check_name(str(payload["basf2Module"]["name"]), "payload"),
            revision=int(payload["revision"]),
            checksum=check_checksum(str(payload["checksum"]), source),
            interval=Interval(
                int(interval["expStart"]), int(interval["runStart"]), int(interval["expEnd"]), int(interval["runEnd"])
            ),
            sha256=str(payload.get("sha256") or ""),
            url=check_relative_url(str(payload["payloadUrl"]), source),
            base_url=str(payload.get("baseUrl") or ""),
            identifier=int(payload.get("payloadId") or 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConditionsError(f"{source}: not a payload record: {str(payload)[:120]}") from error
