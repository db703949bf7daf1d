"""Reading and writing events in the formats of the field."""

from smartbkg.io.formats import create_events, known_formats, open_events
from smartbkg.io.reader import EventFormat, EventReader, EventWriter, ReadOptions

__all__ = ["EventFormat", "EventReader", "EventWriter", "ReadOptions", "create_events", "known_formats", "open_events"]
