"""Composite candidates from hand-made events: masses, overlaps, signs, and the constraint of a π0's mass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.experiment.reconstruction.channels import KIND_INDEX
from smartbkg.experiment.reconstruction.reconstruct import Candidates, boost_matrix, find_candidates
from smartbkg.experiment.reconstruction.signal_probability import untrained

PION, KAON, D0, PI0 = 0.13957, 0.493677, 1.86484, 0.134977


def found_in(*events: dict[str, Any]) -> Candidates:
    return find_candidates(make_response(events), np.ones(len(events), bool), classifier=untrained())


def two_body(
    mass: float, first: float, second: float, boost_z: float = 0.6, across: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Momenta of the daughters of a particle that flies along z, in the laboratory."""
    momentum = np.sqrt((mass**2 - (first + second) ** 2) * (mass**2 - (first - second) ** 2)) / (2 * mass)
    gamma = 1 / np.sqrt(1 - boost_z**2)
    results = []
    for sign, m in ((1, first), (-1, second)):
        energy = np.hypot(momentum, m)
        results.append(np.array([sign * momentum * across, 0.0,
                                 gamma * (sign * momentum * np.sqrt(1 - across**2) + boost_z * energy)]))  # fmt: skip
    return results[0], results[1]


def tracks_of_d0(kaon_charge: int = -1) -> list[dict[str, Any]]:
    kaon, pion = two_body(D0, KAON, PION)
    rows = ((kaon, kaon_charge, (0, 0, 0, 1.0, 0)), (pion, -kaon_charge, (0, 0, 1.0, 0, 0)))
    return [{"px": p[0], "py": p[1], "pz": p[2], "charge": charge, "pid": pid} for p, charge, pid in rows]


@pytest.mark.parametrize(("kaon_charge", "is_antiparticle"), [(-1, False), (1, True)])
def test_a_kaon_and_a_pion_of_the_right_mass_are_a_d0_of_the_kaons_sign(
    kaon_charge: int, is_antiparticle: bool
) -> None:
    found = found_in({"tracks": tracks_of_d0(kaon_charge)}).of_kind("D0")
    assert len(found.kind) == 1
    assert found.mass[0] == pytest.approx(D0, abs=1e-4)
    assert found.is_antiparticle[0] == is_antiparticle
    assert abs(found.residual[0]) < 0.1


def test_equal_charges_and_wrong_masses_are_no_d0() -> None:
    same = tracks_of_d0()
    same[1]["charge"] = same[0]["charge"]
    slow = tracks_of_d0()
    slow[0]["px"] *= 0.5
    assert len(found_in({"tracks": same}, {"tracks": slow}).of_kind("D0").kind) == 0


def test_one_track_cannot_be_two_daughters() -> None:
    kaon, _ = tracks_of_d0()
    both = kaon | {"pid": (0, 0, 0.5, 0.5, 0)}
    assert len(found_in({"tracks": [both]}).of_kind("D0").kind) == 0


def test_two_photons_are_a_pi0_of_its_nominal_mass_whatever_was_measured() -> None:
    one, two = two_body(PI0 * 1.05, 0.0, 0.0, 0.9, across=1.0)
    clusters = [
        {"energy": float(np.linalg.norm(p)), "theta": float(np.arccos(p[2] / np.linalg.norm(p))),
         "phi": float(np.arctan2(p[1], p[0]))} for p in (one, two)
    ]  # fmt: skip
    found = found_in({"clusters": clusters}).of_kind("pi0")
    assert len(found.kind) == 1
    assert found.mass[0] == pytest.approx(PI0, abs=1e-6)
    assert found.residual[0] == pytest.approx(0.05 * PI0 / 0.008, rel=0.02), "the residual is of the measured mass"


def test_an_event_is_reconstructed_alone_whatever_stands_beside_it() -> None:
    event, other = {"tracks": tracks_of_d0()}, {"tracks": tracks_of_d0(1) * 3}
    alone, together = found_in(event), found_in(other, event, {})
    last = slice(together.offsets[1], together.offsets[2])
    np.testing.assert_array_equal(together.p4[last], alone.p4)
    np.testing.assert_array_equal(together.kind[last], alone.kind)
    assert together.offsets[3] == together.offsets[2]


def test_momenta_of_a_combination_are_the_sum_of_its_daughters() -> None:
    found = found_in({"tracks": tracks_of_d0()}).of_kind("D0")
    total = np.zeros(4)
    for row, mass in zip(tracks_of_d0(), (KAON, PION), strict=True):
        p = np.array([row["px"], row["py"], row["pz"]])
        total += np.append(p, np.sqrt(p @ p + mass**2))
    np.testing.assert_allclose(found.p4[0], boost_matrix() @ total, atol=1e-9)
    assert KIND_INDEX["D0"] == found.kind[0]
