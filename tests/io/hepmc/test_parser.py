"""The parser of HepMC's numbers agrees with Python's, and no text makes it fail otherwise than by a flaw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartbkg.events.columns import ParticleStatus
from smartbkg.io.hepmc.lines import FLAWS
from smartbkg.io.hepmc.parser import parse_events
from smartbkg.io.hepmc.tree import status_bits

HEAD = b"E 1 0 1\nU GEV CM\n"


def momentum_of(number: str) -> float:
    text = HEAD + b"P 1 0 11 %s 0 0 1 0 1\n" % number.encode()
    parsed = parse_events(text, np.array([0]), np.array([len(text)]), 3)
    assert parsed.flaw[0] == 0, FLAWS[int(parsed.flaw[0])]
    return float(parsed.momentum[0, 0])


@given(
    st.floats(min_value=-1e300, max_value=1e300),
    st.sampled_from(["{!r}", "{:.16e}", "{:.6f}", "{:+.9E}"]),
)
def test_numbers_are_read_as_python_reads_them(value: float, form: str) -> None:
    text = form.format(value)
    is_usual = 1e-5 < abs(float(text)) < 1e20  # beyond, powers of ten are not exact
    assert momentum_of(text) == pytest.approx(float(text), rel=4e-16 if is_usual else 1e-14, abs=1e-300)


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_single_precision_is_exact(value: float) -> None:
    assert np.float32(momentum_of(f"{value:.16e}")) == np.float32(float(f"{value:.16e}"))


@given(st.binary(max_size=300), st.sampled_from([2, 3]))
def test_any_bytes_are_events_or_a_flaw(garbage: bytes, version: int) -> None:
    text = b"E " + garbage
    parsed = parse_events(text, np.array([0]), np.array([len(text)]), version)
    assert parsed.flaw[0] in (0, *FLAWS)
    assert len(parsed.code) == parsed.counts[0]


LINES = (
    "E 1 1 2", "U GEV CM", "P 1 0 1 0 0 0 1 1 2", "P 2 1 2 0 0 0 1 1 1", "P 2 -1 2 0 0 0 1 1 1", "V -1 0 [1]",
    "V -1 0 [2] @ 0 0 0 0", "W 1 2", "A 2 smartbkg_status 7", "A 0 x y",
)  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_any_lines_are_events_or_a_flaw(lines: list[str]) -> None:
    text = "\n".join(["E 1 1 2", *lines, ""]).encode()
    parsed = parse_events(text, np.array([0]), np.array([len(text)]), 3)
    assert parsed.flaw[0] in (0, *FLAWS)
    assert (parsed.mother < max(parsed.counts.sum(), 1)).all()


def test_one_damaged_event_costs_no_other() -> None:
    good = HEAD + b"P 1 0 11 1 2 3 4 0 1\n"
    bad = HEAD + b"P 1 0 11 1 2 x 4 0 1\n"
    text = good + bad + good
    starts = np.array([0, len(good), len(good) + len(bad)])
    parsed = parse_events(text, starts, np.append(starts[1:], len(text)), 3)
    assert parsed.flaw.tolist() == [0, 1, 0]
    assert parsed.counts.tolist() == [1, 0, 1]
    assert text[parsed.flaw_position[1] :].startswith(b"P 1 0 11 1 2 x")
    assert parsed.momentum[:, :3].tolist() == [[1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize(
    ("code", "status", "bits"),
    [
        (211, 1, ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR),
        (511, 2, ParticleStatus.PRIMARY),
        (11, 4, ParticleStatus.PRIMARY | ParticleStatus.INITIAL),
        (23, 62, ParticleStatus.VIRTUAL),
        (2, 2, ParticleStatus.VIRTUAL),
        (21, 1, ParticleStatus.VIRTUAL),
        (92, 2, ParticleStatus.VIRTUAL),
        (2101, 2, ParticleStatus.VIRTUAL),
        (-13, 3, ParticleStatus.VIRTUAL),
        (-13, 201, 0),
        (4122, 2, ParticleStatus.PRIMARY),
    ],
)
def test_status_codes_mean_what_the_documentation_says(code: int, status: int, bits: int) -> None:
    assert status_bits(np.array([code]), np.array([status])).tolist() == [bits]
