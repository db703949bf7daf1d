"""Cleaning and event kinematics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from experiment.responses import make_response

from smartbkg.experiment.reconstruction.reconstruct import beam_energy, boost_matrix
from smartbkg.experiment.reconstruction.tagging import clean_events


def test_cuts_on_tracks_and_clusters() -> None:
    response = make_response(
        [
            {
                "tracks": [
                    {"px": 0.5},
                    {"px": 0.5, "d0": 0.6},
                    {"px": 0.5, "z0": -2.1},
                    {"px": 0.09, "pz": 1.0},
                ],
                "clusters": [
                    {"energy": 0.3},
                    {"energy": 0.09},
                    {"energy": 0.3, "theta": 0.28},
                    {"energy": 0.5, "track": 0},
                    {"energy": 0.7, "track": 1},
                    {"energy": 9.0, "is_photon": False},
                ],
            }
        ]
    )
    cleaning = clean_events(response, boost_matrix(), beam_energy())
    assert cleaning.is_track.tolist() == [True, False, False, False]
    assert cleaning.is_photon.tolist() == [True, False, False, False, False, False]
    variables = {name: values[0] for name, values in cleaning.variables.items()}
    assert variables["nTracks"] == 1
    assert variables["nClusters"] == 3  # the cluster of a track counts, as in basf2's nCleanedECLClusters
    assert variables["nPhotons"] == 1
    assert variables["E_ECL"] == pytest.approx(0.8)  # the photon and the cluster of the cleaned track


def test_nothing_is_missing_where_the_beams_are_visible() -> None:
    inverse = np.linalg.inv(boost_matrix())
    photons = []
    for direction in ([0.6, 0.3, 0.2], [-0.6, -0.3, -0.2]):
        unit = np.array(direction) / np.linalg.norm(direction)
        p4 = inverse @ np.append(beam_energy() * unit, beam_energy())
        theta = np.arccos(p4[2] / p4[3])
        photons.append({"energy": p4[3], "theta": theta, "phi": np.arctan2(p4[1], p4[0])})
    variables = clean_events(make_response([{"clusters": photons}]), boost_matrix(), beam_energy()).variables
    assert variables["visibleEnergy"][0] == pytest.approx(2 * beam_energy())
    assert variables["missingMomentum"][0] == pytest.approx(0.0, abs=1e-6)
    assert variables["missingMass2"][0] == pytest.approx(0.0, abs=1e-6)
    assert variables["R2"][0] == pytest.approx(1.0)
    assert variables["thrust"][0] == pytest.approx(1.0)


def test_shape_of_an_empty_event_is_undefined_and_all_is_missing() -> None:
    cleaning = clean_events(make_response([{}, {"tracks": [{"px": 1.0}]}]), boost_matrix(), beam_energy())
    assert np.isnan(cleaning.variables["R2"]).all()
    assert cleaning.variables["missingMass2"][0] == pytest.approx((2 * beam_energy()) ** 2)
    assert not cleaning.passes_event_cuts.any()


def test_event_cuts_are_those_of_the_fei() -> None:
    tracks = [{"px": np.cos(angle), "py": np.sin(angle)} for angle in (0.0, 2.1, 4.2)]
    clusters = [{"energy": 1.0, "phi": phi} for phi in (0.5, 2.5, 4.5)]
    good = {"tracks": tracks, "clusters": clusters}
    few_tracks = {"tracks": tracks[:2], "clusters": [*clusters, {"energy": 1.0}]}
    much_energy = {"tracks": tracks, "clusters": [{"energy": 2.5, "phi": k} for k in range(3)]}
    few_clusters = {"tracks": tracks, "clusters": [{"energy": 1.5}, {"energy": 1.5}]}
    response = make_response([good, few_tracks, much_energy, few_clusters])
    passes = clean_events(response, boost_matrix(), beam_energy()).passes_event_cuts
    assert passes.tolist() == [True, False, False, False]


def test_shapes_are_computed_when_they_are_looked_at() -> None:
    cleaning = clean_events(make_response([{}]), boost_matrix(), beam_energy())
    names = list(cleaning.variables)
    assert len(names) == len(cleaning.variables)
    assert np.isfinite(cleaning.variables["visibleEnergy"]).all()
    assert "shapes" not in vars(cleaning)
    assert np.isnan(cleaning.variables["thrust"]).all()
    assert "shapes" in vars(cleaning)
    assert set(names) >= {"R2", "thrust", "sphericity", "aplanarity", "nTracks", "E_ECL", "visibleEnergy"}
