"""The embedded detector: repeatable event by event, near full simulation, robust against bad input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from smartbkg.errors import EventError, UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.experiment.comparison.detector import compare_with_full_simulation
from smartbkg.experiment.comparison.full_simulation import read_full_simulation
from smartbkg.experiment.comparison.page import render_comparison
from smartbkg.experiment.detector.detect import simulate_detector
from smartbkg.experiment.detector.objects import DetectorResponse
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2, BELLE2_WITHOUT_BACKGROUND, detector_parameters

QUIET = BELLE2_WITHOUT_BACKGROUND.replace("quiet", tracking={"fake_rate": 0.0})

Particle = tuple[int, int, tuple[float, float, float], tuple[float, float, float]]


def make_events(events: list[list[Particle]]) -> EventBatch:
    """Events of particles (PDG code, mother's position or -1, momentum in GeV, vertex in cm)."""
    flat = [particle for event in events for particle in event]
    momentum = np.array([particle[2] for particle in flat], dtype=float).reshape(-1, 3)
    vertex = np.array([particle[3] for particle in flat], dtype=float).reshape(-1, 3)
    nothing = np.zeros(len(flat))
    return EventBatch.from_columns(
        [len(event) for event in events],
        {"experiment": np.ones(len(events)), "run": np.ones(len(events)), "evtNum": np.arange(len(events))},
        {
            "arrayIndex": [i for event in events for i in range(len(event))],
            "PDG": [particle[0] for particle in flat],
            "motherIndex": [particle[1] for particle in flat],
            "mass": nothing, "charge": nothing, "energy": np.linalg.norm(momentum, axis=1), "prodTime": nothing,
            "x": vertex[:, 0], "y": vertex[:, 1], "z": vertex[:, 2],
            "px": momentum[:, 0], "py": momentum[:, 1], "pz": momentum[:, 2],
            "nDaughters": nothing, "status": np.full(len(flat), ParticleStatus.PRIMARY), "motherPDG": nothing,
        },
        source="made by hand",
    )  # fmt: skip


def arrays(response: DetectorResponse) -> Iterator[np.ndarray]:
    for record in response[:4]:
        yield from record
    yield response.n_unknown


@pytest.fixture(scope="module")
def reference_batch(reference_data: Path) -> EventBatch:
    return read_full_simulation(reference_data / "belle2" / "mdst.root").batch


def test_result_of_an_event_does_not_depend_on_the_others(reference_batch: EventBatch) -> None:
    order = np.random.default_rng(1).permutation(len(reference_batch))
    whole = simulate_detector(reference_batch, seed=3)
    shuffled = simulate_detector(reference_batch.select(order), seed=3)
    for place, event in enumerate(order[:20]):
        ours = slice(*whole.tracks.offsets[event : event + 2])
        theirs = slice(*shuffled.tracks.offsets[place : place + 2])
        assert (whole.tracks.px[ours] == shuffled.tracks.px[theirs]).all()
        assert (whole.tracks.pid[ours] == shuffled.tracks.pid[theirs]).all()
        ours = slice(*whole.clusters.offsets[event : event + 2])
        theirs = slice(*shuffled.clusters.offsets[place : place + 2])
        assert (whole.clusters.energy[ours] == shuffled.clusters.energy[theirs]).all()


def test_same_seed_same_result_and_replicas_differ(reference_batch: EventBatch) -> None:
    first, again = (simulate_detector(reference_batch, seed=3) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(first), arrays(again), strict=True))
    for other in (simulate_detector(reference_batch, 3, replica=1), simulate_detector(reference_batch, 4)):
        assert not np.array_equal(first.clusters.energy, other.clusters.energy)


def test_means_agree_with_full_simulation_within_a_tenth(reference_data: Path) -> None:
    comparison = compare_with_full_simulation(reference_data / "belle2" / "mdst.root", n_replicas=10)
    assert [one.label for one in comparison.disagreeing] == []
    spectra = {one.name: one for one in comparison.objects}
    assert spectra["track p_T [GeV]"].ks_distance < 0.06
    assert spectra["log10 E of neutral photon clusters [GeV]"].ks_distance < 0.05
    # the core of the resolutions: a third at most, where a hundred events know it to a tenth
    assert all(abs(one.ratio - 1.0) < 0.35 + 2.0 * one.ratio_uncertainty for one in comparison.resolutions)
    assert len(comparison.resolutions) == 12
    for one in comparison.efficiencies:
        assert abs(one.fast_total - one.full_total) < 0.1 + 2.0 * one.full_total_uncertainty
    page = render_comparison(comparison, data_name="mdst.root")
    # means of which nothing is asked are named all the same where they differ
    assert "clusters with a track" in [one.label for one in comparison.further]
    assert "Of the others these differ by more: clusters with a track" in page
    assert "tracks" in page
    assert 'src="http' not in page


def test_full_simulation_is_read_as_it_was_written(reference_data: Path) -> None:
    full = read_full_simulation(reference_data / "belle2" / "mdst.root").response
    assert len(full.tracks.px) == 1135
    assert len(full.clusters.energy) == 2742
    assert (full.clusters.track < 0).sum() == 1815
    assert len(full.v0s.mass) == 238


def test_daughters_of_a_klong_that_decays_outside_are_invisible() -> None:
    klong: Particle = (130, -1, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    far: list[Particle] = [
        klong,
        (211, 0, (0.5, 0.1, 0.0), (300.0, 0.0, 0.0)),
        (-211, 0, (0.5, -0.1, 0.0), (300.0, 0, 0)),
    ]
    near: list[Particle] = [klong, (211, 0, (0.5, 0.1, 0.0), (1.0, 0.0, 0.0)), (-211, 0, (0.5, -0.1, 0.0), (1.0, 0, 0))]
    outside = simulate_detector(make_events([far] * 300), 1, parameters=QUIET)
    inside = simulate_detector(make_events([near] * 300), 1, parameters=QUIET)
    assert len(outside.tracks.px) == 0
    assert 0.5 < np.mean(np.diff(outside.clusters.offsets) > 0) < 0.95
    assert (outside.clusters.truth % 3 == 0).all()
    assert len(inside.tracks.px) > 500
    assert (inside.tracks.truth % 3 > 0).all()


def test_undecayed_kshort_gives_vertices_at_its_mass() -> None:
    events = make_events([[(310, -1, (0.8, 0.2, 0.1), (0.0, 0.0, 0.0))]] * 2000)
    v0s = simulate_detector(events, 1, parameters=QUIET).v0s
    masses = v0s.mass[v0s.code == 310]
    assert len(masses) > 300
    assert np.median(masses) == pytest.approx(0.4976, abs=0.001)
    assert np.percentile(np.abs(masses - 0.4976), 68) < 0.008


def test_charged_pion_that_the_generator_decays_in_the_chamber_leaves_one_track() -> None:
    pion: Particle = (211, -1, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    muon: Particle = (-13, 0, (0.8, 0.0, 0.0), (60.0, 4.0, 0.0))
    response = simulate_detector(make_events([[pion, muon, (14, 0, (0.2, 0, 0), (60.0, 4.0, 0.0))]] * 200), 1,
                                 parameters=QUIET)  # fmt: skip
    own = response.tracks.origin == 0
    assert (response.tracks.truth[own] % 3 == 0).all()
    assert 150 < own.sum() <= 200


def test_unknown_codes_pass_unseen_and_are_counted() -> None:
    events = make_events([[(9_900_001, -1, (1.0, 0, 0), (0, 0, 0)), (14, -1, (1.0, 0, 0), (0, 0, 0))], []])
    response = simulate_detector(events, 1, parameters=QUIET)
    assert response.n_unknown.tolist() == [1, 0]
    assert len(response.tracks.px) == len(response.clusters.energy) == 0


def test_mother_after_its_daughter_is_the_same_event() -> None:
    vertex = (0.0, 0.0, 0.0)
    forward = make_events(
        [[(111, -1, (0.9, 0, 0), vertex), (22, 0, (0.5, 0.1, 0), vertex), (22, 0, (0.4, -0.1, 0), vertex)]]
    )
    backward = make_events(
        [[(22, 2, (0.5, 0.1, 0), vertex), (22, 2, (0.4, -0.1, 0), vertex), (111, -1, (0.9, 0, 0), vertex)]]
    )
    assert np.array_equal(simulate_detector(forward, 1).clusters.energy, simulate_detector(backward, 1).clusters.energy)


def test_bad_events_are_named() -> None:
    at_rest = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    good: list[Particle] = [(22, -1, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))]
    with pytest.raises(EventError, match=r"made by hand: event \(1, 1, 1\): a particle is its own ancestor"):
        simulate_detector(make_events([good, [(111, 1, *at_rest), (22, 0, *at_rest)]]), 1)
    with pytest.raises(EventError, match=r"event \(1, 1, 1\): energy of particle 0 is nan"):
        simulate_detector(make_events([good, [(22, -1, (np.nan, 0.0, 0.0), (0.0, 0.0, 0.0))]]), 1)
    with pytest.raises(EventError, match="thousands"):
        simulate_detector(make_events([good * 5000]), 1)


def test_no_events_give_empty_records() -> None:
    response = simulate_detector(make_events([]), 1)
    assert response.n_events == 0
    assert response.tracks.pid.shape == (0, 5)


def test_another_detector_is_another_set_of_numbers(reference_batch: EventBatch) -> None:
    nominal = simulate_detector(reference_batch, 1, parameters=BELLE2)
    other = simulate_detector(reference_batch, 1, parameters=ALTERNATIVE)
    assert (other.clusters.truth < 0).sum() > 2 * (nominal.clusters.truth < 0).sum()
    blind = BELLE2.replace("blind", tracking={"efficiency_scale": 0.0, "fake_rate": 0.0, "interaction_track": 0.0},
                           background={"tracks": 0.0})  # fmt: skip
    assert len(simulate_detector(reference_batch, 1, parameters=blind).tracks.px) == 0
    assert BELLE2.digest != ALTERNATIVE.digest
    assert detector_parameters("alternative") is ALTERNATIVE


def test_unknown_names_of_numbers_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'efficiency_scale'"):
        BELLE2.replace("x", tracking={"eficiency_scale": 1.0})
    with pytest.raises(UsageError, match="did you mean 'tracking'"):
        BELLE2.replace("x", traking={"efficiency_scale": 1.0})
    with pytest.raises(UsageError, match="has 2 values, expected 10"):
        BELLE2.replace("x", tracking={"efficiency": (1.0, 1.0)})
    with pytest.raises(UsageError, match="unknown detector 'bele2': did you mean 'belle2'"):
        detector_parameters("bele2")
