"""smartbkg: stop simulating events nobody will keep, without biasing those that are kept.

The public names are imported when they are used, so that ``import smartbkg`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from smartbkg._version import __version__

if TYPE_CHECKING:
    from smartbkg.errors import SmartBKGError
    from smartbkg.events import EventBatch
    from smartbkg.filtering.event_filter import EventFilter
    from smartbkg.graphs import GraphRule
    from smartbkg.io import create_events, open_events
    from smartbkg.networks.model_file import load_scorer
    from smartbkg.sampling.policies import parse_policy, policy_from_dict

_HOME: Final = {
    "EventBatch": "smartbkg.events",
    "EventFilter": "smartbkg.filtering.event_filter",
    "GraphRule": "smartbkg.graphs",
    "SmartBKGError": "smartbkg.errors",
    "create_events": "smartbkg.io",
    "load_scorer": "smartbkg.networks.model_file",
    "open_events": "smartbkg.io",
    "parse_policy": "smartbkg.sampling.policies",
    "policy_from_dict": "smartbkg.sampling.policies",
}

__all__ = [
    "EventBatch",
    "EventFilter",
    "GraphRule",
    "SmartBKGError",
    "__version__",
    "create_events",
    "load_scorer",
    "open_events",
    "parse_policy",
    "policy_from_dict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'smartbkg' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
