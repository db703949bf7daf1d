"""SIGKILL at random moments of every verb that writes: no half-written file, and nothing left behind afterwards.

    python tests/killing.py --kills 500

Each run is a child of this process, forked when everything is imported, so that the kills fall into the work and not
into the start of Python.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from filtered_sample import Chain, make_chain, make_model
from integration.test_faults import N_EVENTS, WRITING, filled

from smartbkg.cli import main as command_line
from smartbkg.storage.partial import _visited, remove_stale


def start(command: str) -> int:
    """A child that runs a command; its process id."""
    child = os.fork()
    if child:
        return child
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    code = 1
    try:
        _visited.clear()
        command_line(command.split())
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


def run(command: str) -> tuple[int, float]:
    """Exit code and seconds of a command."""
    begun = time.perf_counter()
    _, status = os.waitpid(start(command), 0)
    return os.waitstatus_to_exitcode(status), time.perf_counter() - begun


def content(folder: Path) -> dict[str, bytes]:
    """Final files; the database of a store differs in its time of writing, its payloads do not."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".partial", ".sqlite", "-journal", ".root"))
    }


def campaign(chain: Chain, folder: Path, verb: str, n_kills: int, chance: random.Random) -> tuple[int, int, int]:
    """Kills that hit, wrong final files, and stale files left after the last whole run."""
    out, elsewhere = folder / "out", folder / "elsewhere"
    for path in (out, elsewhere):
        path.mkdir(parents=True)
    command = filled(WRITING[verb], chain, out, elsewhere)
    code, seconds = run(command)
    if code:
        raise SystemExit(f"{verb}: ends with {code} when nobody kills it")
    whole, n_hit, n_wrong = content(out), 0, 0
    for _ in range(n_kills):
        for path in out.rglob("*"):
            if path.is_file() and not path.name.endswith(".partial") and verb != "conditions put" and verb != "config":
                path.unlink()
        if verb == "config":
            (out / "out.yaml").unlink(missing_ok=True)
        child = start(command)
        time.sleep(chance.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        n_hit += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        found = content(out)
        n_wrong += any(found[name] != whole.get(name) for name in found)
    if verb == "config":
        (out / "out.yaml").unlink(missing_ok=True)
    code, _ = run(command)
    n_wrong += code != 0 or content(out) != whole
    remove_stale(out, now=time.time() + 60)  # an empty file of a writer killed before its lock is left for ten seconds
    return n_hit, n_wrong, len(list(out.rglob("*.partial")))


def main() -> int:
    """Print the table; 1 where a final file was wrong or something was left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500, help="kills over all verbs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="verbs whose name begins with this")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    n_bad = 0
    print(f"{'verb':22}{'kills that hit':>16}{'wrong files':>13}{'left behind':>13}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder / "model.safetensors")
        chain = make_chain(folder, N_EVENTS, model=model)
        make_chain(folder / "too", N_EVENTS, model=model, first_event=N_EVENTS)
        for number, verb in enumerate(verb for verb in WRITING if verb.startswith(options.only)):
            hit, wrong, left = campaign(chain, folder / f"kills-{number}", verb, options.kills // len(WRITING), chance)
            n_bad += wrong + left
            print(f"{verb:22}{hit:16}{wrong:13}{left:13}", flush=True)
    return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
