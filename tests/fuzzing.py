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
import hashlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from smartbkg.errors import SmartBKGError

MEMORY_BYTES: Final = 1 << 30
SECONDS: Final = 20

#: Reads a file: how many events (or what else it lists), and a digest of all of it.
Read = Callable[[Path], tuple[int, str]]


class Format(NamedTuple):
    """A file to mutate, and how it is read."""

    name: str
    content: bytes
    suffix: str
    read: Read
    is_proven: bool
    """Whether every byte is covered by a checksum."""
    is_counted: bool = True
    """Whether the file says how many events it has."""


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


def outcome_of(known: Format, path: Path, copy: bytes, pristine: tuple[int, str]) -> Outcome:
    """Read a mutated file."""
    baseline = peak_since()
    outcome = _read_outcome(known, path, copy, pristine)
    used = peak_since(baseline)
    return Outcome("MEMORY", f"{used >> 20} MB, then {outcome.kind}") if used > MEMORY_BYTES else outcome


def _read_outcome(known: Format, path: Path, copy: bytes, pristine: tuple[int, str]) -> Outcome:
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

    def stop(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    path = folder / f"mutated{known.suffix}"
    path.write_bytes(known.content)
    pristine = known.read(path)
    counts: Counter[str] = Counter()
    try:
        for number, (kind, copy) in enumerate(mutations(known.content, n_mutations, seed)):
            outcome = outcome_of(known, path, copy, pristine)
            counts[outcome.kind] += 1
            if outcome.kind.isupper():
                sys.stderr.write(f"{known.name} {number} {kind}: {outcome.kind} {outcome.detail}\n")
    finally:
        signal.signal(signal.SIGALRM, before)
    return counts


def failures(counts: Mapping[str, int]) -> dict[str, int]:
    """The outcomes that must not be."""
    return {kind: number for kind, number in counts.items() if kind.isupper()}


def _digest(columns: Mapping[str, Any], digest: Any) -> None:
    for name in sorted(columns):
        digest.update(f"{name} {columns[name].dtype} {columns[name].shape}".encode())
        digest.update(np.ascontiguousarray(columns[name]).tobytes())


def read_events(path: Path) -> tuple[int, str]:
    """Digest of all events of a file."""
    from smartbkg.io import open_events

    digest, n_events = hashlib.sha256(), 0
    with open_events(path) as reader:
        for batch in reader.batches(1000):
            n_events += len(batch)
            _digest(batch.event, digest)
            _digest(batch.particle, digest)
            digest.update(batch.offsets.tobytes())
    return n_events, digest.hexdigest()


def read_flags(path: Path) -> tuple[int, str]:
    """Digest of the flags that are made of a table."""
    from smartbkg.datasets.make_flags import make_flags

    output = path.with_name("flags-of-mutated.parquet")
    make_flags([path], output, "skim")
    return read_a_table(output)


def read_a_table(path: Path) -> tuple[int, str]:
    """Digest of a table."""
    from smartbkg.io.tables import read_table

    digest, table = hashlib.sha256(), read_table(path)
    _digest(table.columns, digest)
    return len(table), digest.hexdigest()


def read_model(path: Path) -> tuple[int, str]:
    """Digest of a model."""
    from smartbkg.networks.bundle import load_bundle

    bundle = load_bundle(path)
    digest = hashlib.sha256(repr((bundle.calibration, bundle.policy, bundle.config, bundle.skims)).encode())
    _digest(bundle.state, digest)
    return len(bundle.state), digest.hexdigest()


def read_pth(path: Path) -> tuple[int, str]:
    """Digest of a model of upstream's format."""
    from smartbkg.networks.upstream import load_state_dict_file

    digest = hashlib.sha256()
    bundle = load_state_dict_file(path, model_config={"units": 8, "attention_heads": 2, "n_layers": 2})
    _digest(bundle.state, digest)
    return len(bundle.state), digest.hexdigest()


def read_onnx(path: Path) -> tuple[int, str]:
    """Digest of an exported ONNX model that ONNX Runtime takes."""
    from smartbkg.networks.onnx.backend import OnnxBackend

    content = path.read_bytes()
    OnnxBackend(content, str(path))
    return 1, hashlib.sha256(content).hexdigest()


def read_configuration(path: Path) -> tuple[int, str]:
    """A configuration of a training."""
    from smartbkg.training.config import read_config

    return 1, repr(read_config(path))


def read_store(path: Path) -> tuple[int, str]:
    """What a conditions store says."""
    from smartbkg.conditions import ConditionsStore

    store = ConditionsStore(path)
    found = [(tag, store.payloads(tag.name)) for tag in store.tags()]
    return len(found), repr(found)


def make_formats(folder: Path, n_events: int) -> list[Format]:
    """A pristine file of each format."""
    import onnx
    import pyarrow as pa
    import pyarrow.parquet as pq
    import uproot
    from io_events import write_mdst
    from networks.onnx.test_export import upstream_like
    from synthetic import random_events

    from smartbkg.conditions import ALWAYS, ConditionsStore
    from smartbkg.io import create_events
    from smartbkg.io.parquet import batch_to_arrow
    from smartbkg.io.tables import write_table
    from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
    from smartbkg.networks.bundle import state_of
    from smartbkg.networks.digests import SEALED_KEY, sealed
    from smartbkg.networks.upstream import save_state_dict_file
    from smartbkg.storage.configuration import as_yaml
    from smartbkg.storage.provenance import record
    from smartbkg.training.config import TrainingConfig

    batch = random_events(n_events, seed=1)
    found = []
    for suffix in (".parquet", ".hepmc3", ".hepmc3.gz", ".hepmc3.xz", ".hepmc3.zst"):
        with create_events(folder / f"e{suffix}", record("events", 1, {})) as writer:
            writer.write(batch)
        found.append((f"events{suffix}", folder / f"e{suffix}", suffix, read_events, suffix != ".hepmc3"))
    pq.write_table(pa.Table.from_batches([batch_to_arrow(batch)]), folder / "foreign.parquet")
    found.append(("events.parquet of others", folder / "foreign.parquet", ".parquet", read_events, False))
    write_mdst(folder / "e.root", [(1, 1, number) for number in range(n_events)])
    found.append(("mDST", folder / "e.root", ".root", read_events, False))
    ids = {"experiment": np.zeros(n_events), "run": np.ones(n_events), "evtNum": np.arange(n_events)}
    ids = {name: column.astype(np.int64) for name, column in ids.items()}
    write_table(folder / "t.parquet", {**ids, "passes_skim": ids["evtNum"] % 2 == 0}, record("flags", 1, {}))
    found.append(("flags.parquet", folder / "t.parquet", ".parquet", read_a_table, True))
    rows = "\n".join(f"0,1,{number}" for number in range(n_events))
    (folder / "t.csv").write_text(f"experiment,run,evtNum\n{rows}\n")
    found.append(("flags.csv", folder / "t.csv", ".csv", read_flags, False))
    with uproot.recreate(folder / "n.root") as file:
        file["ntuple"] = {
            f"__{name}__": ids[part] for name, part in zip(("experiment", "run", "event"), ids, strict=True)
        }
    found.append(("n-tuple.root", folder / "n.root", ".root", read_flags, False))
    config = parse_config({"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2})
    bundle = ModelBundle(config, state_of(build_model(config)))
    save_bundle(folder / "m.safetensors", bundle)
    found.append(("model.safetensors", folder / "m.safetensors", ".safetensors", read_model, True))
    save_state_dict_file(folder / "m.pth", bundle)
    found.append(("model.pth", folder / "m.pth", ".pth", read_pth, True))
    store = ConditionsStore(folder / "store")
    for number in range(3):
        store.put("Main", f"payload{number}", folder / "t.csv", ALWAYS, is_new=number == 0)
    found.append(("store.sqlite", store.database, ".sqlite", read_store, True))
    upstream_like(folder / "u.onnx", 3)
    model = onnx.load(folder / "u.onnx")
    onnx.helper.set_model_props(model, {SEALED_KEY: "1"})
    (folder / "m.onnx").write_bytes(sealed(model.SerializeToString()))
    found.append(("model.onnx", folder / "m.onnx", ".onnx", read_onnx, True))
    (folder / "c.yaml").write_text(as_yaml(TrainingConfig()))
    found.append(("configuration.yaml", folder / "c.yaml", ".yaml", read_configuration, False))
    return [
        Format(name, path.read_bytes(), suffix, read, proven, suffix != ".csv")
        for name, path, suffix, read, proven in found
    ]


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
    return int(n_failures > 0)


if __name__ == "__main__":
    sys.exit(main())
