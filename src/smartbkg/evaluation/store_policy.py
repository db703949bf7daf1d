"""Writing a solved policy back into a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from smartbkg.errors import UsageError
from smartbkg.events.skim_choice import choose_skims
from smartbkg.networks.bundle import load_bundle, save_bundle
from smartbkg.networks.model_file import model_suffix
from smartbkg.sampling.plan import Plan
from smartbkg.scores.calibration import Calibration
from smartbkg.surrogate.stored import SurrogateRecord


def store_policy(
    model: Path,
    plan: Plan,
    output: Path,
    calibration: Calibration | None = None,
    surrogate: SurrogateRecord | None = None,
) -> Path:
    """Write a model file with the recommended policy to ``output``, which may be the model itself.

    A policy for all skims of the model becomes its policy; one for some of them is stored beside it by their names. A
    new calibration, where there is one, replaces the model's. Where the plan was made with a surrogate, the
    policy becomes the one for the combined score, beside that of the network alone.

    Raises
    ------
    UsageError
        The file is no ``.safetensors``: other formats have no place for a policy.
    """
    if model_suffix(model) != ".safetensors":
        raise UsageError(f"{model}: a policy can be stored in .safetensors only: `smartbkg model convert` makes one")
    bundle = load_bundle(model)
    policy = {**plan.recommended.to_dict(), "skims": list(plan.skims), "costs": plan.costs.to_dict()}
    choose_skims(bundle.skims, plan.skims, holder=f"{model}: has no skim")
    stored: Mapping[str, Any] = policy
    if set(plan.skims) != set(bundle.skims):
        before = (bundle.policy if surrogate is None else surrogate.policy) or {}
        policies = dict(before["policies"]) if before.get("kind") == "by_skim" else {}
        if before and before.get("kind") != "by_skim":
            policies["+".join(bundle.skims)] = dict(before)
        stored = {"kind": "by_skim", "policies": {**policies, "+".join(plan.skims): policy}}
    best = plan.outlooks[0]
    figures = {"speed_up": best.speed_up.value, "speed_up_error": best.speed_up.error, "n_events": plan.n_events}
    metrics = {**bundle.metrics, "plan": {**figures, "skims": list(plan.skims), "kept_fraction": best.kept_fraction}}
    calibrated = bundle.calibration if calibration is None else calibration
    if surrogate is not None:
        save_bundle(output, replace(bundle, surrogate=replace(surrogate, policy=stored), metrics=metrics))
        return output
    save_bundle(output, replace(bundle, policy=stored, metrics=metrics, calibration=calibrated))
    return output
