"""The conditions server under attack: readers and a publisher at work while hostile clients hold connections.

Hostile clients open connections and send nothing, send a header byte by byte, announce bodies that never come, or read
no answer; each opens a new connection as soon as the server ends its old one. Readers fetch a payload and compare it.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from smartbkg.conditions import ALWAYS, ConditionsStore
from smartbkg.conditions.cache import PayloadCache
from smartbkg.conditions.client import RestDatabase
from smartbkg.errors import SmartBKGError

N_READERS, N_HOSTILE, SECONDS = 32, 200, 20.0
TOKEN = "of-the-benchmark"
_BEGINNINGS = (
    b"",
    b"GET /v2/globalTags HTTP/1.1\r\nA: ",
    b"POST /v2/globalTag/DEV HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n",
    b"GET /payloads/dbstore/model/dbstore_model_rev_1.root HTTP/1.1\r\n\r\n",
)


@dataclass
class _Counts:
    seconds: list[float] = field(default_factory=list)
    n_wrong: int = 0
    n_published: int = 0
    n_attacks: int = 0


def _attack(port: int, number: int, stop: threading.Event, counts: _Counts) -> None:
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            counts.n_attacks += 1
            connection.sendall(_BEGINNINGS[number % len(_BEGINNINGS)])
            while not stop.wait(0.5):
                connection.sendall(b"b")


def _read(url: str, folder: Path, digest: str, stop: threading.Event, counts: _Counts) -> None:
    number = 0
    while not stop.wait(0.2):
        number += 1
        database = RestDatabase(url, PayloadCache(folder / str(number)))
        begun = time.perf_counter()
        try:
            path = database.fetch(database.find("Main", "model", 0, 0))
            counts.n_wrong += hashlib.sha256(path.read_bytes()).hexdigest() != digest
        except (SmartBKGError, OSError):
            counts.n_wrong += 1
        counts.seconds.append(time.perf_counter() - begun)


def _publish(url: str, folder: Path, stop: threading.Event, counts: _Counts) -> None:
    number = 0
    while not stop.wait(0.5):
        number += 1
        (folder / "new").write_bytes(number.to_bytes(4, "little") * 1000)
        database = RestDatabase(url, token=TOKEN)
        database.put(f"Tag{number}", "other", folder / "new", ALWAYS, is_new=True)
        database.publish(f"Tag{number}")
        counts.n_published += 1


def measure(n_hostile: int, seconds: float) -> _Counts:
    """Counts of a server under so many hostile clients."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(bytes(range(256)) * 2000)
        ConditionsStore(folder / "store").put("Main", "model", folder / "file", ALWAYS, is_new=True)
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        command = [
            sys.executable,
            "-m",
            "smartbkg",
            "conditions",
            "serve",
            "--port",
            "0",
            "--at",
            str(folder / "store"),
        ]
        server = subprocess.Popen([*command, "--token-file", str(folder / "token")], stdout=subprocess.PIPE, text=True)
        try:
            words = server.stdout.readline().split() if server.stdout is not None else []
            url = next(word for word in words if word.startswith("http"))
            stop, counts = threading.Event(), _Counts()
            digest = hashlib.sha256((folder / "file").read_bytes()).hexdigest()
            port = urlsplit(url).port or 0
            threads = [threading.Thread(target=_attack, args=(port, n, stop, counts)) for n in range(n_hostile)]
            threads += [
                threading.Thread(target=_read, args=(url, folder / f"cache-{n}", digest, stop, counts))
                for n in range(N_READERS)
            ]
            threads.append(threading.Thread(target=_publish, args=(url, folder, stop, counts)))
            for thread in threads:
                thread.start()
            time.sleep(seconds)
            stop.set()
            for thread in threads:
                thread.join()
        finally:
            server.kill()
            server.communicate()
    return counts


def main() -> None:
    """Print the table."""
    print(f"{N_READERS} readers and a publisher, {SECONDS:g} s; a read is four requests and a payload of 512 kB")
    print("hostile  attacks  reads  wrong  published  median s  99 % s  longest s")
    for n_hostile in (0, N_HOSTILE):
        counts = measure(n_hostile, SECONDS)
        ordered = sorted(counts.seconds)
        print(
            f"{n_hostile:7} {counts.n_attacks:8} {len(ordered):6} {counts.n_wrong:6} {counts.n_published:10} "
            f"{statistics.median(ordered):9.3f} {ordered[int(0.99 * len(ordered))]:7.3f} {ordered[-1]:10.3f}"
        )


if __name__ == "__main__":
    main()
