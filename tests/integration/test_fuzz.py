"""Mutated files of every format, at a small size; `make fuzz` runs the same at full size."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bombs import BOMBS, make_bombs
from fuzzing import blow_up, failures, fuzz
from pristine import Format, make_formats

N_MUTATIONS = 45
NAMES = (
    "events.parquet", "events.hepmc3", "events.hepmc3.gz", "events.hepmc3.xz", "events.hepmc3.zst",
    "events.edm4hep.root", "events.hepmc2", "HepMC3 in ROOT", "mDST", "uDST without particles", "EDM4hep in a TTree",
    "events.parquet of others", "lists of particles", "padded arrays", "flags.parquet", "flags.csv", "n-tuple.root",
    "model.safetensors", "model.pth", "store.sqlite", "model.onnx", "configuration.yaml",
)  # fmt: skip


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Format]:
    return {known.name: known for known in make_formats(tmp_path_factory.mktemp("pristine"), 20)}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_no_format_is_forgotten(formats: dict[str, Format]) -> None:
    assert set(formats) == set(NAMES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_mutated_file_gives_an_error_or_the_same_numbers(
    formats: dict[str, Format], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    counts = fuzz(formats[name], N_MUTATIONS, tmp_path, seed=3)
    assert failures(counts) == {}, capsys.readouterr().err
    assert counts["error"] > 0, "mutations that nobody notices are none"


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bombs(tmp_path_factory.mktemp("bombs"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_holds_or_announces_gigabytes_is_refused_before_they_are_there(
    bombs: dict[str, Path], name: str
) -> None:
    outcome = blow_up(name, bombs[name])
    assert outcome.kind == "error", outcome
    bombs[name].unlink()


def test_memory_of_before_is_no_failure_and_memory_of_a_reading_is(
    formats: dict[str, Format], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wasteful(path: Path) -> tuple[int, str]:
        if is_wasting:
            _touched(128 << 20)
        return 1, path.read_bytes().hex()

    monkeypatch.setattr("fuzzing.MEMORY_BYTES", 64 << 20)
    _touched(256 << 20)
    known = formats["configuration.yaml"]._replace(read=wasteful)
    is_wasting = False
    assert failures(fuzz(known, 1, tmp_path)) == {}
    if not _forgets_peaks():
        pytest.skip("this kernel does not let a process forget its peak of memory")
    is_wasting = True
    assert failures(fuzz(known, 1, tmp_path)) == {"MEMORY": 1}
    assert "MEMORY" in capsys.readouterr().err


def _touched(n_bytes: int) -> None:
    np.ones(n_bytes // 8)


def _forgets_peaks() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
