"""What the official HepMC3 bindings read, as JSON lines: run as a program of its own, since two HepMC3 libraries cannot
live in one process."""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any


def load() -> Any:
    """The bindings; their package names a folder of the machine that built it as the place of the library."""
    for folder in ("lib", "lib64"):
        library = Path(sys.prefix) / folder / "libHepMC3.so.4"
        if library.exists():
            ctypes.CDLL(str(library))
            break
    from pyHepMC3 import HepMC3

    return HepMC3


def four(vector: Any) -> list[float]:
    return [vector.x(), vector.y(), vector.z(), vector.t()]


def content(event: Any) -> dict[str, Any]:
    run = event.run_info()
    particles = []
    for particle in event.particles():
        momentum, production, end = particle.momentum(), particle.production_vertex(), particle.end_vertex()
        particles.append(
            {
                "key": [particle.pid(), particle.status(), momentum.px(), momentum.py(), momentum.pz(), momentum.e(),
                        particle.generated_mass()],
                "made_in": production.id() if production else 0,
                "ends_in": end.id() if end else 0,
            }
        )  # fmt: skip
    vertices = {
        vertex.id(): {
            "status": vertex.status(),
            "place": four(vertex.data().position),
            "incoming": sorted(particle.id() for particle in vertex.particles_in()),
            "outgoing": sorted(particle.id() for particle in vertex.particles_out()),
        }
        for vertex in event.vertices()
    }
    identities = [0, *range(1, len(particles) + 1), *vertices]
    return {
        "number": event.event_number(),
        "units": [str(event.momentum_unit()).split(".")[-1], str(event.length_unit()).split(".")[-1]],
        "position": four(event.event_pos()),
        "weights": list(event.weights()),
        "first_weight": event.weight() if len(event.weights()) else None,
        "names": list(run.weight_names()),
        "particles": particles,
        "vertices": vertices,
        "attributes": {
            f"{identity} {name}": event.attribute_as_string(name, identity)
            for identity in identities
            for name in event.attribute_names(identity)
        },
        "run": {name: run.attribute_as_string(name) for name in run.attribute_names()},
    }


def main(path: str, version: str) -> None:
    hepmc = load()
    kinds = {"2": hepmc.ReaderAsciiHepMC2, "3": hepmc.ReaderAscii, "root": hepmc.ReaderuprootTree}
    reader = kinds[version](path)
    while not reader.failed():
        event = hepmc.GenEvent()
        reader.read_event(event)
        if not reader.failed():
            print(json.dumps(content(event)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
