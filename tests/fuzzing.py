"""Mutations of files of every format, and what may come of reading them: the same numbers, or an error that says so.

`make fuzz` runs it at full size; `tests/integration/test_fuzz.py` at a small one. A *failure* is a traceback, a hang,
more than 1 GB of memory, or other numbers or another number of events than those of the pristine file without an error.
Formats that carry no checksum of their own (HepMC and CSV text, ROOT and Parquet of other programs) can hold another
number that nobody can tell from the right one: mutations that change numbers, but not how many events there are, are
counted apart there, as *undetectable*. CSV does not even say how many rows it has.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from bombs import BOMBS, make_bombs
from pristine import Format, make_formats

from smartbkg.errors import SmartBKGError

MEMORY_BYTES: Final = 1 << 30
SECONDS: Final = 20


class Outcome(NamedTuple):
    """What came of a mutation: ``same``, ``error``, ``undetectable``, or a failure."""

    kind: str
    detail: str


def mutations(content: bytes, n_mutations: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Truncated, flipped, swapped, inserted, removed, repeated pieces; beginning and end more often than the rest."""
    generator = np.random.default_rng(seed)
    size = len(content)
    for number in range(n_mutations):
        kind = ("truncate", "flip", "flips", "swap", "insert", "remove", "repeat", "header", "tail")[number % 9]
        copy = bytearray(content)
        first, second = (int(place) for place in np.sort(generator.integers(0, size, 2)))
        length = int(generator.integers(1, 64))
        if kind == "truncate":
            del copy[first:]
        elif kind in ("flip", "header", "tail"):
            place = {"flip": first, "header": first % min(size, 512), "tail": size - 1 - first % min(size, 2048)}[kind]
            copy[place] ^= 1 << int(generator.integers(8))
        elif kind == "flips":
            for place in generator.integers(0, size, 5):
                copy[place] ^= 1 << int(generator.integers(8))
        elif kind == "swap":
            copy[first : first + length], copy[second : second + length] = (
                copy[second : second + length], copy[first : first + length],
            )  # fmt: skip
        elif kind == "insert":
            copy[first:first] = generator.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == "remove":
            del copy[first : first + length]
        else:
            copy[first:first] = copy[first : first + length * 20]
        yield kind, bytes(copy)


def peak_since(baseline: int | None = None) -> int:
    """Bytes of the largest resident memory above ``baseline``; without one, forget the peak so far and give a baseline.

    The peak is one of the whole process, which may have done other things before (other tests, in the same worker).
    Where the kernel does not let it be forgotten, the old peak is the baseline: no alarm that is not of this reading.
    """
    if baseline is None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak, "VmHWM"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 - (baseline or 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - (baseline or 0)


def outcome_of(known: Format, path: Path, copy: bytes | None, pristine: tuple[int, str]) -> Outcome:
    """Read a mutated file; without a copy to write, the one that is there."""
    baseline = peak_since()
    outcome = _read_outcome(known, path, copy, pristine)
    used = peak_since(baseline)
    return Outcome("MEMORY", f"{used >> 20} MB, then {outcome.kind}") if used > MEMORY_BYTES else outcome


def _read_outcome(known: Format, path: Path, copy: bytes | None, pristine: tuple[int, str]) -> Outcome:
    if copy is not None:
        path.write_bytes(copy)
    begun = time.monotonic()
    signal.alarm(SECONDS)
    try:
        found = known.read(path)
    except SmartBKGError as error:
        is_named = str(path) in str(error)
        return Outcome("error" if is_named else "error without the file's name", str(error)[:200])
    except TimeoutError:
        return Outcome("HANG", f"{time.monotonic() - begun:.0f} s")
    except Exception as error:  # noqa: BLE001 - whatever escapes would be a traceback
        return Outcome("TRACEBACK", f"{type(error).__name__}: {error}"[:200])
    finally:
        signal.alarm(0)
    if found == pristine or copy == known.content:
        return Outcome("same", "")
    if known.is_counted and found[0] != pristine[0]:
        return Outcome("LOST EVENTS", f"{found[0]} of {pristine[0]}")
    return Outcome("OTHER NUMBERS" if known.is_proven else "undetectable", "")


def fuzz(known: Format, n_mutations: int, folder: Path, seed: int = 1) -> Counter[str]:
    """How often each outcome came; failures are named on standard error."""
    path = folder / f"mutated{known.suffix}"
    path.write_bytes(known.content)
    pristine = known.read(path)
    counts: Counter[str] = Counter()
    with _alarms():
        for number, (kind, copy) in enumerate(mutations(known.content, n_mutations, seed)):
            outcome = outcome_of(known, path, copy, pristine)
            counts[outcome.kind] += 1
            if outcome.kind.isupper():
                sys.stderr.write(f"{known.name} {number} {kind}: {outcome.kind} {outcome.detail}\n")
    return counts


@contextlib.contextmanager
def _alarms() -> Iterator[None]:
    """Within it, what takes too long is stopped by a `TimeoutError`."""

    def stop(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def blow_up(name: str, path: Path) -> Outcome:
    """Read a bomb: an error that names it is right, `LOST` what was read as if it were a file."""
    with _alarms():
        outcome = outcome_of(Format(name, b"", path.suffix, BOMBS[name][1], is_proven=True), path, None, (-1, ""))
    return outcome._replace(kind="READ") if outcome.kind == "LOST EVENTS" else outcome


def failures(counts: Mapping[str, int]) -> dict[str, int]:
    """The outcomes that must not be."""
    return {kind: number for kind, number in counts.items() if kind.isupper()}


def main(arguments: list[str] | None = None) -> int:
    """Print the table of outcomes; 1 where there is a failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=540, help="mutations of each format")
    parser.add_argument("--events", type=int, default=40, help="events of each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="formats whose name has this in it")
    options = parser.parse_args(arguments)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    import logging

    logging.disable(logging.CRITICAL)
    n_failures = 0
    print(f"{'format':28}{'same':>8}{'error':>8}{'undetectable':>14}  failures")
    with tempfile.TemporaryDirectory() as name:
        for known in make_formats(Path(name), options.events):
            if options.only not in known.name:
                continue
            counts = fuzz(known, options.mutations, Path(name), options.seed)
            wrong = failures(counts)
            n_failures += sum(wrong.values())
            others = counts["error"] + counts["error without the file's name"]
            print(
                f"{known.name:28}{counts['same']:8}{others:8}{counts['undetectable']:14}  {wrong or 'none'}", flush=True
            )
        for name_of_bomb, path in make_bombs(Path(name)).items() if options.only in "bombs" else ():
            outcome = blow_up(name_of_bomb, path)
            n_failures += outcome.kind.isupper()
            print(f"{name_of_bomb:48}  {path.stat().st_size:10} bytes  {outcome.kind}: {outcome.detail}", flush=True)
    return int(n_failures > 0)


if __name__ == "__main__":
    sys.exit(main())
