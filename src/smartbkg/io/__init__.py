"""Reading and writing events in the formats of the field.

The formats are imported when a file is opened, so that a verb's options cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smartbkg.io.reader import EventFormat, EventReader, EventWriter, ReadOptions

if TYPE_CHECKING:
    from smartbkg.io.formats import create_events, known_formats, open_events, reading_for

__all__ = [
    "EventFormat",
    "EventReader",
    "EventWriter",
    "ReadOptions",
    "create_events",
    "known_formats",
    "open_events",
    "reading_for",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'smartbkg.io' has no attribute '{name}'")
    from smartbkg.io import formats

    return getattr(formats, name)
