"""Combinatorics against brute force, and lists of candidates that are closed."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest

from smartbkg.experiment.reconstruction import combinations, signal_probability
from smartbkg.experiment.reconstruction.channels import (
    HADRONIC,
    KIND,
    MASS,
    MAX_DAUGHTERS,
)
from smartbkg.experiment.reconstruction.reconstruct import beam_energy


@numba.njit
def combine(store, lists, n, kind, energy):  # type: ignore[no-untyped-def]
    return combinations.combine(store, lists, n, kind, energy, np.zeros(MAX_DAUGHTERS, np.int64))


@numba.njit
def close_lists(store, kind, stop, bound, minimum):  # type: ignore[no-untyped-def]
    return combinations.close_lists(store, kind, 0, stop, bound, minimum)


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
