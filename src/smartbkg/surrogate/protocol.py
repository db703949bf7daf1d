"""What a fast simulation must offer to be asked inside a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch

#: Entry-point group of surrogates: ``name = "module:kind"``, a `SurrogateKind` each.
ENTRY_POINTS: Final = "smartbkg.surrogates"


class Surrogate(Protocol):
    """A fast simulation of detector, reconstruction and skims."""

    @property
    def name(self) -> str:
        """A short name for tables, such as ``belle2``."""

    @property
    def kind(self) -> str:
        """Name of the `SurrogateKind` that opens it again from its settings."""

    @property
    def version(self) -> str:
        """Changes whenever the same settings give other results."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain values for JSON: all that a model file must hold to open it again."""

    @property
    def events_at_once(self) -> int:
        """Events that one call should get: few where each costs alike, many where a call costs much."""

    def check(self, skims: Sequence[str]) -> None:
        """Raise a `SmartBKGError` where it cannot run, or does not know one of the skims."""

    def count(
        self, batch: EventBatch, skims: Sequence[str], seed: int, first: int, n_replicas: int
    ) -> NDArray[np.int32]:
        """How often each event passes each skim.

        Parameters
        ----------
        batch : generated events.
        skims : names.
        seed : of this purpose alone (`smartbkg.surrogate.replicas.surrogate_seed`). The result for an event may depend
            on it, on the event and on the number of the replica, and on nothing else.
        first : number of the first replica.
        n_replicas : independent repetitions ``first``, ..., ``first + n_replicas - 1``.

        Returns
        -------
        (n_events, n_skims) int32, passes among the replicas, 0 to ``n_replicas``.
        """


@dataclass(frozen=True)
class SurrogateKind:
    """How surrogates of one kind are named and opened; what an entry point offers."""

    recognise: Callable[[str], Surrogate | None]
    """What a user wrote → the surrogate, None where it is not of this kind."""
    restore: Callable[[Mapping[str, Any]], Surrogate]
    """`Surrogate.settings` → the surrogate again."""
    syntax: str
    """How a user names one, for messages."""
