"""A fuzz campaign of the HepMC writer: what it writes, both official readers read, particle by particle.

Random events of HepMC2 and HepMC3, legal in every way that the formats allow, with all records and long numbers, are
converted; filtered too, with random keep probabilities. HepMC3 3.3.1 and 3.2.5 (inside pyhepmc) must find in the output
the events that they find in the input: particles with the vertices around them, places, weights, names, units.

    python tests/writer_fuzzing.py [N_FILES] [FIRST_SEED]

`tests/io/hepmc/test_writer_fuzz.py` runs a small one.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from official_hepmc import read_3_2, read_3_3, tree

from smartbkg.events import EventBatch
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.storage.provenance import record

N_FILES = 200
#: None of those by whose mass the reader tells a wrong unit: momenta and masses here are any.
_CODES = np.array([11, -11, 15, 21, 22, 1, -2, 111, 310, -421, 411, 511, 2112, 300553, 9902210, 1000010020, 0, 90])
_NUMBERS = ("{:.17g}", "{:.16e}", "{:.6g}", "{:.24e}", "{:+.9f}", "{:.3E}")
_NAMES = ("nominal", "Weight", "MUF=0.5", "set_a", "42", "mur.2", "näme")


class Outcome(NamedTuple):
    """What came of a file: how many events were compared, and what differed, empty if nothing."""

    n_events: int
    difference: str


class Maker:
    """Makes text of random events from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def number(self, scale: float = 1.0) -> str:
        """A number of any size and notation."""
        exponent = int(self.random.integers(-12, 5)) if self.random.random() < 0.3 else 0
        value = float(self.random.normal(0, scale)) * 10.0**exponent
        if self.random.random() < 0.08:
            return str(self.random.choice(["0", "-0", "0.0", "1e-300", "5e-324"]))
        return str(self.random.choice(_NUMBERS)).format(value)

    def four(self) -> str:
        return " ".join(self.number() for _ in range(4))

    def momentum(self) -> str:
        """Momentum, energy and mass: any, as generators round them."""
        return f"{self.four()} {self.number()}"

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def tree(self, *, roots: int) -> tuple[list[int], list[list[int]], list[list[int]]]:
        """Numbers of the vertices that particles come from (-1 for none), and what enters and leaves each vertex."""
        n_vertices = int(self.random.integers(1, 7))
        made_in = [-1] * roots
        incoming: list[list[int]] = []
        outgoing: list[list[int]] = []
        free = list(range(roots))
        for vertex in range(n_vertices):
            size = min(len(free), int(self.random.integers(1, 3)))
            if not size:
                break
            entering = [free.pop(int(self.random.integers(len(free)))) for _ in range(size)]
            leaving = list(range(len(made_in), len(made_in) + int(self.random.integers(1, 5))))
            made_in += [vertex] * len(leaving)
            free += leaving
            incoming.append(sorted(entering))
            outgoing.append(leaving)
        return made_in, incoming, outgoing

    def code(self) -> int:
        return int(self.random.choice(_CODES))

    def status(self, *, is_final: bool, is_root: bool) -> int:
        if is_root:
            return 4
        return 1 if is_final else int(self.random.choice([2, 2, 3, 23, 51, 62, 11]))

    def event_3(self, number: int, n_weights: int) -> str:
        """An event of Asciiv3 as HepMC3's writer lays it out, with some of its optional parts."""
        made_in, incoming, outgoing = self.tree(roots=int(self.random.integers(1, 4)))
        ends = {particle for entering in incoming for particle in entering}
        lines = []
        for particle, vertex in enumerate(made_in):
            parent = 0
            if vertex >= 0:
                parent = -vertex - 1
                if particle == outgoing[vertex][0]:
                    entering = ",".join(str(one + 1) for one in incoming[vertex])
                    place = f" @ {self.four()}" if self.chance(0.6) else ""
                    lines.append(f"V {parent} {int(self.random.integers(0, 3))} [{entering}]{place}")
            status = self.status(is_final=particle not in ends, is_root=vertex < 0)
            lines.append(f"P {particle + 1} {parent} {self.code()} {self.momentum()} {status}")
        head = [f"E {number} {len(incoming)} {len(made_in)}" + (f" @ {self.four()}" if self.chance(0.2) else "")]
        head.append(f"U {self.random.choice(['GEV', 'MEV'])} {self.random.choice(['MM', 'CM'])}")
        if n_weights:
            head.append("W " + " ".join(self.number() for _ in range(n_weights)))
        for name in ("flow1", "text", "alphaQCD"):
            if self.chance(0.3):
                identity = int(self.random.integers(0, len(made_in) + 1)) if name == "flow1" else 0
                head.append(f"A {identity} {name} {self.random.choice(['501', '0.118', 'two words', 'a,b=c'])}")
        return "\n".join([*head, *lines]) + "\n"

    def event_2(self, number: int, n_weights: int, names: str) -> str:
        """An event of IO_GenEvent, its vertices in any order, with all of its optional records."""
        made_in, incoming, outgoing = self.tree(roots=int(self.random.integers(1, 4)))
        end_of = {particle: -vertex - 1 for vertex, entering in enumerate(incoming) for particle in entering}

        def particle(index: int) -> str:
            status = self.status(is_final=index not in end_of, is_root=made_in[index] < 0)
            flows = " ".join(f"{k} {500 + k}" for k in range(1, int(self.random.integers(0, 3)) + 1))
            angles = f"{self.number()} {self.number()}" if self.chance(0.2) else "0 0"
            n_flows = len(flows.split()) // 2
            tail = f"{status} {angles} {end_of.get(index, 0)} {n_flows} {flows}".rstrip()
            return f"P {index + 1} {self.code()} {self.momentum()} {tail}"

        blocks = []
        for vertex, (entering, leaving) in enumerate(zip(incoming, outgoing, strict=True)):
            orphans = [one for one in entering if made_in[one] < 0]
            weights = [self.number() for _ in range(int(self.random.integers(0, 3)))] if self.chance(0.1) else []
            place = self.four() if self.chance(0.7) else "0 0 0 0"
            head = (
                f"V {-vertex - 1} 0 {place} {len(orphans)} {len(leaving)} {len(weights)} {' '.join(weights)}".rstrip()
            )
            blocks.append("\n".join([head, *(particle(one) for one in (*orphans, *leaving))]))
        order = self.random.permutation(len(blocks)) if self.chance(0.5) else range(len(blocks))
        weights = " ".join(self.number() for _ in range(n_weights))
        head = [
            f"E {number} {int(self.random.integers(-1, 4))} {self.number()} 0.118 0.0078 101 -1 {len(blocks)} 1 2 0"
        ]
        head[0] += f" {n_weights} {weights}"
        if names:
            head.append(names)
        head.append(f"U {self.random.choice(['GEV', 'MEV'])} {self.random.choice(['MM', 'CM'])}")
        if self.chance(0.4):
            head.append(f"C {abs(float(self.number()))} 0.5")
        if self.chance(0.3):
            head.append("F 2 -2 0.1 0.2 91.2 0.3 0.4 10 11")
        return "\n".join([*head, *(blocks[k] for k in order)]) + "\n"

    def file(self, version: int) -> str:
        """A whole file."""
        n_weights = int(self.random.integers(1, 4))
        names = [str(name) for name in self.random.permutation(_NAMES)[:n_weights]]
        numbers = [int(number) for number in np.sort(self.random.choice(2**31 - 1, 5, replace=False))]
        if version == 2:
            listed = f"N {n_weights} " + " ".join(f'"{name}"' for name in names) if self.chance(0.7) else ""
            body = "".join(self.event_2(number, n_weights, listed) for number in numbers)
            return (
                f"\nHepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n{body}"
                "HepMC::IO_GenEvent-END_EVENT_LISTING\n"
            )
        head = "W " + "\\|".join(names) + "\nT Gen\\|1.0\\|of fuzz\nA seed 42\n"
        body = "".join(self.event_3(number, n_weights) for number in numbers)
        return (
            f"HepMC::Version 3.03.01\nHepMC::Asciiv3-START_EVENT_LISTING\n{head}{body}"
            "HepMC::Asciiv3-END_EVENT_LISTING\n\n"
        )


def difference(before: list[dict[str, Any]], after: list[dict[str, Any]], *, has_places: bool) -> str:
    """The first thing in which two readings differ, empty if there is none."""
    if len(before) != len(after):
        return f"{len(before)} events, then {len(after)}"
    for old, new in zip(before, after, strict=True):
        # weights without names are called "Default" by the library, however many they are; ours are numbered
        named = ("names",) if len(old["names"]) == len(old["weights"]) else ()
        for name in ("number", "units", "weights", *named):
            if old[name] != new[name]:
                return f"event {old['number']}: {name} {old[name]}, then {new[name]}"
        if tree(old, has_places=has_places) != tree(new, has_places=has_places):
            return f"event {old['number']}: its particles or vertices"
    return ""


def filtered(source: Path, output: Path, q: float) -> list[list[float]]:
    """A file of kept events, all with the keep probability ``q``; the weights that the generator gave them."""
    weights = []
    with (
        open_events(source, ReadOptions(keep_originals=True)) as reader,
        create_events(output, record("kept", 1, {})) as writer,
    ):
        for batch in reader.batches(3):
            weights += batch.event["weight"].tolist()
            writer.write(_kept(batch, q))
    return weights


def _kept(batch: EventBatch, q: float) -> EventBatch:
    variations = {name: column / q for name, column in batch.event.items() if name.startswith("weight_")}
    weight = batch.event["weight"]
    return batch.with_event_columns(
        generator_weight=weight, weight=weight / q, keep_probability=np.full(len(batch), q), **variations
    )


def attempt(seed: int, folder: Path) -> Outcome:
    """Make a file, convert and filter it, and compare what both readers find."""
    version = 2 + seed % 2
    source, output, kept = folder / "in.hepmc", folder / "out.hepmc3", folder / "kept.hepmc3"
    source.write_text(Maker(seed).file(version))
    convert_events([source], output)
    for read in (read_3_3, read_3_2):
        before, after = read(source, version), read(output)
        if not before:
            return Outcome(0, f"{read.__name__} reads nothing of the input")
        different = difference(before, after, has_places=read is read_3_3)
        if different:
            return Outcome(len(before), f"{read.__name__}: {different}")
    q = 0.1 + 0.9 * np.random.default_rng(seed).random()
    weights = filtered(source, kept, q)
    for read in (read_3_3, read_3_2):
        found = [event["weights"] for event in read(kept)]
        first, own = [row[0] for row in found], [row[-2] for row in found]
        if own != weights or not np.allclose(first, np.array(weights) / q, rtol=1e-15, atol=0):
            return Outcome(len(weights), f"{read.__name__}: weights {first} of {weights} kept with {q}")
    return Outcome(len(before), "")


def main(n_files: int = N_FILES, first_seed: int = 0) -> int:
    """Print a table; the number of files that differed."""
    outcomes: Counter[str] = Counter()
    n_events = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first_seed, first_seed + n_files):
            outcome = attempt(seed, Path(folder))
            n_events += outcome.n_events
            outcomes["alike" if not outcome.difference else "different"] += 1
            if outcome.difference:
                print(f"seed {seed}: {outcome.difference}")
    print(f"{n_files} files, {n_events} events: {dict(outcomes)}")
    return outcomes["different"]


if __name__ == "__main__":
    sys.exit(1 if main(*map(int, sys.argv[1:3])) else 0)
