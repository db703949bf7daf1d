"""Whether a filter of kept events had no chance to keep some: a threshold, whose bias no weight mends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from smartbkg.sampling.policies import policy_from_dict

#: Settings of a merged file: labels of the biased policies of its parts.
BIASED_POLICIES: Final = "biased_policies"


def biased_policies(metadata: Mapping[str, Any]) -> set[str]:
    """Labels of the biased policies that a file of kept events records, of the files that it was merged from too."""
    settings = metadata.get("settings", {})
    found = set(map(str, settings.get(BIASED_POLICIES, ())))
    if "policy" in settings:
        policy = policy_from_dict(settings["policy"])
        found |= set() if policy.is_unbiased else {policy.label}
    return found


def warnings_of_lost_events(labels: Iterable[str], what: str) -> list[str]:
    """What the user of a sample must know.

    Parameters
    ----------
    labels : of biased policies.
    what : the sample, as the subject of a sentence.
    """
    return [
        f"'{label}' has lost what scores below it for ever, {what} is biased: see `smartbkg reweight`"
        for label in sorted(labels)
    ]
