"""The comparison with EvtGen: its arithmetic, and that the generator agrees as far as is claimed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smartbkg.errors import FileFormatError
from smartbkg.experiment.comparison.generator import (
    EVENT_SHAPES,
    MULTIPLICITIES,
    TOLERANCE_OF_MEANS,
    compare_histogram,
    compare_with_evtgen,
    draw_comparison,
)
from smartbkg.experiment.generator.generate import generate_events

EDGES = np.array([-0.5, 0.5, 1.5, 2.5])


def test_equal_distributions_have_ratio_one_and_no_chi_square() -> None:
    one = compare_histogram("nPIp", "π±", EDGES, np.array([10.0, 20.0, 10.0]), np.array([100.0, 200.0, 100.0]))
    assert one.ratio == pytest.approx(1.0)
    assert one.chi_square_per_bin == pytest.approx(0.0)
    assert one.is_within_tolerance


def test_uncertainty_of_the_ratio_covers_repeated_samples() -> None:
    random = np.random.default_rng(1)
    share = np.array([0.2, 0.5, 0.3])
    compared = [
        compare_histogram(
            "x", "x", EDGES, random.multinomial(2000, share).astype(float), random.multinomial(500, share)
        )
        for _ in range(500)
    ]
    pulls = np.array([(one.ratio - 1) / one.ratio_uncertainty for one in compared])
    assert pulls.std() == pytest.approx(1.0, abs=0.12)
    assert np.mean([one.chi_square_per_bin for one in compared]) == pytest.approx(2 / 3, abs=0.12)


def test_a_mean_out_of_tolerance_is_noticed() -> None:
    one = compare_histogram("nPIp", "π±", EDGES, np.array([10.0, 20.0, 10.0]), np.array([0.0, 20.0, 20.0]))
    assert not one.is_within_tolerance


def test_missing_histograms_are_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"MultiplicityPlotsMixed\.root: no such file"):
        compare_with_evtgen([], tmp_path)


@pytest.mark.slow
def test_means_agree_with_evtgen_as_asked(reference_data: Path) -> None:
    """Within 5 % for ten kinds of particles and 3 % for R2, thrust and sphericity."""
    pytest.importorskip("pythia8mc", reason="the extra 'generate' is not installed")
    comparison = compare_with_evtgen(generate_events("mixed", 20_000, 2), reference_data / "belle2")
    assert comparison.n_events == 20_000
    assert [one.name for one in comparison.multiplicities] == list(MULTIPLICITIES)
    assert [one.name for one in comparison.shapes] == list(EVENT_SHAPES)
    assert {one.name for one in (*comparison.multiplicities, *comparison.shapes)} >= set(TOLERANCE_OF_MEANS)
    assert comparison.disagreeing == ()
    assert draw_comparison(comparison.shapes[0]).axes[0].get_xlabel() == comparison.shapes[0].label
