"""Worker processes on this machine. A worker that dies is replaced, and its chunk is done by another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, Final

from smartbkg.campaign.campaign import worker_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.errors import SmartBKGError

_TICK: Final = 0.5
_PATIENCE: Final = 20.0


def _stop(_signal_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _work(root: Path, pipe: Connection) -> None:
    """A worker: takes bundles, sends outcomes, ends when told so or when nobody is at the other end."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the parent tells us
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        try:
            campaign = worker_campaign(root)
        except SmartBKGError as error:
            pipe.send(str(error))
            return
        while True:
            for index in pipe.recv():
                pipe.send(attempt_chunk(campaign, index))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending: nothing is left to give up


class _Worker:
    """A worker process as its parent sees it."""

    def __init__(self, root: Path, context: Any) -> None:
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(root, other), daemon=True)
        self.process.start()
        other.close()
        self.bundle: list[int] = []

    def stop(self) -> None:
        """End it: first kindly, so that it clears up. One that waits for work ends by itself."""
        self.pipe.close()
        if not self.bundle:
            self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run_local(root: Path, dispatcher: Dispatcher, n_workers: int, tick: Callable[[], None] = lambda: None) -> None:
    """Do all chunks of a dispatcher with worker processes.

    Parameters
    ----------
    tick : called about twice a second.

    Raises
    ------
    SmartBKGError
        The machine refuses (a full disk), or workers cannot open the campaign.
    """
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    try:
        with _few_threads():
            workers += [_Worker(root, context) for _ in range(n_workers)]
        while True:
            for worker in workers:
                _hand_out(worker, dispatcher)
            if dispatcher.is_finished:
                return
            _collect(workers, dispatcher)
            dispatcher.check_hosts([socket.gethostname()])
            for position, worker in enumerate(workers):
                if not worker.process.is_alive() and not worker.pipe.poll():
                    workers[position] = _replaced(worker, root, context, dispatcher)
            tick()
    finally:
        for worker in workers:
            worker.stop()


@contextlib.contextmanager
def _few_threads() -> Any:
    """Workers that are as many as the cores shall not each start as many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    added = [name for name in names if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _hand_out(worker: _Worker, dispatcher: Dispatcher) -> None:
    if worker.bundle or not worker.process.is_alive():
        return
    worker.bundle = dispatcher.next_bundle()
    if worker.bundle:
        with contextlib.suppress(OSError):  # it has just died: seen in the next round
            worker.pipe.send(worker.bundle)


def _collect(workers: list[_Worker], dispatcher: Dispatcher) -> None:
    """Take the outcomes that are there, after waiting a moment for some."""
    by_pipe = {worker.pipe: worker for worker in workers}
    for ready in wait([*by_pipe, *(worker.process.sentinel for worker in workers)], _TICK):
        worker = by_pipe.get(ready)
        if worker is None:
            continue
        with contextlib.suppress(EOFError, OSError):
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if isinstance(message, str):
                    raise SmartBKGError(message)
                worker.bundle.remove(message.chunk)
                dispatcher.report(message)


def _replaced(worker: _Worker, root: Path, context: Any, dispatcher: Dispatcher) -> _Worker:
    """Another worker in place of one that has died, if there is work for it."""
    code = worker.process.exitcode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
    dispatcher.lost(worker.bundle, f"workers died {how} while they made this chunk")
    worker.stop()
    with _few_threads():
        return _Worker(root, context)
