"""Make `src/smartbkg/experiment/data/decays-belle2.json` from Belle II's decay table in `decaylanguage`.

    python scripts/make_decay_table.py

The table (DECAY_BELLE2.DEC, in basf2 since 2016, copied into decaylanguage under BSD-3-Clause) is EvtGen's: decay
channels with a model each. What PYTHIA 8 can use of it is written: branching fraction, PYTHIA's matrix-element code,
PDG codes. Needs the development package `decaylanguage`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from decaylanguage import DecFileParser
from particle import Inv, InvalidParticle, Particle, ParticleNotFound

OUTPUT: Final = Path(__file__).resolve().parents[1] / "src" / "smartbkg" / "experiment" / "data" / "decays-belle2.json"

#: Names of the file that stand for another particle with decays of its own: real name, code here.
ALIAS_OFFSET: Final = 9_050_000
ALIASES: Final = {
    "phiR": "phi", "f_2R": "f_2", "K*0R": "K*0", "K*BR": "anti-K*0", "K*+R": "K*+", "K*-R": "K*-", "K*0T": "K*0",
    "anti-K*0T": "anti-K*0", "K*S": "K*0", "K*L": "K*0", "K*BS": "anti-K*0", "K*BL": "anti-K*0",
}  # fmt: skip
#: Two aliases of one particle need codes that differ.
ALIAS_VARIANTS: Final = {
    "K*0T": 100_000,
    "anti-K*0T": 100_000,
    "K*S": 200_000,
    "K*BS": 200_000,
    "K*L": 300_000,
    "K*BL": 300_000,
}

NEUTRINOS: Final = frozenset({12, 14, 16})
CHARGED_LEPTONS: Final = frozenset({11, 13, 15})
MAXIMAL_PRODUCTS: Final = 8  # of PYTHIA
GLUON, PHOTON, RANDOM_FLAVOUR = 21, 22, 82
RANDOM_HADRONS = 42
PHASE_SPACE, OMEGA_DALITZ, VECTOR_TO_SCALARS, DALITZ_PAIR, WEAK = 0, 1, 2, 11, 22

#: Models of weak decays with a lepton pair; two-body ones among them stay phase space.
SEMILEPTONIC: Final = frozenset(
    {"BCL", "BGL", "GOITY_ROBERTS", "HQET3", "ISGW2", "LLSW", "SLBKPOLE", "SLN", "SLPOLE", "TAULNUNU", "VUB"}
)
#: Hadronic currents of the tau that PYTHIA has no short name for: the resonance that dominates.
TAU_CURRENTS: Final = {(-211, 111, 111): -20213, (-211, -211, 211): -20213}

#: Particles without an entry in `particle`: name, mass, width (GeV), charge, spin type. Inclusive systems of b → s and
#: b → u: a broad hump in place of EvtGen's spectra, for less than one decay in a hundred. Radial excitations of D and
#: D*: Godfrey and Isgur, doi:10.1103/PhysRevD.32.189. X(3872): PDG 2024.
FURTHER_PARTICLES: Final = {
    30343: ("Xsd", 1.8, 0.6, 0.0, 0),
    30353: ("Xsu", 1.8, 0.6, 1.0, 0),
    30363: ("Xss", 1.8, 0.6, 0.0, 0),
    43: ("Xu0", 1.5, 0.6, 0.0, 0),
    44: ("Xu+", 1.5, 0.6, 1.0, 0),
    100411: ("D(2S)+", 2.58, 0.15, 1.0, 1),
    100421: ("D(2S)0", 2.58, 0.15, 0.0, 1),
    100413: ("D*(2S)+", 2.64, 0.15, 1.0, 3),
    100423: ("D*(2S)0", 2.64, 0.15, 0.0, 3),
    9920443: ("X_1(3872)", 3.8717, 0.0012, 0.0, 3),
}

#: Mothers that nothing at 10.58 GeV decays to.
SKIPPED_MOTHERS: Final = frozenset({"Upsilon(4S)", "c-hadron", "anti-c-hadron", "K_0*0N", "anti-K_0*0N"})
HEAVY: Final = (
    "Upsilon",
    "chi_b",
    "h_b",
    "eta_b",
    "Lambda_b",
    "Xi_b",
    "Xi'_b",
    "Omega_b",
    "Sigma_b",
    "B_c",
    "B_s",
    "B_0",
    "B_1",
    "B'_",
    "B_2",
    "B*",
)


class Channel(NamedTuple):
    """A decay channel in PYTHIA's terms."""

    branching_fraction: float
    matrix_element: int
    products: list[int]


def evtgen_codes() -> dict[str, int]:
    """EvtGen's names → PDG codes, from the table inside `particle`."""
    with (resources.files("particle.data") / "pdgid_to_evtgenname.csv").open() as handle:
        rows = [row for row in csv.reader(handle) if row and row[0].lstrip("-").isdigit()]
    return {name: int(code) for code, name in rows}


def code_of(name: str, codes: dict[str, int]) -> int:
    """PDG code of a name in the file, or the code of an alias."""
    if name not in ALIASES:
        return codes[name]
    real = codes[ALIASES[name]]
    offset = ALIAS_OFFSET + ALIAS_VARIANTS.get(name, 0)
    return real + offset if real > 0 else real - offset


def heaviest_quark(code: int) -> int:
    """The largest quark digit of a hadron's code."""
    return max(abs(code) // 10 % 10, abs(code) // 100 % 10, abs(code) // 1000 % 10)


def conserve_lepton_number(products: list[int]) -> list[int]:
    """The same products with the neutrino's sign that goes with the charged lepton: the file has it wrong for K_L."""
    charged = [code for code in products if abs(code) in CHARGED_LEPTONS]
    neutral = [code for code in products if abs(code) in NEUTRINOS]
    if len(charged) != 1 or len(neutral) != 1 or charged[0] * neutral[0] < 0:
        return products
    return [-code if code == neutral[0] else code for code in products]


def order_for_weak_decay(mother: int, products: list[int]) -> list[int]:
    """PYTHIA's matrix element 22 is (P·p1)(p2·p3): first the one that V-A pairs with the mother."""
    leptons = [code for code in products if abs(code) in CHARGED_LEPTONS]
    neutrinos = [code for code in products if abs(code) in NEUTRINOS]
    others = [code for code in products if code not in leptons and code not in neutrinos]
    if abs(mother) == 15:  # tau- → nu_tau l- anti-nu_l: the antineutrino pairs with the tau
        return [code for code in neutrinos if code < 0] + leptons + [code for code in neutrinos if code > 0]
    first = leptons + neutrinos if heaviest_quark(mother) == 4 else neutrinos + leptons
    return first + others


def channel_of(mother: int, fraction: float, products: list[int], model: str, parameters: Any) -> Channel:
    """One channel, its model replaced by the nearest of PYTHIA's matrix elements."""
    products = conserve_lepton_number(products)
    if sorted(products) == [GLUON, GLUON, PHOTON]:
        # a light pair of gluons becomes one hadron, with recoil from whatever else is in PYTHIA's record
        return Channel(fraction, RANDOM_HADRONS, [PHOTON, RANDOM_FLAVOUR, -RANDOM_FLAVOUR])
    if model == "PYTHIA" and int(parameters[0]) != 21:
        return Channel(fraction, int(parameters[0]), products)
    if model == "TAUHADNU":
        hadrons = tuple(code for code in products if code not in NEUTRINOS)
        return Channel(fraction, PHASE_SPACE, [16, TAU_CURRENTS[hadrons]])
    if model in SEMILEPTONIC and len(products) > 2:
        return Channel(fraction, WEAK, order_for_weak_decay(mother, products))
    if model in ("VSS", "VSP_PWAVE") and len(products) == 2:
        return Channel(fraction, VECTOR_TO_SCALARS, products)
    if model == "OMEGA_DALITZ":
        return Channel(fraction, OMEGA_DALITZ, products)
    if model == "PI0_DALITZ":
        return Channel(fraction, DALITZ_PAIR, sorted(products, key=lambda code: abs(code) in CHARGED_LEPTONS))
    return Channel(fraction, PHASE_SPACE, products)


def particle_record(name: str, code: int) -> dict[str, Any] | None:
    """Mass, width, charge and spin of a particle, None where `particle` does not know it."""
    if code in FURTHER_PARTICLES:
        name, mass, width, charge, spin_type = FURTHER_PARTICLES[code]
        has_antiparticle = code != 9920443
        return {
            "name": name,
            "mass": mass,
            "width": width,
            "charge": charge,
            "spin_type": spin_type,
            "has_antiparticle": has_antiparticle,
        }
    try:
        found = Particle.from_pdgid(code)
    except (ParticleNotFound, InvalidParticle):
        return None
    if found.mass is None:
        return None
    return {
        "name": name,
        "mass": round(found.mass / 1000, 6),
        "width": round((found.width or 0.0) / 1000, 6),
        "charge": float(found.charge),
        "spin_type": int(2 * (found.J or 0) + 1),
        "has_antiparticle": found.anti_flag != Inv.Same,
    }


def make_table() -> dict[str, Any]:
    """The content of the data file."""
    source = resources.files("decaylanguage.data") / "DECAY_BELLE2.DEC"
    codes = evtgen_codes()
    with resources.as_file(source) as path:
        parser = DecFileParser(str(path))
        parser.parse()
    channels: dict[int, list[Channel]] = {}
    left_out = 0.0
    for name in parser.list_decay_mother_names():
        mother = 0 if name in SKIPPED_MOTHERS or name.startswith(HEAVY) else code_of(name, codes)
        if mother <= 0:
            continue
        modes = [parser._decay_mode_details(mode, False) for mode in parser._find_decay_modes(name)]
        if any(not found["fs"] for found in modes):  # "the rest by PYTHIA": its own table is the better one
            continue
        for found in modes:
            products = [code_of(product, codes) for product in found["fs"]]
            if len(products) > MAXIMAL_PRODUCTS:
                left_out += found["bf"]
            elif found["bf"] > 0:
                channel = channel_of(mother, found["bf"], products, found["model"], found["model_params"])
                channels.setdefault(mother, []).append(channel)
    aliases = {code_of(name, codes): codes[real] for name, real in ALIASES.items() if codes[real] > 0}
    names = {code_of(name, codes): name for name in (*codes, *ALIASES)}
    mentioned = {abs(code) for entries in channels.values() for channel in entries for code in channel.products}
    particles = {}
    for code in sorted(mentioned | channels.keys()):
        record = particle_record(names[code], aliases.get(code, code))
        if record is not None:
            particles[code] = record
    return {
        "schema_version": 1,
        "source": f"DECAY_BELLE2.DEC of decaylanguage {metadata.version('decaylanguage')}",
        "origin": "Belle II software basf2, generators/evtgen/decayfiles; EvtGen doi:10.1016/S0168-9002(01)00089-4",
        "licence": "BSD-3-Clause (decaylanguage, copyright 2018-2026 Eduardo Rodrigues and Henry Schreiner)",
        "left_out_branching_fractions": round(left_out, 9),
        "aliases": {str(alias): code for alias, code in aliases.items()},
        "particles": {str(code): record for code, record in particles.items()},
        "channels": {str(code): [list(channel) for channel in channels[code]] for code in sorted(channels)},
    }


def to_text(table: dict[str, Any]) -> str:
    """JSON with one particle and one channel a line, so that a change shows as one."""
    lines = []
    for key, value in table.items():
        if key == "channels":
            blocks = [
                f'  "{code}": [\n' + ",\n".join(f"   {json.dumps(channel)}" for channel in entries) + "\n  ]"
                for code, entries in value.items()
            ]
            lines.append('"channels": {\n' + ",\n".join(blocks) + "\n }")
        elif key == "particles":
            rows = [f'  "{code}": {json.dumps(record)}' for code, record in value.items()]
            lines.append('"particles": {\n' + ",\n".join(rows) + "\n }")
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--output", type=Path, default=OUTPUT)
    output: Path = arguments.parse_args().output
    table = make_table()
    output.write_text(to_text(table), encoding="utf-8")
    n_channels = sum(len(entries) for entries in table["channels"].values())
    sys.stdout.write(f"{output}: {len(table['channels'])} particles, {n_channels} channels\n")


if __name__ == "__main__":
    main()
