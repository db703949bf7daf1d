"""A conditions server for tests, in a thread or in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from smartbkg.conditions import ConditionsStore
from smartbkg.conditions.serving.server import ConditionsServer

TOKEN = "a-token-for-tests"


@contextlib.contextmanager
def serving(folder: Path, token: str | None = TOKEN, port: int = 0) -> Iterator[str]:
    """URL of a server of that store."""
    with ConditionsServer(ConditionsStore(folder), port=port, token=token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def start_server(folder: Path, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """A server in its own process, and its URL."""
    run = "from smartbkg.cli import main; main()"
    command = [sys.executable, "-c", run, "conditions", "serve", "--port", str(port), "--at", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = process.stdout.readline().split()
    return process, next(word for word in words if word.startswith("http://"))
