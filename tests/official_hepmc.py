"""Events as two official readers see them: HepMC3 3.3.1 (bindings of the project) and 3.2.5 (inside pyhepmc)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyhepmc
import pyhepmc.io
from numpy.typing import NDArray

_DUMP = Path(__file__).with_name("hepmc3_dump.py")


def read_3_3(path: Path, version: int | str = 3) -> list[dict[str, Any]]:
    """Events by the official bindings; a reader that stops says so by having fewer."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, str(_DUMP), str(path), str(version)], capture_output=True, text=True, env=environment,
        timeout=300, check=False,
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:])
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def read_3_2(path: Path, version: int = 3) -> list[dict[str, Any]]:
    """Events by pyhepmc, with the same keys as far as it has them."""
    reader = (pyhepmc.io.ReaderAsciiHepMC2 if version == 2 else pyhepmc.io.ReaderAscii)(str(path))
    events = []
    while (event := reader.read()) is not None:
        events.append(_content(event))
    return events


def _content(event: Any) -> dict[str, Any]:
    particles = [
        {
            "key": [p.pid, p.status, p.momentum.px, p.momentum.py, p.momentum.pz, p.momentum.e, p.generated_mass],
            "made_in": p.production_vertex.id if p.production_vertex else 0,
            "ends_in": p.end_vertex.id if p.end_vertex else 0,
        }
        for p in event.particles
    ]
    vertices = {
        str(v.id): {
            "status": v.status,
            "place": [v.position.x, v.position.y, v.position.z, v.position.t],
            "incoming": sorted(p.id for p in v.particles_in),
            "outgoing": sorted(p.id for p in v.particles_out),
        }
        for v in event.vertices
    }
    return {
        "number": event.event_number,
        "units": [event.momentum_unit.name, event.length_unit.name],
        "weights": list(event.weights),
        "names": list(event.run_info.weight_names),
        "particles": particles,
        "vertices": vertices,
        "tools": [tool.name for tool in event.run_info.tools],
    }


def tree(event: dict[str, Any], *, has_places: bool = True) -> list[str]:
    """Every particle with its mothers, its daughters and the vertices around it, whatever they are numbered."""
    particles, vertices = event["particles"], event["vertices"]
    rows = []
    for particle in particles:
        row: list[Any] = [particle["key"]]
        for end, side in (("made_in", "incoming"), ("ends_in", "outgoing")):
            vertex = vertices.get(str(particle[end]))
            around = sorted(particles[identity - 1]["key"] for identity in vertex[side]) if vertex else []
            row += [around, vertex["status"] if around else 0]
            if has_places:
                row.append(vertex["place"] if around else None)
        rows.append(json.dumps(row))
    return sorted(rows)


__all__ = ["read_3_2", "read_3_3", "tree"]


def column_difference(event: dict[str, Any], columns: Mapping[str, NDArray[Any]]) -> str:
    """What the columns of an event say otherwise than the official reader; empty = nothing.

    Compared are the codes and momenta of all particles, the places where they are made, and that each mother is a
    particle above: which one it is, is our rule.
    """
    energy = 1e-3 if event["units"][0] == "MEV" else 1.0
    length = 0.1 if event["units"][1] == "MM" else 1.0
    keys = [
        (one["key"][0], *(float(np.float32(value * energy)) for value in one["key"][2:6])) for one in event["particles"]
    ]
    members = (columns[name].tolist() for name in ("PDG", "px", "py", "pz", "energy"))
    found = list(zip(*members, strict=True))
    if sorted(keys) != sorted(found):
        return f"particles {sorted(set(found) ^ set(keys))[:2]}"
    positions: dict[Any, list[int]] = {}
    for position, key in enumerate(keys):
        positions.setdefault(key, []).append(position)
    for index, key in enumerate(found):
        mother = int(columns["motherIndex"][index])
        above = {keys[k] for position in positions[key] for k in _above(event, position)}
        if mother >= 0 and found[mother] not in above:
            return f"mother of {key}"
        places = [event["vertices"].get(str(event["particles"][k]["made_in"]), {}).get("place") for k in positions[key]]
        if places[0] and all(place == places[0] for place in places) and any(places[0]):
            stated = [value * length for value in places[0][:3]]
            if not np.allclose([columns[axis][index] for axis in "xyz"], stated, rtol=3e-7, atol=0):
                return f"place of {key}: not {stated}"
    return ""


def _above(event: dict[str, Any], position: int) -> set[int]:
    """Positions of all particles above one."""
    seen: set[int] = set()
    waiting = [position]
    while waiting:
        vertex = event["vertices"].get(str(event["particles"][waiting.pop()]["made_in"]))
        new = {identity - 1 for identity in vertex["incoming"]} - seen if vertex else set()
        seen |= new
        waiting += new
    return seen
