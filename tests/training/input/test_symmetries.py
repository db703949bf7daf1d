"""Symmetries of the detector shown in training: what they change, what they leave, and that they are repeatable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.errors import UsageError
from smartbkg.graphs import DecayGraphs, GraphRule, build_graphs
from smartbkg.graphs.collate import select_graphs
from smartbkg.graphs.rule import SMART_BACKGROUND_RULE
from smartbkg.training.config import parse_training_config
from smartbkg.training.input.symmetries import Symmetries, antiparticle_tokens, earlier_showings
from smartbkg.training.run import train

RULE = GraphRule()
COLUMN = {name: position for position, name in enumerate(RULE.features)}
EVENTS = np.arange(400)


@pytest.fixture(scope="module")
def graphs() -> DecayGraphs:
    return build_graphs(toy_events(len(EVENTS), 3), RULE)


def event_of(graphs: DecayGraphs) -> np.ndarray:
    return np.repeat(np.arange(graphs.n_events), np.diff(graphs.offsets))


@pytest.mark.parametrize("rule", [RULE, SMART_BACKGROUND_RULE])
def test_antiparticle_of_the_antiparticle_is_the_particle(rule: GraphRule) -> None:
    found = antiparticle_tokens(rule.tokens)
    np.testing.assert_array_equal(found[found], np.arange(len(rule.tokens)))
    token = {code: int(rule.tokens.tokens([code])[0][0]) for code in (211, -211, 511, -511, 11, -11, 22, 111, 310)}
    assert all(found[token[code]] == token[-code] for code in (211, -211, 511, -511, 11, -11))
    assert all(found[token[code]] == token[code] for code in (22, 111, 310))


def test_mirror_turns_half_of_the_events_whole_and_leaves_the_rest(graphs: DecayGraphs) -> None:
    shown = Symmetries(["mirror"], RULE, 1).apply(graphs, EVENTS, 0)
    event, py, before = event_of(graphs), shown.feature[:, COLUMN["py"]], graphs.feature[:, COLUMN["py"]]
    is_mirrored = np.array([(py[event == i] != before[event == i]).any() for i in EVENTS])
    assert 150 < is_mirrored.sum() < 250
    kept = ~is_mirrored[event]
    np.testing.assert_array_equal(shown.feature[kept], graphs.feature[kept])
    np.testing.assert_array_equal(shown.token[kept], graphs.token[kept])
    sign = np.ones((len(event), len(RULE.features)))
    sign[~kept, COLUMN["y"]] = sign[~kept, COLUMN["py"]] = -1
    np.testing.assert_array_equal(shown.feature, graphs.feature * sign)
    np.testing.assert_array_equal(shown.token[~kept], antiparticle_tokens(RULE.tokens)[graphs.token[~kept]])
    assert (shown.token[~kept] != graphs.token[~kept]).any()


def test_rotation_keeps_lengths_angles_between_tracks_and_everything_else(graphs: DecayGraphs) -> None:
    shown = Symmetries(["rotation"], RULE, 1).apply(graphs, EVENTS, 0)
    np.testing.assert_array_equal(shown.token, graphs.token)
    for name in ("prodTime", "energy", "z", "pz"):
        np.testing.assert_array_equal(shown.feature[:, COLUMN[name]], graphs.feature[:, COLUMN[name]])
    turn = []
    for x, y in (("x", "y"), ("px", "py")):
        old, new = (one.feature[:, COLUMN[x]] + 1j * one.feature[:, COLUMN[y]] for one in (graphs, shown))
        np.testing.assert_allclose(np.abs(new), np.abs(old), rtol=1e-5)
        is_far = np.abs(old) > 1e-3
        turn.append(np.where(is_far, new / np.where(is_far, old, 1), np.nan))
    event = event_of(graphs)
    for i in EVENTS:  # one angle an event, the same for places and momenta
        angles = np.concatenate([part[event == i] for part in turn])
        np.testing.assert_allclose(angles[np.isfinite(angles)], np.nanmean(angles), atol=1e-3)


def test_choices_are_those_of_event_epoch_and_seed_alone(graphs: DecayGraphs) -> None:
    both = Symmetries(["mirror", "rotation"], RULE, 1)
    whole = both.apply(graphs, EVENTS, 2)
    order = np.random.default_rng(0).permutation(EVENTS)[:100]
    part, expected = both.apply(select_graphs(graphs, order), order, 2), select_graphs(whole, order)
    np.testing.assert_array_equal(part.feature, expected.feature)
    np.testing.assert_array_equal(part.token, expected.token)
    for other in (both.apply(graphs, EVENTS, 3), Symmetries(["mirror", "rotation"], RULE, 2).apply(graphs, EVENTS, 2)):
        assert (other.feature != whole.feature).any()
    again = both.apply(graphs, EVENTS, 2, np.ones(len(EVENTS), dtype=np.int64))
    assert (again.feature != whole.feature).any()
    np.testing.assert_array_equal(Symmetries([], RULE, 1).apply(graphs, EVENTS, 0).feature, graphs.feature)


def test_showings_of_an_event_within_an_epoch_are_counted() -> None:
    order = np.random.default_rng(0).integers(0, 20, 300)
    expected = [int((order[:i] == event).sum()) for i, event in enumerate(order)]
    np.testing.assert_array_equal(earlier_showings(order), expected)


def test_rotation_without_one_of_the_components_is_refused() -> None:
    with pytest.raises(UsageError, match="needs both of px, py"):
        Symmetries(["rotation"], GraphRule(features=("energy", "px", "pz"), relative_to_first=()), 1)
    with pytest.raises(UsageError, match="symmetries"):
        parse_training_config({"sampling": {"symmetries": ["translation"]}})


def test_training_with_symmetries_is_repeatable_and_not_that_without(tmp_path: Path) -> None:
    events = toy_events(1500, 5)
    write_events(tmp_path / "F.parquet", events)
    write_flags(tmp_path / "R.parquet", toy_flags(events))
    data = tmp_path / "T.parquet"
    build_dataset([tmp_path / "F.parquet"], [tmp_path / "R.parquet"], data, DatasetOptions(("kaons",)))

    def weights(name: str, symmetries: list[str]) -> dict[str, np.ndarray]:
        config = parse_training_config(
            {
                "network": {"architecture": "gatgap", "units": 8, "n_layers": 2},
                "sampling": {"events_per_epoch": 512, "symmetries": symmetries},
                "optimiser": {"epochs": 1},
                "run": {"threads": 1},
            }
        )
        return dict(train([data], tmp_path / name, config).bundle.state)

    first, second = weights("A.safetensors", ["mirror", "rotation"]), weights("B.safetensors", ["mirror", "rotation"])
    plain = weights("C.safetensors", [])
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert any(not np.array_equal(first[key], plain[key]) for key in first)
