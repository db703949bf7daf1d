"""PDG codes that a model does not know: said once, when the first of them comes, and counted by the scorer."""

from __future__ import annotations

from smartbkg.b2modules.framework import import_basf2
from smartbkg.events import EventBatch
from smartbkg.networks.scorer import Scorer


def warn_of_first_unknown(scorer: Scorer, n_before: int, batch: EventBatch) -> None:
    """Name the codes of the first event that has such particles.

    Parameters
    ----------
    n_before : unknown particles before this event was scored.
    """
    if n_before or not scorer.n_unknown_codes:
        return
    _, is_unknown = scorer.graph_rule.tokens.tokens(batch.particle["PDG"])
    codes = ", ".join(map(str, sorted(set(batch.particle["PDG"][is_unknown].tolist()))))
    import_basf2().B2WARNING(
        f"smartbkg: the model does not know the PDG codes {codes}, and takes them for its unknown particle (this is "
        "said once)"
    )
