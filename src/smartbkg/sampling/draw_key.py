"""What decides on an event besides the event itself: seed, stream, the draws it has come through, and the rule.

The uniform number of an event is a function of (seed, purpose "draw", stream, earlier draws, event). The event is its
id (experiment, run, event) *and* a digest of its content (`smartbkg.events.content`), so that different events that
carry the same id, as jobs that number alike make them, are drawn independently, while any order, chunk, format and
number of workers give the same decision. A filter of events that a filter has kept finds the earlier draws in the
file's record; with them in the key it draws anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import UsageError
from smartbkg.events.batch import EventBatch
from smartbkg.events.columns import EVENT_ID
from smartbkg.events.content import content_digests
from smartbkg.events.draw_history import RULE_OF_IDS, digest_of_draws, merged_draws, recorded_draws
from smartbkg.seeds import derive_seed, event_uniform, event_uniforms

#: Draws by seed, stream, earlier draws, event id and content.
RULE: Final = 2
RULES: Final = (RULE_OF_IDS, RULE)


@dataclass(frozen=True)
class DrawKey:
    """What decides on events, besides the events.

    Attributes
    ----------
    seed : any integer; another one gives an independent sample.
    stream : None = each event's content decides beside its id. A name decides in its place: for events whose content
        is not the same bits every time. Events of one stream and one id share their number, so each job needs a stream
        of its own.
    earlier : digest of the draws that the events have come through; empty for generated events.
    rule : version of the rule, 1 or 2.
    method : ``independent`` or ``systematic``.

    Raises
    ------
    UsageError
        An unknown rule, or a stream or earlier draws that rule 1 knows nothing of.
    """

    seed: int
    stream: str | None = None
    earlier: str = ""
    rule: int = RULE
    method: str = "independent"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UsageError(f"draw rule {self.rule}: this version knows {', '.join(map(str, RULES))}")
        if self.rule == RULE_OF_IDS and (self.stream is not None or self.earlier):
            raise UsageError("draw rule 1 knows no streams and no earlier draws: a second filter under it is biased")

    def derived_seed(self, purpose: str = "draw", *keys: int | str) -> int:
        """The seed of this key for a purpose.

        The purpose keeps the draw apart from a generator or a simulation under the same seed: else the decision would
        depend on what it must be independent of.
        """
        if self.rule == RULE_OF_IDS:
            return derive_seed(self.seed, purpose, *keys)
        kind = "content" if self.stream is None else "stream"
        return derive_seed(self.seed, purpose, self.rule, kind, self.stream or "", self.earlier, *keys)

    @property
    def uses_content(self) -> bool:
        """Whether the content of an event is a part of its key."""
        return self.rule != RULE_OF_IDS and self.stream is None

    def uniforms(
        self, experiment: ArrayLike, run: ArrayLike, event: ArrayLike, content: ArrayLike | None = None, *keys: str
    ) -> NDArray[np.float64]:
        """(n_events,) the uniform number in [0, 1) that decides on each event.

        Parameters
        ----------
        experiment, run, event : (n_events,) what the event is known by.
        content : (n_events,) digests of its content; looked at where `uses_content`.
        keys : further names, for several draws per event.
        """
        if self.uses_content and content is None:
            raise UsageError("the digests of the events' content decide on them, and are not given")
        seed = self.derived_seed("draw", *keys)
        return event_uniforms(seed, experiment, run, event, content=content if self.uses_content else None)

    def of_events(self, batch: EventBatch, *keys: str) -> NDArray[np.float64]:
        """(n_events,) `uniforms` of the events of a batch."""
        content = content_digests(batch) if self.uses_content else None
        if len(batch) == 1:  # an event loop: plain numbers cost a tenth of arrays of one
            one = int(content[0]) if content is not None else None
            return np.array([event_uniform(self.derived_seed("draw", *keys), *batch.event_id(0), content=one)])
        experiment, run, event = (batch.event[name] for name in EVENT_ID)
        return self.uniforms(experiment, run, event, content, *keys)

    def to_dict(self) -> dict[str, Any]:
        """As it is recorded in files."""
        content: dict[str, Any] = {"rule": self.rule, "seed": self.seed, "method": self.method}
        if self.stream is not None:
            content["stream"] = self.stream
        if self.earlier:
            content["earlier"] = self.earlier
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DrawKey:
        """The key that a file records."""
        stream = content.get("stream")
        return cls(
            int(content["seed"]),
            None if stream is None else str(stream),
            str(content.get("earlier", "")),
            int(content.get("rule", RULE_OF_IDS)),
            str(content.get("method", "independent")),
        )


__all__ = ["RULE", "RULES", "RULE_OF_IDS", "DrawKey", "digest_of_draws", "merged_draws", "recorded_draws"]
