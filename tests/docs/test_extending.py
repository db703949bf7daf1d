"""The worked examples of docs/developers/extending.md run."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from networks.graphs_for_tests import random_graphs

from smartbkg.errors import EventError, FileFormatError
from smartbkg.io import open_events
from smartbkg.io.formats import known_formats
from smartbkg.networks.architectures import _installed as architectures_installed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "developers" / "extending.md"
BLOCK = re.compile(r'```\w+ title="([\w.]+)"\n(.*?)```', re.DOTALL)
MODULES = ("my_network", "my_format", "my_skims", "my_policy", "multiplicity")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of the page, as an installed package with its entry points."""
    for name, text in BLOCK.findall(PAGE.read_text()):
        (tmp_path / name).write_text(text)
    groups = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{n} = {target}\n" for n, target in names.items()) for group, names in groups.items()
    ]
    about = tmp_path / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    architectures_installed.cache_clear()
    known_formats.cache_clear()
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)
    architectures_installed.cache_clear()
    known_formats.cache_clear()


def test_the_network_is_built_by_its_name_and_learns_from_every_weight(folder: Path) -> None:
    from smartbkg.graphs.collate import collate
    from smartbkg.networks import build_model

    model = build_model({"architecture": "counting", "n_skims": 2})
    logits = model(collate(random_graphs(0, [3, 0, 5])))
    assert logits.shape == (3, 2)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert torch.isfinite(logits).all()


def test_the_format_is_found_by_content(folder: Path) -> None:
    with open_events(folder / "events.particles") as reader:
        first, second = reader.batches(size=1)
    assert first.event["evtNum"].tolist() == [1]
    assert first.particle["PDG"].tolist() == [300553, 511, -511]
    assert first.particle["motherPDG"].tolist() == [0, 300553, 300553]
    assert second.particle["energy"].tolist() == [1.0]


def test_the_format_names_what_is_wrong(folder: Path) -> None:
    (folder / "short.particles").write_text("# particles, one per line\n1 22\n")
    with (
        open_events(folder / "short.particles") as reader,
        pytest.raises(FileFormatError, match="2 columns, expected 7"),
    ):
        list(reader.batches())
    (folder / "loop.particles").write_text("# particles, one per line\n1 511 1 5.3 0 0 0\n1 -511 0 5.3 0 0 0\n")
    with open_events(folder / "loop.particles") as reader, pytest.raises(EventError, match="cycl"):
        list(reader.batches())


def test_the_skim_returns_a_truth_value_per_event(folder: Path) -> None:
    from types import SimpleNamespace

    from smartbkg.experiment.skims.registry import apply_skim, find_skim

    clusters = SimpleNamespace(
        offsets=np.array([0, 3, 3, 5]),
        energy=np.array([1.5, 1.2, 0.3, 2.0, 0.9]),
        is_photon=np.array([True, True, True, True, True]),
    )

    class Events:
        response = SimpleNamespace(clusters=clusters)

        def __len__(self) -> int:
            return 3

    skim = find_skim("my_skims:two_hard_photons")
    assert apply_skim(skim, Events()).tolist() == [True, False, False]  # type: ignore[arg-type]


def test_the_policy_is_unbiased_and_bounded(folder: Path) -> None:
    from my_policy import PowerPolicy  # type: ignore[import-not-found]

    from smartbkg.sampling.weights import event_weights

    policy = PowerPolicy()
    keep = policy.keep_probability(np.array([0.0, 1e-4, 0.25, 1.0]))
    np.testing.assert_allclose(keep, [0.04, 0.04, 0.5, 1.0])
    np.testing.assert_allclose(keep * event_weights(keep), 1.0)
    assert policy.to_dict()["kind"] == "power"


def test_the_verb_prints(folder: Path) -> None:
    from multiplicity import command  # type: ignore[import-not-found]

    result = CliRunner().invoke(command, [str(folder / "events.particles")], catch_exceptions=False)
    assert result.output == "2.00 particles per event\n"
