"""Events as two official readers see them: HepMC3 3.3.1 (bindings of the project) and 3.2.5 (inside pyhepmc)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyhepmc
import pyhepmc.io

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
