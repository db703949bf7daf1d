"""Which candidates are right: all daughters of one mother, energies that add up, and ancestors found in any order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numba
import numpy as np
import pytest
from synthetic import random_events

from smartbkg.experiment.reconstruction import combinations, signal_probability, truth_matching
from smartbkg.experiment.reconstruction.reconstruct import boost_matrix


@numba.njit
def match(truth, store, rows, n, code):  # type: ignore[no-untyped-def]
    return truth_matching.match(truth, store, rows, n, code, False)


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


def test_energies_must_add_up_within_the_tolerance_and_neutrinos_may_miss() -> None:
    truth = np.zeros(3, dtype=truth_matching.TRUTH)
    truth["code"], truth["mother"] = [511, -413, 11], [-1, 0, 0]
    truth["energy"], truth["neutrino_energy"] = [5.0, 2.5, 1.0], [1.5, 0.0, 0.0]
    store = combinations.new_store(signal_probability.N_FEATURES, signal_probability.N_HIDDEN)
    for row, particle in enumerate((1, 2)):
        store.candidate[row]["truth"], store.candidate[row]["truth_energy"] = particle, truth["energy"][particle]
    rows = np.array([0, 1])
    assert match(truth, store, rows, 2, 511)[0] == -1, "1.5 GeV are missing"
    assert match_semileptonic(truth, store, rows, 2, 511)[0] == 0
    truth["neutrino_energy"][0] = 1.5 + 2 * truth_matching.TRUTH_TOLERANCE
    assert match_semileptonic(truth, store, rows, 2, 511)[0] == -1
    truth["energy"][0], truth["neutrino_energy"][0] = 3.5, 0.0
    assert match(truth, store, rows, 2, 511)[0] == 0
    assert match_semileptonic(truth, store, rows, 2, 511)[0] == -1, "a semileptonic decay has a neutrino"


@numba.njit
def match_semileptonic(truth, store, rows, n, code):  # type: ignore[no-untyped-def]
    return truth_matching.match(truth, store, rows, n, code, True)


def test_mothers_are_found_by_number_in_any_order_and_neutrinos_counted_up_the_tree() -> None:
    batch = random_events(20, seed=3)
    order = np.concatenate(
        [np.random.default_rng(1).permutation(np.arange(first, last))
         for first, last in itertools.pairwise(batch.offsets)]
    )  # fmt: skip
    shuffled = replace(batch, particle={name: column[order] for name, column in batch.particle.items()})
    plain, moved = (truth_matching.truth_of(one, boost_matrix()) for one in (batch, shuffled))
    np.testing.assert_array_equal(plain["code"][order], moved["code"])
    np.testing.assert_allclose(plain["neutrino_energy"][order], moved["neutrino_energy"], atol=1e-9)
    place = np.argsort(order)
    above = plain["mother"][order]
    np.testing.assert_array_equal(np.where(above < 0, -1, place[above]), moved["mother"])
    roots = plain["mother"] < 0
    is_neutrino = np.isin(np.abs(plain["code"]), (12, 14, 16))
    total = plain["energy"][is_neutrino & ~roots].sum()
    assert plain["neutrino_energy"][roots].sum() == pytest.approx(total)


def test_nobody_has_no_truth() -> None:
    assert len(truth_matching.no_truth()) == 0
    empty = random_events(3).select(np.zeros(3, dtype=bool))
    assert len(truth_matching.truth_of(empty, boost_matrix())) == 0
