"""Limits on the connections of a server: how many, how long each part of a request may take, who has to go first.

A connection that says nothing costs a thread and a descriptor. Each one therefore has a deadline for each part of its
request, and where all places are taken, the one that has waited longest without having sent a request makes room.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ServerLimits:
    """What one client can take from all others."""

    n_connections: int = 512
    """Connections at once, at most; fewer where the system grants fewer descriptors."""
    request_seconds: float = 10.0
    """Time for the request line and the headers."""
    grace_seconds: float = 10.0
    """Time for a body or an answer of any size ..."""
    slowest_bytes_per_second: float = 65_536.0
    """... and the rate that larger ones must reach."""
    largest_upload: int = 1 << 30
    """Bytes of a payload file that is uploaded."""
    largest_record: int = 1 << 20
    """Bytes of a JSON record."""

    def seconds_for(self, n_bytes: int) -> float:
        """Time for a body or an answer of that size."""
        return self.grace_seconds + n_bytes / self.slowest_bytes_per_second


#: Descriptors that the process keeps for itself, and those that one connection may use: socket, database, payload file.
_OWN_DESCRIPTORS: Final = 40
_DESCRIPTORS_EACH: Final = 3
#: A connection younger than this is never ended to make room: its request may be on its way.
_YOUNGEST_TO_END: Final = 0.25
_LOOK_SECONDS: Final = 0.1


def affordable_connections(wanted: int) -> int:
    """How many connections the descriptors of this process are enough for, after asking for as many as are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * _DESCRIPTORS_EACH + _OWN_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - _OWN_DESCRIPTORS) // _DESCRIPTORS_EACH))


@dataclass
class _State:
    begun: float
    deadline: float
    has_request: bool = False


class Connections:
    """The open connections of a server.

    Parameters
    ----------
    limits : how many there may be, and how long they may take.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self.n_most = affordable_connections(limits.n_connections)
        self._states: dict[socket.socket, _State] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._watcher = threading.Thread(target=self._watch, name="connections", daemon=True)
        self._watcher.start()

    def __len__(self) -> int:
        return len(self._states)

    def admit(self, connection: socket.socket) -> None:
        """Take a new connection in; where all places are taken, wait until one is free or was taken away."""
        with self._changed:
            while len(self._states) >= self.n_most and not self._is_closed:
                if not self._end_longest_waiting():
                    self._changed.wait(_LOOK_SECONDS)
            now = time.monotonic()
            self._states[connection] = _State(now, now + self.limits.request_seconds)

    def expect(self, connection: socket.socket, n_bytes: int) -> None:
        """Give a connection, whose request has arrived, the time for a body or answer of that size."""
        with self._changed:
            state = self._states.get(connection)
            if state is not None:
                state.has_request = True
                state.deadline = time.monotonic() + self.limits.seconds_for(n_bytes)

    def release(self, connection: socket.socket) -> None:
        """Forget a connection that is closed."""
        with self._changed:
            self._states.pop(connection, None)
            self._changed.notify_all()

    def close(self) -> None:
        """End all connections and the watch over them."""
        with self._changed:
            self._is_closed = True
            for connection in list(self._states):
                self._end(connection)
            self._changed.notify_all()
        self._watcher.join()

    def _end_longest_waiting(self) -> bool:
        now = time.monotonic()
        waiting = [
            (state.begun, connection)
            for connection, state in self._states.items()
            if not state.has_request and now - state.begun > _YOUNGEST_TO_END
        ]
        if not waiting:
            return False
        self._end(min(waiting, key=lambda entry: entry[0])[1])
        return True

    def _end(self, connection: socket.socket) -> None:
        """Wake the thread that serves a connection: it finds the connection at its end, and closes it."""
        self._states.pop(connection, None)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _watch(self) -> None:
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                for connection in [c for c, state in self._states.items() if state.deadline < now]:
                    self._end(connection)
                self._changed.wait(_LOOK_SECONDS)


__all__ = ["Connections", "ServerLimits", "affordable_connections"]
