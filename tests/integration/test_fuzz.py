"""Mutated files of every format, at a small size; `make fuzz` runs the same at full size."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import Format, failures, fuzz, make_formats

N_MUTATIONS = 45
NAMES = (
    "events.parquet", "events.hepmc3", "events.hepmc3.gz", "events.hepmc3.xz", "events.hepmc3.zst",
    "events.parquet of others", "mDST", "flags.parquet", "flags.csv", "n-tuple.root", "model.safetensors", "model.pth",
    "store.sqlite", "model.onnx", "configuration.yaml",
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
