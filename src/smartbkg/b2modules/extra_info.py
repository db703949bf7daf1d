"""``EventExtraInfo``: registered once, made where it is absent, written without complaint where a name is there."""

from __future__ import annotations

from typing import Any

from smartbkg.b2modules.framework import belle2


class ExtraInfo:
    """Numbers that travel with the event into every output file."""

    def __init__(self) -> None:
        self._object: Any = belle2().PyStoreObj("EventExtraInfo")

    def register(self) -> None:
        """Announce it; to be called in ``initialize``."""
        if not self._object.isValid():
            self._object.registerInDataStore()

    def event_type(self) -> str:
        """The process that the generator wrote down, empty where it did not."""
        return str(self._object.getEventType()) if self._object.isValid() else ""

    def write(self, **values: float) -> None:
        """Store numbers (plain floats) under their names, making the object where the event has none."""
        if not self._object.isValid():
            self._object.create()
        info = self._object.obj()
        for name, value in values.items():
            info.setExtraInfo(name, value)
