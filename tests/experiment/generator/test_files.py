"""Generated events in files: what is refused before PYTHIA starts, and the record of what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smartbkg.errors import UsageError
from smartbkg.experiment.generator.files import generate_to_file
from smartbkg.experiment.generator.generate import GENERATOR_VERSION, GeneratorRequest
from smartbkg.io import open_events
from smartbkg.io.convert import convert_events


def test_impossible_requests_are_refused_and_write_nothing(tmp_path: Path) -> None:
    request = GeneratorRequest("mixed", 5, 1)
    with pytest.raises(UsageError, match="n_jobs is 0, expected at least 1"):
        generate_to_file(request, tmp_path / "e.parquet", n_jobs=0)
    with pytest.raises(UsageError, match=r"expected a name that ends in .*smartbkg convert"):
        generate_to_file(request, tmp_path / "e.hepmc3")
    assert not list(tmp_path.iterdir())


def test_the_file_says_how_it_was_made_and_counts_what_it_holds(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")
    written = generate_to_file(GeneratorRequest("charged", 7, 3), tmp_path / "e.parquet")
    with open_events(tmp_path / "e.parquet") as reader:
        batches = list(reader.batches())
        settings = reader.metadata["settings"]
    assert written.n_events == sum(len(batch) for batch in batches) == 7
    assert written.n_particles == sum(batch.n_particles for batch in batches)
    assert settings["process"] == "charged"
    assert settings["seed"] == 3
    assert settings["generator_version"] == GENERATOR_VERSION
    assert set(np.concatenate([batch.event["process"] for batch in batches])) == {"charged"}


def test_the_cross_section_of_the_process_goes_into_the_totals_and_on(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")
    generate_to_file(GeneratorRequest("taupair", 5, 3), tmp_path / "e.parquet")
    convert_events([tmp_path / "e.parquet"], tmp_path / "e.hepmc3")
    for name in ("e.parquet", "e.hepmc3"):
        with open_events(tmp_path / name) as reader:
            assert sum(map(len, reader.batches())) == 5
            assert reader.totals is not None
            assert reader.totals.cross_section == pytest.approx(919.0)
            assert reader.totals.n_cross_section == 5
