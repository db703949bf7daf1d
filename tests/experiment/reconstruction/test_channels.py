"""Channels of the reconstruction: what the text says, and the tables made of it."""

from __future__ import annotations

import itertools

from smartbkg.experiment.reconstruction.channels import (
    CHANNEL,
    KIND_INDEX,
    KINDS,
    MAX_DAUGHTERS,
    list_index,
    needed_kinds,
    tables,
)


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


def test_tables_hold_what_the_text_says() -> None:
    kinds, channels = tables()
    assert channels.dtype == CHANNEL
    d0 = kinds[KIND_INDEX["D0"]]
    first = channels[d0["first_channel"]]
    assert first["daughters"][:2].tolist() == [list_index("K-"), list_index("pi+")]
    assert first["n_daughters"] == 2
    assert kinds["stop_channel"][-1] == len(channels)
