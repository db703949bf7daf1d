"""``EventExtraInfo``: made where it is absent, and numbers of others in it left as they are."""

from __future__ import annotations

from typing import Any, Final

from smartbkg.b2modules.framework import belle2
from smartbkg.errors import EventError
from smartbkg.sampling.draw_key import DrawKey

_KEEP_PROBABILITY: Final = "_keep_probability"
_N_DRAWS: Final = "_draws"
#: How many filters of skims came after the first, for a second one of the same skim adds no name.
FURTHER_DRAWS: Final = "SmartBKG_further_draws"
#: What the names of weights of basf2's module ``SmartBackground`` begin with.
SKIM_WEIGHT: Final = "weight_"


def draw_key(seed: int, n_draws: int) -> DrawKey:
    """The key of the next draw for an event that has come through some already: another one after each of them.

    Without any it is the key of `smartbkg filter`, so that both decide alike.
    """
    return DrawKey(seed, earlier=f"basf2:{n_draws}" if n_draws else "")


class ExtraInfo:
    """Numbers that travel with the event into every output file."""

    def __init__(self) -> None:
        self._object: Any = belle2().PyStoreObj("EventExtraInfo")

    def register(self) -> None:
        """Announce it; to be called in ``initialize``. That basf2 has done so already does not matter."""
        self._object.registerInDataStore()

    def event_type(self) -> str:
        """The process that the generator wrote down, empty where it did not."""
        return str(self._object.getEventType()) if self._object.isValid() else ""

    def value(self, name: str) -> float | None:
        """A number, None where the event has none of that name."""
        if not self._object.isValid() or not self._object.hasExtraInfo(name):
            return None
        return float(self._object.getExtraInfo(name))

    def n_draws(self) -> int:
        """How many draws the event has come through, by the keep probabilities and weights that it carries.

        The number grows with every filter, so that no two of them share their draw.
        """
        if not self._object.isValid():
            return 0
        names = [str(name) for name in self._object.getNames()]
        filters = [name.removesuffix(_KEEP_PROBABILITY) for name in names if name.endswith(_KEEP_PROBABILITY)]
        of_skims = len(self.skim_weights()) + int(self.value(FURTHER_DRAWS) or 0)
        return of_skims + sum(int(self.value(name + _N_DRAWS) or 1) for name in filters)

    def skim_weights(self) -> dict[str, float]:
        """The weights of earlier filters of skims, by their names in ``EventExtraInfo``."""
        if not self._object.isValid():
            return {}
        info = self._object.obj()
        return {n: float(info.getExtraInfo(n)) for n in map(str, info.getNames()) if n.startswith(SKIM_WEIGHT)}

    def refuse_if_there(self, name: str, remedy: str) -> None:
        """Stop where an earlier filter has written under a name.

        Raises
        ------
        EventError
            It has.
        """
        value = self.value(name)
        if value is not None:
            raise EventError(
                f"EventExtraInfo has '{name}' = {value:g} already: the sample was filtered before, and the weight of "
                f"that filter would be lost; {remedy}"
            )

    def write(self, **values: float) -> None:
        """Store numbers (plain floats) under their names, making the object where the event has none."""
        if not self._object.isValid():
            self._object.create()
        info = self._object.obj()
        for name, value in values.items():
            info.setExtraInfo(name, value)
