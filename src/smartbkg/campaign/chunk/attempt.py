"""An attempt at a chunk: it ends with the record, with the news that another attempt was first, or with a failure."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from smartbkg.campaign.campaign import Campaign, worker_campaign
from smartbkg.campaign.chunk.chain import make_chunk
from smartbkg.campaign.chunk.record import as_bytes, read_record
from smartbkg.campaign.folder import CampaignFolder
from smartbkg.campaign.publication import publish_once
from smartbkg.errors import FileFormatError, SmartBKGError
from smartbkg.storage.atomic import write_text_atomically
from smartbkg.storage.machine import MachineError, is_of_machine

_LINES_OF_LOG: Final = 40
#: ``done``: the record is this attempt's. ``known``: another attempt was first. ``failed``, ``machine``: see message.
State = Literal["done", "known", "failed", "machine"]


class Outcome(NamedTuple):
    """How an attempt ended: all that goes back to who handed out the chunk."""

    chunk: int
    state: State
    seconds: float
    """Wall time."""
    n_events: int
    """Events generated, where the record is this attempt's."""
    message: str
    """What went wrong, in one line."""
    host: str


def attempt_chunk(campaign: Campaign, index: int) -> Outcome:
    """Make a chunk unless it is done, and publish its record.

    A chunk that is given up by SIGTERM or Ctrl-C (`KeyboardInterrupt`) leaves nothing and counts as no failure.
    """
    folder, chunk = campaign.folder, campaign.plan[index]
    started, host, attempt = time.monotonic(), socket.gethostname(), secrets.token_hex(4)
    if folder.record(index).exists():
        return Outcome(index, "known", 0.0, 0, "", host)
    data = folder.data(index, attempt)
    try:
        with _machine_errors(data):
            data.mkdir(parents=True)
        content = make_chunk(campaign, chunk, attempt, data)
        won = publish_once(folder.record(index), as_bytes(content))
    except Exception as error:  # noqa: BLE001 - whatever a stage raises is a failure of this chunk, not of the campaign
        _give_up(folder, index, attempt, data)
        seconds = time.monotonic() - started
        if folder.record(index).exists():  # another attempt was first, and cleaned up behind us
            return Outcome(index, "known", seconds, 0, "", host)
        state: State = "machine" if is_of_machine(error) else "failed"
        note_failure(folder, index, attempt, error, state)
        return Outcome(index, state, seconds, 0, _line(error), host)
    except BaseException:
        _give_up(folder, index, attempt, data)
        raise
    if not won:
        shutil.rmtree(data, ignore_errors=True)
        return Outcome(index, "known", time.monotonic() - started, 0, "", host)
    remove_other_attempts(folder, index, attempt)
    return Outcome(index, "done", time.monotonic() - started, int(content["totals"]["n_events"]), "", host)


def _give_up(folder: CampaignFolder, index: int, attempt: str, data: Path) -> None:
    """Remove an attempt's files unless its record is published: a signal may come between the two.

    A record that cannot be read is left with the files, for it may be this attempt's.
    """
    path = folder.record(index)
    if path.exists():
        try:
            if read_record(path, index)["attempt"] == attempt:
                return
        except FileFormatError:
            return
    shutil.rmtree(data, ignore_errors=True)


@contextlib.contextmanager
def _machine_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(f"{path}: cannot write: {error.strerror}") from error


def attempt_chunks(root: Path, indices: Sequence[int]) -> list[Outcome]:
    """Make some chunks one after the other: the work of one task of a cluster."""
    campaign = worker_campaign(root)
    return [attempt_chunk(campaign, index) for index in indices]


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, SmartBKGError) else f"{type(error).__name__}: {text}"


def note_failure(folder: CampaignFolder, index: int, attempt: str, error: BaseException, state: State) -> None:
    """Describe a failed attempt in a file; the machine's own errors do not count against the chunk."""
    log = traceback.format_exception(error)
    content = {
        "chunk": index,
        "attempt": attempt,
        "counts": state == "failed",
        "error": _line(error),
        "host": socket.gethostname(),
        "time": time.time(),
        "log": "".join(log).splitlines()[-_LINES_OF_LOG:],
    }
    path = folder.failure(index, attempt)
    with contextlib.suppress(OSError, SmartBKGError):  # on a full disk the outcome alone says it
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(content, indent=1) + "\n")


def remove_other_attempts(folder: CampaignFolder, index: int, winner: str) -> None:
    """Remove what other attempts at a chunk left: it is done, so that they could only lose."""
    for path in folder.attempts(index):
        if not path.name.endswith(f".{winner}"):
            shutil.rmtree(path, ignore_errors=True)


__all__ = ["Outcome", "attempt_chunk", "attempt_chunks", "note_failure", "remove_other_attempts"]
