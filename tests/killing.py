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
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from operations import WRITING, Materials

from smartbkg.cli import main as command_line
from smartbkg.storage.partial import _visited, remove_stale

#: Ends of names of databases, which a kill leaves in the middle of a transaction: the next to open them takes it back.
UNFINISHED: Final = (".sqlite", "-journal")
#: Verbs that refuse to write over what is there, or do it once.
BEGUN_ANEW: Final = ("config", "conditions put", "conditions copy-tag", "conditions publish", "campaign init")


def start(command: Sequence[str]) -> int:
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
        command_line(list(command))
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


def run(command: Sequence[str]) -> tuple[int, float]:
    """Exit code and seconds of a command."""
    begun = time.perf_counter()
    _, status = os.waitpid(start(command), 0)
    return os.waitstatus_to_exitcode(status), time.perf_counter() - begun


def content(folder: Path) -> dict[str, bytes]:
    """Final files, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".partial" not in str(path.relative_to(folder))
    }


def remove_outputs(out: Path) -> None:
    """Remove what a run made, as a user does who begins again; what dead writers left stays."""
    for path in out.iterdir():
        if path.name.endswith(".partial"):
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def campaign(
    materials: Materials, folder: Path, verb: str, n_kills: int, chance: random.Random
) -> tuple[int, int, int]:
    """Kills that hit, wrong final files, and stale files left after the last whole run."""
    out, elsewhere = folder / "out", folder / "elsewhere"
    for path in (out, elsewhere):
        path.mkdir(parents=True)
    command = materials.words(WRITING[verb], out, elsewhere)
    runs = []
    for _ in range(2):
        remove_outputs(out)
        materials.prepare(verb, out)
        code, seconds = run(command)
        if code:
            raise SystemExit(f"{verb}: ends with {code} when nobody kills it")
        runs.append(content(out))
        time.sleep(1.1)  # so that what holds a time shows it
    whole, n_hit, n_wrong = runs[0], 0, 0
    timed = {name for name in whole if runs[1].get(name) != whole[name] and "data/" not in name}
    if timed:
        print(f"{verb}: not compared, for two whole runs differ: {', '.join(sorted(timed))}", flush=True)
    for _ in range(n_kills):
        remove_outputs(out)
        materials.prepare(verb, out)
        child = start(command)
        time.sleep(chance.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        n_hit += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        part = _without(content(out), timed)
        part = {name: found for name, found in part.items() if not name.endswith(UNFINISHED)}
        n_wrong += not _is_right(part, _without(whole, timed), is_part=True)
    if verb in BEGUN_ANEW:
        remove_outputs(out)
        materials.prepare(verb, out)
    code, _ = run(command)
    n_wrong += code != 0 or not _is_right(_without(content(out), timed), _without(whole, timed), is_part=False)
    for place in (out, *(path for path in out.rglob("*") if path.is_dir())):
        remove_stale(place, now=time.time() + 60)  # one of a writer killed before its lock is left for ten seconds
    return n_hit, n_wrong, len(list(out.rglob("*.partial")))


def _without(files: dict[str, bytes], timed: set[str]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name not in timed}


def _is_right(found: dict[str, bytes], whole: dict[str, bytes], *, is_part: bool) -> bool:
    """Whether each file is what an undisturbed run writes; names of attempts of a campaign are random."""
    if any("data/" in name for name in whole):
        known = set(whole.values())
        return all(content in known for name, content in found.items() if is_part is False or "data/" not in name)
    return all(found[name] == whole.get(name) for name in found) and (is_part or len(found) == len(whole))


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
        materials = Materials(folder)
        chosen = [verb for verb in WRITING if verb.startswith(options.only) and verb != "demo"]
        for number, verb in enumerate(chosen):
            hit, wrong, left = campaign(
                materials, folder / f"kills-{number}", verb, -(-options.kills // len(chosen)), chance
            )
            n_bad += wrong + left
            print(f"{verb:22}{hit:16}{wrong:13}{left:13}", flush=True)
    return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
