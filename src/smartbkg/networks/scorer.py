"""Scores of events, as fast as the CPU allows: the one way in which filters, productions and basf2 run a model.

`load_scorer` opens any model file (``.safetensors``, upstream's ``.pth``, ``.onnx``). Architectures with compiled
kernels run without torch; the others, and every model on a GPU, run in torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import EventError, ModelError
from smartbkg.events import EventBatch
from smartbkg.graphs import DecayGraphs, GraphRule, build_graphs
from smartbkg.networks.backends import Backend, make_backend
from smartbkg.networks.bundle import ModelBundle
from smartbkg.networks.config import positions_of
from smartbkg.scores.calibration import Calibration, Identity


class Scorer:
    """A model ready to score events.

    Parameters
    ----------
    backend : evaluates the network.
    skims, graph_rule, processes, calibration, policy : as in `smartbkg.networks.bundle.ModelBundle`.
    source : file of the model, for messages.

    Attributes
    ----------
    n_unknown_codes : particles so far whose PDG code was not in the token table.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        skims: tuple[str, ...],
        graph_rule: GraphRule,
        processes: tuple[str, ...] = (),
        calibration: Calibration | None = None,
        policy: Mapping[str, Any] | None = None,
        source: str = "",
    ) -> None:
        self.backend = backend
        self.skims = skims
        self.graph_rule = graph_rule
        self.processes = processes
        self.calibration: Calibration = Identity() if calibration is None else calibration
        self.policy = policy
        self.source = source
        self.n_unknown_codes = 0

    @property
    def reading_rule(self) -> GraphRule | None:
        """What of an event must be read: what this rule keeps, or all of it where None."""
        return self.graph_rule

    @property
    def surrogate_settings(self) -> Mapping[str, Any]:
        """What an output records of the surrogate that was asked; nothing where there is none."""
        return {}

    def logits(self, batch: EventBatch) -> NDArray[np.float32]:
        """The network's outputs.

        Returns
        -------
        (n_events, n_skims) float32. An event of which the graph rule keeps no particle is scored as an empty graph.

        Raises
        ------
        EventError
            A kept particle has a number that is not finite, or mothers are ambiguous.
        """
        graphs = build_graphs(batch, self.graph_rule)
        self.n_unknown_codes += graphs.n_unknown_codes
        if not np.isfinite(graphs.feature).all():
            raise _not_finite(batch, graphs, self.graph_rule)
        return self.backend(graphs, positions_of(batch.event["process"], self.processes))

    def scores(self, batch: EventBatch) -> NDArray[np.float64]:
        """Calibrated probabilities to pass each skim: (n_events, n_skims) float64 in (0, 1)."""
        return self.calibrate(self.logits(batch), batch.event["process"])

    def calibrate(self, logits: ArrayLike, process: ArrayLike | None = None) -> NDArray[np.float64]:
        """Scores of logits (n_events, n_skims) that were computed before."""
        return self.calibration.apply(logits, process)


def _not_finite(batch: EventBatch, graphs: DecayGraphs, rule: GraphRule) -> EventError:
    node, column = (int(i) for i in np.argwhere(~np.isfinite(graphs.feature))[0])
    event = int(np.searchsorted(graphs.offsets, node, side="right")) - 1
    particle = int(graphs.particle[node])
    name = rule.features[column]
    return EventError(
        f"{name} of particle {particle - int(batch.offsets[event])} is {batch.particle[name][particle]}, "
        "expected a finite number",
        source=batch.source,
        event=batch.event_id(event),
    )


def scorer_of(
    bundle: ModelBundle,
    *,
    threads: int | None = None,
    device: str = "cpu",
    source: str = "",
    without_surrogate: bool = False,
) -> Scorer:
    """A scorer of a model in memory, run by what `smartbkg.networks.backends.make_backend` chooses.

    Parameters
    ----------
    without_surrogate : leave out the model's surrogate: the network alone, with its own calibration and policy.

    Raises
    ------
    ModelError
        The weights do not fit the architecture; the model's surrogate is not installed; or nothing is left without it.
    UsageError
        The device is unknown or absent, or ``threads`` is not positive.
    """
    backend = make_backend(
        bundle.config, state=lambda: bundle.state, network=bundle.build, device=device, threads=threads
    )
    network = Scorer(
        backend,
        skims=bundle.skims,
        graph_rule=bundle.graph_rule,
        processes=bundle.processes,
        calibration=bundle.calibration,
        policy=bundle.policy,
        source=source,
    )
    if bundle.surrogate is None:
        return network
    if without_surrogate:
        if bundle.config.architecture == "none":
            raise ModelError(
                f"{source}: the model is its surrogate '{bundle.surrogate.name}' alone, nothing is left without"
            )
        return network
    from smartbkg.networks.surrogate_scorer import with_surrogate

    return with_surrogate(network, bundle.surrogate, threads)


__all__ = ["Scorer", "scorer_of"]
