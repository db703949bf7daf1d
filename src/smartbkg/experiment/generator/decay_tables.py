"""Belle II's decay channels for PYTHIA, from the data file that `scripts/make_decay_table.py` makes.

EvtGen's decay table lists some 4,000 channels with a model each. PYTHIA takes channels and branching fractions as they
are; of the models it knows three-body weak decays (its matrix element 22), vectors that decay to two pseudoscalars,
ω → 3π and Dalitz pairs; the rest become phase space with Breit-Wigner masses.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import SchemaError
from smartbkg.storage.json_content import from_json
from smartbkg.storage.kinds import DECAY_TABLE, SCHEMA_VERSIONS

DECAY_TABLE_NAME: Final = "decays-belle2.json"

_WIDTHS_TO_THE_EDGE: Final = 2.5  # range of a Breit-Wigner mass that PYTHIA may draw, in widths
_LIGHTEST: Final = 0.28  # GeV, two pions


@dataclass(frozen=True)
class DecayTable:
    """Channels of the particles that the file knows, and particles that PYTHIA does not."""

    source: str
    """Where the numbers come from."""
    aliases: dict[int, int]
    """Codes of ours for particles with restricted decays → their PDG codes."""
    particles: dict[int, dict[str, Any]]
    """Code → name, mass, width (GeV), charge, spin type, has_antiparticle."""
    channels: dict[int, list[tuple[float, int, list[int]]]]
    """Code → (branching fraction, PYTHIA's matrix-element code, codes of the products)."""


@functools.cache
def load_decay_table() -> DecayTable:
    """The table from the package.

    Raises
    ------
    SchemaError
        The file is of a schema that this version does not read.
    """
    text = (resources.files("smartbkg.experiment") / "data" / DECAY_TABLE_NAME).read_text(encoding="utf-8")
    content = from_json(text)
    expected = SCHEMA_VERSIONS[DECAY_TABLE]
    if content["schema_version"] != expected:
        raise SchemaError(f"{DECAY_TABLE_NAME}: schema {content['schema_version']}, expected {expected}")
    return DecayTable(
        content["source"],
        {int(alias): int(code) for alias, code in content["aliases"].items()},
        {int(code): record for code, record in content["particles"].items()},
        {int(code): [(f, m, list(p)) for f, m, p in channels] for code, channels in content["channels"].items()},
    )


def _new_particle(code: int, record: dict[str, Any]) -> list[str]:
    """Settings that tell PYTHIA of a particle it does not know."""
    antiparticle = f"anti-{record['name']}" if record["has_antiparticle"] else "void"
    mass, width = record["mass"], record["width"]
    low, high = max(_LIGHTEST, mass - _WIDTHS_TO_THE_EDGE * width), mass + _WIDTHS_TO_THE_EDGE * width
    charge_in_thirds = round(3 * record["charge"])
    return [
        f"{code}:new = {record['name']} {antiparticle} {record['spin_type']} {charge_in_thirds} 0 "
        f"{mass} {width} {low:.4f} {high:.4f} 0",
        f"{code}:mayDecay = on",
    ]


def _decay_channels(code: int, channels: list[tuple[float, int, list[int]]]) -> list[str]:
    """Settings that replace a particle's channels."""
    settings = []
    for position, (fraction, matrix_element, products) in enumerate(channels):
        verb = "addChannel" if position else "oneChannel"
        settings.append(f"{code}:{verb} = 1 {fraction:.9f} {matrix_element} {' '.join(map(str, products))}")
    return settings


def decay_settings(particle_data: Any) -> list[str]:
    """Settings for PYTHIA: unknown particles first, then the channels of all.

    Parameters
    ----------
    particle_data : PYTHIA's table, asked which particles it knows, and copied from for aliases.
    """
    table = load_decay_table()
    settings = []
    for code, record in table.particles.items():
        if code in table.aliases:
            real = table.aliases[code]
            copied = {
                "mass": particle_data.m0(real),
                "width": particle_data.mWidth(real),
            }
            settings += _new_particle(code, record | copied)
        elif not particle_data.isParticle(code):
            settings += _new_particle(code, record)
    for code, channels in table.channels.items():
        settings += _decay_channels(code, channels)
    return settings


def real_codes(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """PDG codes with aliases replaced by the particles they stand for; a copy where there are any."""
    aliases = load_decay_table().aliases
    is_alias = np.isin(np.abs(codes), list(aliases))
    if not is_alias.any():
        return codes
    real = codes.copy()
    real[is_alias] = [math.copysign(aliases[abs(code)], code) for code in codes[is_alias].tolist()]
    return real
