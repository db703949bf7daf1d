"""Conditions database: models and settings by global tag, payload name and run."""

from smartbkg.conditions.interval import ALWAYS, Interval, parse_interval
from smartbkg.conditions.payload import GlobalTag, Payload, TagStatus
from smartbkg.conditions.resolve import Resolved, find_payload, open_source, open_writable, resolve_payload
from smartbkg.conditions.store import ConditionsStore

__all__ = [
    "ALWAYS",
    "ConditionsStore",
    "GlobalTag",
    "Interval",
    "Payload",
    "Resolved",
    "TagStatus",
    "find_payload",
    "open_source",
    "open_writable",
    "parse_interval",
    "resolve_payload",
]
