"""The training file in upstream's layout: roots, virtual particles and names of layouts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import random_events

from smartbkg.b2modules.upstream_layout import check_layout, is_virtual, root_index
from smartbkg.errors import UsageError
from smartbkg.events.columns import ParticleStatus


@given(st.integers(0, 50))
def test_the_root_is_the_first_ancestor_in_the_same_event(seed: int) -> None:
    batch = random_events(4, seed=seed)
    roots = root_index(batch)
    for event in range(len(batch)):
        start = int(batch.offsets[event])
        for place in range(start, int(batch.offsets[event + 1])):
            at = place
            while batch.particle["motherIndex"][at] >= 0:
                at = start + int(batch.particle["motherIndex"][at])
            assert roots[place] == at


def test_particles_off_their_mass_shell_or_marked_so_are_virtual() -> None:
    batch = random_events(1, seed=3, max_particles=20)
    batch.particle["energy"] = np.sqrt(
        sum(batch.particle[name].astype(float) ** 2 for name in ("px", "py", "pz", "mass"))
    )
    assert not is_virtual(batch).any()
    batch.particle["energy"] = batch.particle["energy"] * np.where(np.arange(batch.n_particles) == 1, 1.01, 1.0)
    batch.particle["status"] = batch.particle["status"].copy()
    batch.particle["status"][0] |= int(ParticleStatus.VIRTUAL)
    expected = np.arange(batch.n_particles) < 2
    assert is_virtual(batch).tolist() == expected.tolist()


def test_an_unknown_layout_names_the_nearest() -> None:
    assert check_layout("upstream") == "upstream"
    with pytest.raises(UsageError, match="upstream"):
        check_layout("upsteam")
