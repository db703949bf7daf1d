"""Which policy a filter uses: the one that was asked for, else the one stored with the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smartbkg.errors import ModelError, UsageError
from smartbkg.sampling.policies import Policy, UnsolvedOptimal, parse_policy, policy_from_dict


def stored_policy(stored: Mapping[str, Any] | None, skims: tuple[str, ...], source: str) -> Policy:
    """The policy that a model carries for the chosen skims.

    A model of several skims may carry several: ``{"kind": "by_skim", "policies": {"skim a+skim b": policy}}``.

    Raises
    ------
    ModelError
        It carries none: says how to make one.
    """
    remedy = "solve it with `smartbkg plan`, or name another --policy"
    if stored is None:
        raise ModelError(f"{source}: the model carries no policy: {remedy}")
    if stored.get("kind") == "by_skim":
        found = stored["policies"].get("+".join(skims))
    else:
        # a joint policy is for as many skims as it has mean scores, one for a single skim has none
        n_skims = len(stored.get("mean_score") or (1,))
        found = stored if stored.get("kind") != "optimal" or n_skims == len(skims) else None
    if found is None:
        raise ModelError(f"{source}: the model carries no policy for {', '.join(skims)}: {remedy}")
    return policy_from_dict(found)


def choose_policy(
    text: str | None,
    stored: Mapping[str, Any] | None,
    skims: tuple[str, ...],
    source: str,
    max_weight: float | None = None,
) -> Policy:
    """The policy a user names; without a name, and for ``optimal``, the one the model carries.

    Raises
    ------
    ModelError
        ``optimal`` of a model for which it was never solved.
    """
    named = None if text is None else parse_policy(text, max_weight)
    if isinstance(named, Policy):
        return named
    policy = stored_policy(stored, skims, source)
    if isinstance(named, UnsolvedOptimal) and policy.kind != "optimal":
        raise ModelError(f"{source}: carries the policy '{policy.label}', not an optimal one: run `smartbkg plan`")
    if max_weight is not None:
        raise UsageError("--max-weight belongs to a policy that is named; the stored one was solved with its own")
    return policy
