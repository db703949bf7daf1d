"""The generator's promises: which event is which, conservation laws, mothers, what is decayed, where and when."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from benchmarks.bench_conservation import conservation

from smartbkg.errors import UsageError
from smartbkg.events import EventBatch
from smartbkg.events.columns import PROCESSES, ParticleStatus
from smartbkg.experiment.generator import pythia
from smartbkg.experiment.generator.generate import BLOCK_EVENTS, GeneratorRequest, generate_events
from smartbkg.experiment.generator.upsilon import draw_meson_pairs
from smartbkg.graphs.decay_tree import GraphRule, build_graphs

pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")

N_EVENTS = 300
Sample = Callable[[str], EventBatch]


@pytest.fixture(scope="module")
def sample() -> Sample:
    made: dict[str, EventBatch] = {}

    def get(process: str) -> EventBatch:
        if process not in made:
            made[process] = EventBatch.concatenate(list(generate_events(process, N_EVENTS, 11)))
        return made[process]

    return get


def assert_same_events(one: EventBatch, other: EventBatch) -> None:
    np.testing.assert_array_equal(one.offsets, other.offsets)
    for columns, expected in ((one.event, other.event), (one.particle, other.particle)):
        assert columns.keys() == expected.keys()
        for name in columns:
            np.testing.assert_array_equal(columns[name], expected[name], err_msg=name)


@pytest.mark.parametrize("process", PROCESSES)
def test_momentum_and_charge_are_conserved(sample: Sample, process: str) -> None:
    batch = sample(process)
    batch.check_finite()
    status, event = batch.particle["status"], batch.event_index
    is_final = (status & ParticleStatus.STABLE_IN_GENERATOR) != 0
    is_initial = (status & ParticleStatus.INITIAL) != 0
    if process in ("mixed", "charged"):
        is_initial = batch.particle["motherIndex"] == -1
    for name in ("energy", "px", "py", "pz", "charge"):
        column = batch.particle[name].astype(np.float64)
        before = np.bincount(event[is_initial], column[is_initial], len(batch))
        after = np.bincount(event[is_final], column[is_final], len(batch))
        np.testing.assert_allclose(after, before, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_single_event_of_many_blocks_conserves_momentum(process: str) -> None:
    """A leak between events of one block is rare, and does not show in means; the benchmark looks at 300,000."""
    found = conservation(process, 2 * BLOCK_EVENTS, 5)
    assert found.n_leaking == 0, found
    assert found.n_events == 2 * BLOCK_EVENTS


@pytest.mark.parametrize("process", PROCESSES)
def test_mothers_come_first_and_families_agree(sample: Sample, process: str) -> None:
    batch = sample(process)
    particle = batch.particle
    start = batch.offsets[:-1][batch.event_index]
    np.testing.assert_array_equal(particle["arrayIndex"], np.arange(batch.n_particles) - start)
    assert (particle["motherIndex"] < particle["arrayIndex"]).all()
    has_mother = particle["motherIndex"] >= 0
    mother = (start + particle["motherIndex"])[has_mother]
    np.testing.assert_array_equal(particle["motherPDG"][has_mother], particle["PDG"][mother])
    assert (particle["motherPDG"][~has_mother] == 0).all()
    np.testing.assert_array_equal(np.bincount(mother, minlength=batch.n_particles), particle["nDaughters"])
    is_stable = (particle["status"] & ParticleStatus.STABLE_IN_GENERATOR) != 0
    is_initial = (particle["status"] & ParticleStatus.INITIAL) != 0
    np.testing.assert_array_equal(particle["nDaughters"] == 0, is_stable | is_initial)


@pytest.mark.parametrize("process", PROCESSES)
def test_short_lived_particles_decay_and_long_lived_do_not(sample: Sample, process: str) -> None:
    particle = sample(process).particle
    code = np.abs(particle["PDG"])
    is_stable = (particle["status"] & ParticleStatus.STABLE_IN_GENERATOR) != 0
    assert is_stable[np.isin(code, (211, 321, 13, 11, 22, 2212, 2112, 12, 14, 16))].sum() > 0
    assert set(np.unique(code[is_stable])) <= {211, 321, 13, 11, 22, 2212, 2112, 12, 14, 16}
    assert not is_stable[np.isin(code, (310, 130, 3122, 111, 15))].any()


@pytest.mark.parametrize("process", PROCESSES)
def test_no_parton_is_left_and_mass_is_on_shell(sample: Sample, process: str) -> None:
    particle = sample(process).particle
    code = np.abs(particle["PDG"])
    assert not ((code <= 8) | (code == 21) | ((code > 1000) & (code < 10000) & (code // 10 % 10 == 0))).any()
    square = sum(particle[name].astype(np.float64) ** 2 for name in ("px", "py", "pz"))
    expected = np.sqrt(square + particle["mass"].astype(np.float64) ** 2)
    np.testing.assert_allclose(particle["energy"], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("process", PROCESSES)
def test_decay_graphs_follow_from_every_process(sample: Sample, process: str) -> None:
    graphs = build_graphs(sample(process), GraphRule())
    assert (np.diff(graphs.offsets) > 0).all()
    assert graphs.n_unknown_codes == 0


def test_an_event_is_the_same_whatever_else_is_asked_for() -> None:
    whole = EventBatch.concatenate(list(generate_events("mixed", BLOCK_EVENTS + 20, 5)))
    first = BLOCK_EVENTS - 9
    part = EventBatch.concatenate(list(generate_events("mixed", 15, 5, first_event=first)))
    assert_same_events(part, whole.slice(first - 1, first + 14))
    np.testing.assert_array_equal(part.event["evtNum"], np.arange(first, first + 15))


@pytest.mark.parametrize("process", ["mixed", "uubar"])
def test_blocks_do_not_depend_on_what_was_generated_before(process: str) -> None:
    fresh = next(iter(generate_events(process, 50, 21)))
    for _ in generate_events(process, 50, 22):
        pass
    assert_same_events(next(iter(generate_events(process, 50, 21))), fresh)


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"run": 2}, {"experiment": 1}, {"first_event": 2}, {"process": "charged"}], ids=str
)
def test_each_part_of_the_key_makes_other_events(other: dict[str, int | str]) -> None:
    key: dict[str, int | str] = {"process": "mixed", "n_events": 5, "seed": 1, "run": 1, "experiment": 0}
    one, two = (next(iter(generate_events(**settings))) for settings in (key, key | other))  # type: ignore[arg-type]
    assert one.particle["px"][:20].tolist() != two.particle["px"][:20].tolist()


@pytest.mark.parametrize("process", ["mixed", "charged"])
def test_upsilon_comes_first_and_decays_to_two_b_mesons(sample: Sample, process: str) -> None:
    batch = sample(process)
    start = batch.offsets[:-1]
    pdg = batch.particle["PDG"]
    assert (pdg[start] == 300553).all()
    assert (batch.particle["status"][start] == ParticleStatus.PRIMARY).all()
    code = 511 if process == "mixed" else 521
    assert (np.abs(pdg[start + 1]) == code).all()
    assert (np.abs(pdg[start + 2]) == code).all()
    assert (batch.particle["motherIndex"][start + 1] == 0).all()
    assert batch.particle["mass"][start].mean() == pytest.approx(10.5796, abs=5 * 0.0053 / np.sqrt(N_EVENTS))


def test_continuum_has_beams_a_virtual_photon_and_flagged_radiation(sample: Sample) -> None:
    batch = sample("uubar")
    particle = batch.particle
    start = batch.offsets[:-1]
    assert (particle["PDG"][start] == 11).all()
    assert (particle["PDG"][start + 1] == -11).all()
    is_virtual = (particle["status"] & ParticleStatus.VIRTUAL) != 0
    assert is_virtual.sum() == len(batch)
    assert (particle["PDG"][is_virtual] == 23).all()
    is_radiation = (particle["status"] & ParticleStatus.ISR_PHOTON) != 0
    assert (particle["PDG"][is_radiation] == 22).all()
    virtual_energy = particle["energy"][is_virtual].astype(np.float64)
    radiated = np.bincount(batch.event_index[is_radiation], particle["energy"][is_radiation], len(batch))
    beams = particle["energy"][start] + particle["energy"][start + 1]
    np.testing.assert_allclose(virtual_energy + radiated, beams, atol=1e-3)


@pytest.mark.parametrize("process", ["mixed", "uubar"])
def test_vertices_and_times_follow_from_flight(sample: Sample, process: str) -> None:
    """A decay vertex lies along the mother's momentum, at the distance that its time implies."""
    batch = sample(process)
    particle = {name: column.astype(np.float64) for name, column in batch.particle.items()}
    start = batch.offsets[:-1][batch.event_index]
    has_mother = particle["motherIndex"] >= 0
    daughter = np.flatnonzero(has_mother)
    mother = (start + batch.particle["motherIndex"])[has_mother]
    is_flight = np.isin(np.abs(batch.particle["PDG"][mother]), (310, 411, 421, 511, 3122))
    daughter, mother = daughter[is_flight], mother[is_flight]
    time = particle["prodTime"][daughter] - particle["prodTime"][mother]
    assert (time >= -1e-9).all()
    for axis in "xyz":
        path = particle[axis][daughter] - particle[axis][mother]
        velocity = particle["p" + axis][mother] / particle["energy"][mother] * 29.9792458
        np.testing.assert_allclose(path, velocity * time, rtol=1e-3, atol=2e-4)


def test_b_mesons_live_as_long_as_measured_and_mix() -> None:
    batch = EventBatch.concatenate(list(generate_events("mixed", 4 * BLOCK_EVENTS, 3)))
    start = batch.offsets[:-1]
    first, second = batch.particle["PDG"][start + 1], batch.particle["PDG"][start + 2]
    chi = 0.769**2 / (2 * (1 + 0.769**2))  # time-integrated mixing probability
    n = len(batch)
    assert (first == second).mean() == pytest.approx(chi, abs=4 * np.sqrt(chi * (1 - chi) / n))
    # both mesons of every event: those of equal flavour have lived longer
    is_daughter = np.abs(batch.particle["motherPDG"]) == 511
    mother = (start[batch.event_index] + batch.particle["motherIndex"])[is_daughter]
    gamma = batch.particle["energy"][mother] / batch.particle["mass"][mother]
    proper_time = batch.particle["prodTime"][is_daughter] / gamma * 1000  # ps
    _, one_a_mother = np.unique(mother, return_index=True)
    lifetimes = proper_time[one_a_mother]
    assert lifetimes.mean() == pytest.approx(1.517, abs=4 * 1.517 / np.sqrt(len(lifetimes)))


def test_b_mesons_mix_in_time() -> None:
    """The share of equal flavours in bins of |Δt| is (1 − cos Δm Δt) / 2, by the decay times that the events hold."""
    batch = EventBatch.concatenate(list(generate_events("mixed", 24 * BLOCK_EVENTS, 5)))
    start, particle = batch.offsets[:-1], batch.particle
    times = []
    for place in (1, 2):
        meson = start + place
        is_daughter = particle["motherIndex"] == particle["arrayIndex"][meson][batch.event_index]
        is_daughter[start] = False
        daughter = np.full(len(batch), -1)
        rows = np.flatnonzero(is_daughter)[::-1]
        daughter[batch.event_index[rows]] = rows  # the first of each event
        flown = particle["prodTime"][daughter] - particle["prodTime"][meson]
        times.append(flown * particle["mass"][meson] / particle["energy"][meson] * 1000)  # ps
    is_equal = particle["PDG"][start + 1] == particle["PDG"][start + 2]
    difference = np.abs(times[0] - times[1]) * 0.769 / 1.517  # Δm Δt
    edges = np.array([0.0, 0.3, 0.6, 1.0, 1.5, 2.2, 3.2])
    shares = []
    for low, high in itertools.pairwise(edges):
        chosen = (difference >= low) & (difference < high)
        expected = (0.5 * (1 - np.cos(difference[chosen]))).mean()
        shares.append(is_equal[chosen].mean())
        error = np.sqrt(expected * (1 - expected) / chosen.sum())
        assert abs(shares[-1] - expected) < 4.5 * error + 0.005  # decay times are rounded in single precision
    assert shares[0] < 0.03 < 0.8 < shares[-1]


def test_a_record_in_which_momentum_leaked_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHIA lets light strings recoil against other particles of the record, some 15 times in a million events."""
    pairs = draw_meson_pairs("charged", 20, np.random.default_rng(1))
    genuine, calls = pythia._record, []

    def leaking(batch: object) -> pythia.PythiaRecord:
        record = genuine(batch)
        calls.append(record)
        if len(calls) == 1:
            px = record.momentum.px.copy()
            px[-1] += 0.1
            return record._replace(momentum=record.momentum._replace(px=px))
        return record

    monkeypatch.setattr(pythia, "_record", leaking)
    record = pythia.decay_particles(pairs.codes, pairs.momenta, pairs.proper_time, 1)
    assert len(calls) == 2
    root = pythia._roots(record, 40)
    is_left = record.status > 0
    sums = np.bincount(root[is_left], weights=record.momentum.px[is_left], minlength=41)[1:]
    np.testing.assert_allclose(sums, record.momentum.px[1:41], atol=1e-9)


def test_b_mesons_are_distributed_as_sine_squared() -> None:
    batch = EventBatch.concatenate(list(generate_events("charged", 4 * BLOCK_EVENTS, 4)))
    start = batch.offsets[:-1]
    particle = batch.particle
    boosted = particle["pz"][start + 1] - particle["pz"][start + 2]  # opposite momenta in the rest frame
    factor = particle["energy"][start] / particle["mass"][start]
    momentum = np.sqrt((0.5 * particle["mass"][start]) ** 2 - particle["mass"][start + 1] ** 2)
    square = ((boosted / 2 / factor / momentum) ** 2).clip(max=1)
    assert square.mean() == pytest.approx(0.2, abs=0.02)  # 1/3 if it were isotropic


def test_unknown_process_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown process 'mixd': did you mean 'mixed'"):
        GeneratorRequest("mixd", 1, 1)


@pytest.mark.parametrize("wrong", [{"n_events": 0}, {"first_event": 0}, {"run": -1}, {"experiment": -1}], ids=str)
def test_numbers_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is .*, expected at least"):
        GeneratorRequest(**({"process": "mixed", "n_events": 1, "seed": 1} | wrong))  # type: ignore[arg-type]
