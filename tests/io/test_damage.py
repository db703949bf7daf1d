"""Truncated and bit-flipped files of every format: an error or a report, never a crash, a hang or a silent loss."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from io_events import decay_event, hepmc_text, write_mdst
from synthetic import random_events

from smartbkg.errors import SmartBKGError
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.storage.provenance import record

N_EVENTS = 12
FORMATS = ("hepmc2", "hepmc3", "hepmc3.gz", "hepmc3.xz", "hepmc3.zst", "parquet", "root")

damages = st.one_of(
    st.tuples(st.just("cut"), st.floats(0.01, 0.999)),
    st.tuples(st.just("flip"), st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 7)), min_size=1, max_size=5)),
)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "e.hepmc2").write_bytes(hepmc_text([decay_event(n) for n in range(1, N_EVENTS + 1)], 2))
    write_mdst(folder / "e.root", [(1, 1, n) for n in range(N_EVENTS)])
    for kind in FORMATS[1:-1]:
        with create_events(folder / f"e.{kind}", record("events", 1, {})) as writer:
            writer.write(random_events(N_EVENTS))
    return {kind: (folder / f"e.{kind}").read_bytes() for kind in FORMATS}


def damaged(content: bytes, damage: tuple[str, object]) -> bytes:
    kind, where = damage
    if kind == "cut":
        return content[: int(where * len(content))]  # type: ignore[operator]
    flipped = bytearray(content)
    for place, bit in where:  # type: ignore[attr-defined]
        flipped[int(place * len(content))] ^= 1 << bit
    return bytes(flipped)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Damaged files warn, hundreds of times."""
    logger = logging.getLogger("smartbkg.io")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages)
def test_damage_is_an_error_or_a_report(
    whole_files: dict[str, bytes], tmp_path: Path, kind: str, damage: tuple[str, object]
) -> None:
    path = tmp_path / f"d.{kind}"
    path.write_bytes(damaged(whole_files[kind], damage))
    for skip_corrupt in (False, True):
        try:
            with open_events(path, ReadOptions(skip_corrupt=skip_corrupt)) as reader:
                n_read = sum(map(len, reader.batches(5)))
        except SmartBKGError:
            continue
        if n_read != N_EVENTS:
            assert skip_corrupt, "events are missing without an error"
            assert len(reader.skipped) or reader.warnings, "events are missing without a report"
        assert len(reader.skipped) == 0 or reader.skipped.messages
        assert all(message.startswith(f"{path}: ") for message in reader.skipped.messages)
