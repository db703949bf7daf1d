"""The registry, skims of one's own, and Belle II's cuts on events made for them."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.errors import UsageError
from smartbkg.experiment.reconstruction.reconstruct import ReconstructedEvents, beam_energy, boost_matrix, reconstruct
from smartbkg.experiment.simulation import DEFAULT_SKIMS
from smartbkg.experiment.skims.registry import Skim, apply_skim, find_skim, register_skim, skim_names


def passes(name: str, *events: dict[str, Any]) -> list[bool]:
    return apply_skim(find_skim(name), reconstruct(make_response(events))).tolist()


def laboratory(energy: float, theta: float, phi: float, mass: float = 0.0) -> dict[str, float]:
    """Momentum in the laboratory of a particle given in the centre-of-mass frame."""
    p = np.sqrt(energy**2 - mass**2)
    p4 = [p * np.sin(theta) * np.cos(phi), p * np.sin(theta) * np.sin(phi), p * np.cos(theta), energy]
    px, py, pz, _ = np.linalg.inv(boost_matrix()) @ p4
    return {"px": px, "py": py, "pz": pz}


def photon(energy: float, theta: float, phi: float) -> dict[str, float]:
    p = laboratory(energy, theta, phi)
    size = np.sqrt(p["px"] ** 2 + p["py"] ** 2 + p["pz"] ** 2)
    return {"energy": size, "theta": np.arccos(p["pz"] / size), "phi": np.arctan2(p["py"], p["px"])}


def test_the_ten_skims_are_there_with_codes_and_words() -> None:
    assert set(DEFAULT_SKIMS) <= set(skim_names())
    for name in DEFAULT_SKIMS:
        skim = find_skim(name)
        assert len(skim.code) == 8
        assert len(skim.documentation) > 40
    assert find_skim("feiHadronicB0").code == "11180100"


def test_an_unknown_skim_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'feiHadronicB0'"):
        find_skim("feiHadronicB")


@pytest.fixture
def own_module() -> Iterator[types.ModuleType]:
    module = types.ModuleType("my_skims")

    def many_photons(events: ReconstructedEvents) -> np.ndarray:
        """At least two photons."""
        return events.variables["nPhotons"] >= 2

    module.many_photons = many_photons  # type: ignore[attr-defined]
    module.wrong_shape = lambda events: np.array([True])  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    sys.modules["my_skims"] = module
    yield module
    del sys.modules["my_skims"]


def test_a_skim_of_ones_own_takes_three_lines(own_module: types.ModuleType) -> None:
    assert find_skim("my_skims:many_photons").documentation == "At least two photons."
    two = {"clusters": [{"energy": 0.3}, {"energy": 0.4}]}
    assert passes("my_skims:many_photons", two, {"clusters": [{"energy": 0.3}]}) == [True, False]


def test_a_skim_of_an_installed_package_is_found_by_its_name(tmp_path: Path) -> None:
    # in a process of its own: the registry is filled once
    (tmp_path / "their_skims.py").write_text("def fewTracks(events):\n    return events.variables['nTracks'] < 4\n")
    package = tmp_path / "theirs-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[smartbkg.skims]\nfewTracks = their_skims:fewTracks\n")
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r}); "
        "from smartbkg.experiment.skims.registry import find_skim as find; "
    )
    done = subprocess.run(
        [sys.executable, "-c", code + "print(find('fewTracks').column)"], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "passes_fewTracks", done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_skims:many_photon", "did you mean 'many_photons'"),
        ("no_such_module:f", "cannot import no_such_module"),
        ("my_skims:number", "expected a function"),
    ],
)
def test_a_skim_that_cannot_be_loaded_says_why(own_module: types.ModuleType, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_skim(name)


def test_a_selection_of_the_wrong_shape_is_refused(own_module: types.ModuleType) -> None:
    with pytest.raises(UsageError, match=r"wrong_shape|<lambda>|shape \(1,\)"):
        passes("my_skims:wrong_shape", {}, {})


def test_a_name_is_taken_once() -> None:
    with pytest.raises(UsageError, match="already a skim 'feiSLB0'"):
        register_skim(Skim("feiSLB0", lambda events: np.zeros(len(events), dtype=bool)))
    with pytest.raises(UsageError, match="not an identifier"):
        register_skim(Skim("a b", lambda events: np.zeros(len(events), dtype=bool)))


def test_a_name_of_the_package_is_taken_before_its_skims_were_asked_for() -> None:
    code = (
        "from smartbkg.experiment.skims.registry import Skim, register_skim, skim_names\n"
        "try: register_skim(Skim('feiSLB0', len))\n"
        "except Exception as error: print(type(error).__name__, len(skim_names()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["UsageError", "10"]


def test_b_to_x_ll_wants_two_leptons_of_one_flavour() -> None:
    def lepton(flavour: int, energy: float, phi: float, **further: float) -> dict[str, Any]:
        pid = np.zeros(5)
        pid[flavour] = 1.0
        return {**laboratory(energy, 1.5, phi), "pid": pid, **further}

    def event(*leptons: dict[str, Any]) -> dict[str, Any]:
        round_event = [{**laboratory(1.2, theta, phi)} for theta, phi in ((0.4, 1.0), (1.5, 3.0), (2.7, 5.0))]
        return {"tracks": [*leptons, *round_event]}

    electrons = event(lepton(0, 0.8, 0.0), lepton(0, 0.9, 2.0))
    mixed_flavours = event(lepton(0, 0.8, 0.0), lepton(1, 0.9, 2.0))
    soft = event(lepton(1, 0.7, 0.0), lepton(1, 0.7, 2.0))
    displaced = event(lepton(1, 0.8, 0.0, d0=0.6), lepton(1, 0.9, 2.0))
    assert passes("BtoXll", electrons, mixed_flavours, soft, displaced) == [True, False, False, False]


def test_low_mass_two_track_wants_a_hard_photon_and_a_light_pair() -> None:
    hard, soft = photon(2.5, 1.5, 0.0), photon(1.8, 1.5, 0.0)
    pair = [{**laboratory(1.2, 1.5, 3.0), "charge": 1}, {**laboratory(1.2, 1.6, 3.3), "charge": -1}]
    like_sign = [{**track, "charge": 1} for track in pair]
    heavy = [{**laboratory(2.0, 1.5, 1.0), "charge": 1}, {**laboratory(2.0, 1.6, 4.0), "charge": -1}]
    events = [
        {"tracks": pair, "clusters": [hard]},
        {"tracks": pair, "clusters": [soft]},
        {"tracks": like_sign, "clusters": [hard]},
        {"tracks": heavy, "clusters": [hard]},
        {},
    ]
    assert passes("LowMassTwoTrack", *events) == [True, False, False, False, False]


def test_inclusive_lambda_wants_a_displaced_proton_and_pion() -> None:
    proton = {"px": 1.6, "charge": 1, "pid": (0, 0, 0, 0, 1.0), "d0": 0.1}
    pion = {"px": 0.3, "charge": -1}
    v0 = {"code": 3122, "mass": 1.1157, "px": 1.9, "x": 2.0}

    def event(**change: Any) -> dict[str, Any]:
        return {"tracks": [proton, pion], "v0s": [{**v0, **change}]}

    wrong_proton = {"tracks": [{**proton, "pid": (0, 0, 1.0, 0, 0)}, pion], "v0s": [v0]}
    events = [event(), event(x=0.1), event(mass=1.14), event(y=1.0), event(code=310), wrong_proton]
    assert passes("InclusiveLambda", *events) == [True, False, False, False, False, False]


def test_tau_generic_wants_prongs_on_either_side() -> None:
    def pion(energy: float, theta: float, phi: float, charge: int) -> dict[str, Any]:
        return {**laboratory(energy, theta, phi, 0.13957), "charge": charge}

    one = pion(2.5, 1.3, 0.0, 1)
    three = [pion(1.0, 1.8, np.pi + shift, charge) for shift, charge in ((0.0, -1), (0.15, 1), (-0.15, -1))]
    wide = [pion(1.0, 1.8, np.pi + shift, charge) for shift, charge in ((0.0, -1), (1.4, 1), (-1.4, -1))]
    back_to_back = [pion(3.0, 1.3, 0.0, 1), pion(3.0, np.pi - 1.3, np.pi, -1)]
    acollinear = [pion(3.0, 1.3, 0.0, 1), pion(2.0, 1.6, np.pi - 0.3, -1)]
    doubly_charged = [pion(3.0, 1.3, 0.0, 1), pion(2.0, 1.6, np.pi - 0.3, 1)]
    events = [
        {"tracks": [one, *three]},
        {"tracks": [one, *wide]},
        {"tracks": back_to_back},
        {"tracks": acollinear},
        {"tracks": doubly_charged},
        {"tracks": [one]},
    ]
    assert passes("TauGeneric", *events) == [True, False, False, True, False, False]


def psi_event(*, klong: bool) -> dict[str, Any]:
    """B0 → J/ψ(→ μ+μ-) K at rest-frame kinematics, and enough else to pass the event cuts."""
    m_psi, m_k, m_b = 3.0969, 0.497611, 5.27966
    p_star = np.sqrt((m_b**2 - (m_psi + m_k) ** 2) * (m_b**2 - (m_psi - m_k) ** 2)) / (2 * m_b)
    b = np.array([0.0, np.sqrt(beam_energy() ** 2 - m_b**2), 0.0, beam_energy()])
    psi = boosted_along_y(np.array([p_star, 0.0, 0.0, np.hypot(p_star, m_psi)]), b, m_b)
    kaon = b - psi
    muons = decay_at_right_angle(psi, m_psi, 0.105658)
    to_laboratory = np.linalg.inv(boost_matrix())
    tracks = []
    for p4, charge in zip(muons, (1, -1), strict=True):
        px, py, pz, _ = to_laboratory @ p4
        tracks.append({"px": px, "py": py, "pz": pz, "charge": charge, "pid": (0.0, 1.0, 0.0, 0.0, 0.0)})
    tracks += [{**laboratory(0.9, theta, phi)} for theta, phi in ((1.0, 1.0), (2.0, 4.0), (1.5, 5.0))]
    px, py, pz, _ = to_laboratory @ kaon
    size = np.sqrt(px**2 + py**2 + pz**2)
    klm = [{"theta": np.arccos(pz / size), "phi": np.arctan2(py, px), "track": -1 if klong else 0}]
    return {"tracks": tracks, "clusters": [{"energy": 0.6, "phi": 1.0}, {"energy": 0.6, "phi": 2.0}], "klm": klm}


def boosted_along_y(p4: np.ndarray, frame: np.ndarray, mass: float) -> np.ndarray:
    gamma, gamma_beta = frame[3] / mass, frame[1] / mass
    return np.array([p4[0], gamma * p4[1] + gamma_beta * p4[3], p4[2], gamma * p4[3] + gamma_beta * p4[1]])


def decay_at_right_angle(p4: np.ndarray, mass: float, daughter: float) -> tuple[np.ndarray, np.ndarray]:
    """Two daughters emitted along z in the rest frame of a particle that moves in the x-y plane."""
    p = np.sqrt(mass**2 / 4 - daughter**2)
    half = p4 / 2
    return half + np.array([0, 0, p, 0]), half - np.array([0, 0, p, 0])


def test_a_psi_and_a_klong_of_the_right_direction_pass() -> None:
    assert passes("TDCPV_ccs", psi_event(klong=True), psi_event(klong=False)) == [True, False]
