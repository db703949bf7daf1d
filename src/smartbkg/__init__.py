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
    from smartbkg.networks.model_file import load_scorer as load_model
    from smartbkg.sampling.policies import parse_policy, policy_from_dict
    from smartbkg.verbs.classifier import SkimClassifier
    from smartbkg.verbs.learn import dataset, evaluate, plan, train, validate
    from smartbkg.verbs.produce import filter_events as filter  # noqa: A004 - the verb's own name
    from smartbkg.verbs.produce import flag, generate, merge, score, simulate

_HOME: Final = {
    "EventBatch": "smartbkg.events",
    "EventFilter": "smartbkg.filtering.event_filter",
    "GraphRule": "smartbkg.graphs",
    "SkimClassifier": "smartbkg.verbs.classifier",
    "SmartBKGError": "smartbkg.errors",
    "create_events": "smartbkg.io",
    "dataset": "smartbkg.verbs.learn",
    "evaluate": "smartbkg.verbs.learn",
    "filter": "smartbkg.verbs.produce",
    "flag": "smartbkg.verbs.produce",
    "generate": "smartbkg.verbs.produce",
    "load_model": "smartbkg.networks.model_file",
    "merge": "smartbkg.verbs.produce",
    "open_events": "smartbkg.io",
    "parse_policy": "smartbkg.sampling.policies",
    "plan": "smartbkg.verbs.learn",
    "policy_from_dict": "smartbkg.sampling.policies",
    "score": "smartbkg.verbs.produce",
    "simulate": "smartbkg.verbs.produce",
    "train": "smartbkg.verbs.learn",
    "validate": "smartbkg.verbs.learn",
}
#: Names that the functions have at home, where these differ.
_NAME_AT_HOME: Final = {"filter": "filter_events", "load_model": "load_scorer"}

__all__ = [
    "__version__",
    "EventBatch",
    "EventFilter",
    "GraphRule",
    "SkimClassifier",
    "SmartBKGError",
    "create_events",
    "dataset",
    "evaluate",
    "filter",
    "flag",
    "generate",
    "load_model",
    "merge",
    "open_events",
    "parse_policy",
    "plan",
    "policy_from_dict",
    "score",
    "simulate",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'smartbkg' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), _NAME_AT_HOME.get(name, name))


#: For authors of programs; tab completion is for users and shows the verbs and the estimator.
_UNDERNEATH: Final = {
    "EventBatch",
    "EventFilter",
    "GraphRule",
    "SmartBKGError",
    "create_events",
    "parse_policy",
    "policy_from_dict",
}


def __dir__() -> list[str]:
    return sorted(set(__all__) - _UNDERNEATH)
