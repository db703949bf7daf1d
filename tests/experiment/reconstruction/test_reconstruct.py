"""Combinatorics against brute force, channels, kinematics, truth matching, and independence of events."""

from __future__ import annotations

import itertools
import json

import numba
import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.experiment.beams import SUPERKEKB
from smartbkg.experiment.reconstruction import combinations, signal_probability, truth_matching
from smartbkg.experiment.reconstruction.channels import (
    CHANNEL,
    HADRONIC,
    KIND,
    KIND_INDEX,
    KINDS,
    MASS,
    MAX_DAUGHTERS,
    list_index,
    needed_kinds,
    tables,
)
from smartbkg.experiment.reconstruction.reconstruct import beam_energy, boost_matrix


def channels_of(name: str) -> tuple[str, ...]:
    return KINDS[KIND_INDEX[name]].channels


def test_there_are_at_least_the_promised_numbers_of_channels() -> None:
    counts = {name: len(channels_of(name)) for name in ("D0", "D+", "D_s+", "B0", "B+")}
    assert counts["D0"] >= 10
    assert counts["D+"] >= 7
    assert counts["D_s+"] >= 4
    assert counts["B0"] >= 20
    assert counts["B+"] >= 20


def test_no_channel_is_listed_twice_and_equal_daughters_stand_side_by_side() -> None:
    for kind in KINDS:
        assert len(set(kind.channels)) == len(kind.channels)
        for channel in kind.channels:
            names = channel.split()
            groups = [name for name, _ in itertools.groupby(names)]
            assert len(groups) == len(set(names)), f"{kind.name} -> {channel}"
            assert 2 <= len(names) <= MAX_DAUGHTERS


def charge_of(name: str) -> int:
    if name.startswith("anti-p"):
        return -1
    if name.startswith("anti-") or name.endswith("0") or ":hh" in name or name in ("gamma", "eta", "J/psi", "psi(2S)"):
        return 0
    return {"+": 1, "-": -1}[name[-1]]


def test_every_channel_conserves_charge() -> None:
    for kind in KINDS:
        if kind.name == "B:ccs":
            continue  # B0 and B+ together
        expected = charge_of(kind.name.removesuffix(":SL").removesuffix(":hh"))
        for channel in kind.channels:
            assert sum(charge_of(name) for name in channel.split()) == expected, f"{kind.name} -> {channel}"


def test_needed_kinds_holds_all_generations() -> None:
    wanted = needed_kinds(frozenset({"B0:SL"}))
    assert wanted[KIND_INDEX["D*+"]]
    assert wanted[KIND_INDEX["pi0"]]
    assert not wanted[KIND_INDEX["D_s*+"]]
    assert not wanted[KIND_INDEX["J/psi"]]


def test_boost_takes_the_collision_to_rest() -> None:
    collision = SUPERKEKB.mean_collision
    laboratory = np.array([collision.px[0], collision.py[0], collision.pz[0], collision.energy[0]])
    at_rest = boost_matrix() @ laboratory
    assert np.abs(at_rest[:3]).max() < 1e-9
    assert at_rest[3] == pytest.approx(2 * beam_energy())


def test_cos_theta_by_finds_the_angle_of_a_decay_with_a_neutrino(rng: np.random.Generator) -> None:
    mass, energy = 5.27966, beam_energy()
    momentum = np.sqrt(energy**2 - mass**2)
    for _ in range(100):
        direction = rng.normal(size=3)
        b = np.append(momentum * direction / np.linalg.norm(direction), energy)
        # neutrino: isotropic in the B rest frame would do; any massless momentum that leaves a physical Y does
        neutrino_direction = rng.normal(size=3)
        neutrino_direction /= np.linalg.norm(neutrino_direction)
        e_neutrino = rng.uniform(0.1, 1.5)
        y = b - np.append(e_neutrino * neutrino_direction, e_neutrino)
        expected = b[:3] @ y[:3] / (np.linalg.norm(b[:3]) * np.linalg.norm(y[:3]))
        got = combinations.cos_theta_by.py_func(y[0], y[1], y[2], y[3], energy, mass)
        assert got == pytest.approx(expected, abs=1e-8)


# Parts of a kernel cannot be called from Python: these kernels call one each.
@numba.njit
def combine(store, lists, n, kind, energy):  # type: ignore[no-untyped-def]
    return combinations.combine(store, lists, n, kind, energy, np.zeros(MAX_DAUGHTERS, np.int64))


@numba.njit
def close_lists(store, kind, stop, bound, minimum):  # type: ignore[no-untyped-def]
    return combinations.close_lists(store, kind, 0, stop, bound, minimum)


@numba.njit
def match(truth, store, rows, n, code):  # type: ignore[no-untyped-def]
    return truth_matching.match(truth, store, rows, n, code, False)


@numba.njit
def log_odds(classifier, kind, channel, feature, workspace):  # type: ignore[no-untyped-def]
    return signal_probability.log_odds(classifier, kind, channel, feature, workspace)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def filled_store(rng: np.random.Generator, sizes: list[int]) -> combinations.Store:
    """A store with lists 0, 1, 2... of random pions that use random tracks."""
    store = combinations.new_store(signal_probability.N_FEATURES, signal_probability.N_HIDDEN)
    row = 0
    for number, size in enumerate(sizes):
        rows = store.lists[number]["rows"]
        momenta = rng.normal(scale=0.5, size=(size, 3))
        energy = np.sqrt((momenta**2).sum(axis=1) + 0.13957**2)
        store.lists[number]["size"] = size
        store.lists[number]["lowest"], store.lists[number]["highest"] = energy.min(), energy.max()
        store.lists[number]["lightest"] = 0.13957
        for k in range(size):
            candidate = store.candidate[row]
            candidate["px"], candidate["py"], candidate["pz"] = momenta[k]
            candidate["energy"] = energy[k]
            candidate["tracks"] = np.uint64(1) << np.uint64(rng.integers(0, 12))
            candidate["log_probability"] = np.log(rng.uniform(0.05, 1.0))
            rows[k] = row
            row += 1
    return store


def kind_record(rule: int, low: float, high: float, mass: float, bound: int) -> np.void:
    kind = np.zeros(1, dtype=KIND)
    kind["rule"], kind["low"], kind["high"], kind["mass"], kind["channel_bound"] = rule, low, high, mass, bound
    return kind[0]


def brute_force(store: combinations.Store, lists: list[int], accept: object) -> dict[frozenset[int], float]:
    """All combinations of distinct candidates without a common track, as sets of rows, with what ``accept`` returns."""
    found: dict[frozenset[int], float] = {}
    choices = [store.lists[number]["rows"][: store.lists[number]["size"]].tolist() for number in lists]
    for rows in itertools.product(*choices):
        used = [int(store.candidate[row]["tracks"]) for row in rows]
        if len(set(used)) < len(used):
            continue
        columns = [[store.candidate[row][name] for name in ("px", "py", "pz", "energy")] for row in rows]
        rank = accept(np.sum(columns, axis=0), rows)  # type: ignore[operator]
        if rank is not None:
            found[frozenset(rows)] = rank
    return found


def best_of(store: combinations.Store, n: int, n_best: int) -> set[frozenset[int]]:
    return {frozenset(store.best[k]["rows"][:n].tolist()) for k in range(n_best)}


@pytest.mark.parametrize("lists", [[0, 1], [0, 0, 1], [0, 1, 1, 2], [0, 0, 1, 1, 2], [0, 0, 0]])
def test_mass_combinations_are_those_of_brute_force(lists: list[int], rng: np.random.Generator) -> None:
    low, high, mass = 1.2, 1.9, 1.6
    for _ in range(20):
        store = filled_store(rng, [6, 5, 4])
        kind = kind_record(MASS, low, high, mass, 20)

        def accept(p4: np.ndarray, rows: tuple[int, ...]) -> float | None:
            m = np.sqrt(p4[3] ** 2 - (p4[:3] ** 2).sum())
            return abs(m - mass) if low < m < high else None

        expected = brute_force(store, lists, accept)
        n_best, n_found = combine(store, np.array(lists), len(lists), kind, beam_energy())
        assert n_found == len(expected)
        wanted = sorted(expected, key=expected.__getitem__)[:20]
        assert best_of(store, len(lists), n_best) == set(wanted)


@pytest.mark.parametrize("lists", [[0, 1, 1], [0, 0, 1, 1, 2]])
def test_energy_pruning_loses_no_tag(lists: list[int], rng: np.random.Generator) -> None:
    beam, low, high = 2.5, 1.5, 0.3
    n_total = 0
    for _ in range(20):
        store = filled_store(rng, [6, 5, 4])
        kind = kind_record(HADRONIC, low, high, 2.0, 20)

        def accept(p4: np.ndarray, rows: tuple[int, ...]) -> float | None:
            if abs(p4[3] - beam) > high or (p4[:3] ** 2).sum() > beam**2 - low**2:
                return None
            return -sum(store.candidate[row]["log_probability"] for row in rows)  # noqa: B023 - called at once

        expected = brute_force(store, lists, accept)
        n_best, n_found = combine(store, np.array(lists), len(lists), kind, beam)
        n_total += n_found
        assert n_found == len(expected)
        ranks = sorted(expected.values())[:20]
        assert sorted(store.best[k]["rank"] for k in range(n_best)) == pytest.approx(ranks)
    assert n_total > 0


def test_closing_a_list_keeps_the_most_probable_in_their_order(rng: np.random.Generator) -> None:
    store = combinations.new_store(signal_probability.N_FEATURES, signal_probability.N_HIDDEN)
    probability = rng.permutation(np.linspace(0.001, 0.9, 30))
    store.candidate["probability"][:30] = probability
    store.candidate["sign"][:30] = rng.integers(0, 2, 30)
    store.candidate["channel"][:30] = np.arange(30)
    stop = close_lists(store, 3, 30, 8, 0.5)
    best = [k for k in np.argsort(-probability)[:8] if probability[k] >= 0.5]
    assert store.candidate["channel"][:stop].tolist() == sorted(best)
    assert store.lists["size"][6] + store.lists["size"][7] == stop == len(best)
    for sign in range(2):
        entry = store.lists[6 + sign]
        assert (store.candidate["sign"][entry["rows"][: entry["size"]]] == sign).all()


def test_ties_do_not_exceed_the_bound() -> None:
    store = combinations.new_store(signal_probability.N_FEATURES, signal_probability.N_HIDDEN)
    store.candidate["probability"][:30] = 0.5
    assert close_lists(store, 3, 30, 8, 0.0) == 8


def test_a_combination_is_right_only_with_all_daughters_of_one_mother() -> None:
    # 0: D0 → 1: K-, 2: π+, 3: π0 → 4, 5: γγ ; 6: another π+
    truth = np.zeros(7, dtype=truth_matching.TRUTH)
    truth["code"] = [421, -321, 211, 111, 22, 22, 211]
    truth["mother"] = [-1, 0, 0, 0, 3, 3, -1]
    truth["energy"] = [2.5, 1.0, 0.8, 0.7, 0.4, 0.3, 0.8]
    store = combinations.new_store(signal_probability.N_FEATURES, signal_probability.N_HIDDEN)
    for row, particle in enumerate([1, 2, 3, 6]):
        store.candidate[row]["truth"] = particle
        store.candidate[row]["truth_energy"] = truth["energy"][particle]
    rows = np.array([0, 1, 2, 3])
    assert match(truth, store, rows[[0, 1, 2]], 3, 421)[0] == 0
    assert match(truth, store, rows[[0, 1]], 2, 421)[0] == -1  # π0 missing
    assert match(truth, store, rows[[0, 3, 2]], 3, 421)[0] == -1  # π+ of elsewhere
    assert match(truth, store, rows[[0, 1, 2]], 3, -421)[0] == -1  # wrong flavour


def test_tables_hold_what_the_text_says() -> None:
    kinds, channels = tables()
    assert channels.dtype == CHANNEL
    d0 = kinds[KIND_INDEX["D0"]]
    first = channels[d0["first_channel"]]
    assert first["daughters"][:2].tolist() == [list_index("K-"), list_index("pi+")]
    assert first["n_daughters"] == 2
    assert kinds["stop_channel"][-1] == len(channels)


def test_log_odds_is_the_network_it_says(rng: np.random.Generator) -> None:
    blank = signal_probability.untrained()
    classifier = signal_probability.Classifier(
        blank.first_row, *(rng.normal(size=values.shape) for values in blank[1:])
    )
    feature = rng.normal(size=signal_probability.N_FEATURES)
    kind, channel = KIND_INDEX["D0"], 3
    row = classifier.first_row[kind] + channel
    hidden = np.maximum(0, classifier.bias[row] + feature @ classifier.weight[kind])
    expected = classifier.offset[row] + hidden @ classifier.output[kind]
    workspace = np.zeros(signal_probability.N_HIDDEN)
    assert log_odds(classifier, kind, channel, feature, workspace) == pytest.approx(expected)


def test_a_classifier_survives_its_file() -> None:
    classifier = signal_probability.default_classifier()
    text = signal_probability.classifier_to_json(classifier, {})
    again = signal_probability.classifier_from_json(text, "again")
    for before, after in zip(classifier, again, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels_digest": "0"}, "other decay channels"),
        ({"schema_version": 99}, "upgrade"),
        ({"offset": [1.0]}, "shape"),
    ],
)
def test_a_classifier_that_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    content = json.loads(signal_probability.classifier_to_json(signal_probability.untrained(), {}))
    with pytest.raises(ModelError, match=message):
        signal_probability.classifier_from_json(json.dumps(content | change), "some.json")


def test_text_that_is_no_classifier_is_refused() -> None:
    with pytest.raises(ModelError, match="not a signal-probability file"):
        signal_probability.classifier_from_json("[]", "some.json")
