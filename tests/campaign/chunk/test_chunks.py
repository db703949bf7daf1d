"""Chunks: every event once, ids unique over the campaign, seeds never shared."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_campaign import small_campaign

from smartbkg.campaign.chunk.chunks import generator_seed, plan_chunks
from smartbkg.campaign.chunk.source import chunk_events
from smartbkg.campaign.config import parse_campaign
from smartbkg.errors import FileFormatError, SmartBKGError, UsageError

MODEL = {"filter": {"model": "model.safetensors"}}


@given(
    events=st.integers(1, 5000),
    size=st.integers(1, 700),
    shares=st.lists(st.floats(0.01, 10), min_size=1, max_size=4),
)
def test_every_event_is_in_one_chunk_and_no_id_comes_twice(events: int, size: int, shares: list[float]) -> None:
    names = ("mixed", "charged", "uubar", "ccbar")
    processes = dict(zip(names, shares, strict=False))
    config = parse_campaign({**MODEL, "events": events, "chunk_events": size, "generate": {"processes": processes}})
    plan = plan_chunks(config, Path())
    ids = [(chunk.run, chunk.first_event + k) for chunk in plan for k in range(chunk.n_events or 0)]
    assert len(ids) == len(set(ids)) == events == plan.n_events
    assert all(0 < (chunk.n_events or 0) <= size for chunk in plan)
    made = {name: sum(c.n_events or 0 for c in plan if c.process == name) for name in processes}
    for name, share in processes.items():
        assert abs(made[name] - events * share / sum(processes.values())) < 1
    np.testing.assert_array_equal(plan.events_of(np.arange(len(plan))), [chunk.n_events for chunk in plan])


def test_any_beginning_of_a_campaign_is_a_mixture_like_the_whole() -> None:
    processes = {"mixed": 1.0, "charged": 3.0}
    config = parse_campaign({**MODEL, "events": 400_000, "chunk_events": 1000, "generate": {"processes": processes}})
    names = [chunk.process for chunk in plan_chunks(config, Path())]
    for n in (20, 100, 300):
        assert abs(names[:n].count("charged") - 0.75 * n) <= 1


def test_no_two_of_a_hundred_thousand_chunks_share_a_seed() -> None:
    seeds = {generator_seed(7, index) for index in range(100_000)}
    assert len(seeds) == 100_000
    assert min(seeds) >= 1
    assert max(seeds) <= 900_000_000


def test_files_get_runs_of_their_own_and_none_counts_twice(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.hepmc3").touch()
    config = parse_campaign({**MODEL, "first_run": 5, "generate": {"files": ["*.hepmc3"]}})
    assert [(chunk.run, chunk.source.name) for chunk in plan_chunks(config, tmp_path) if chunk.source] == [
        (5, "a.hepmc3"), (6, "b.hepmc3"), (7, "c.hepmc3"),
    ]  # fmt: skip
    for files, message in ((["*.hepmc3", "b.hepmc3"], "named twice"), (["d*.hepmc3"], "no file matches")):
        wrong = parse_campaign({**MODEL, "generate": {"files": files}})
        with pytest.raises((UsageError, FileFormatError), match=message):
            plan_chunks(wrong, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"events": 0}, "events = 0"),
        ({"chunk_event": 5}, "unknown key 'chunk_event': did you mean 'chunk_events'"),
        ({"generate": {"processes": {"mixd": 1}}}, "unknown process 'mixd': did you mean 'mixed'"),
        ({"generate": {"processes": {"mixed": 0}}}, "number above 0"),
        ({"generate": {"command": "gen {output}"}}, "no {n_events}"),
        ({"generate": {"command": "gen '{output} {n_events} {seed}"}}, "cannot read the command"),
        ({"simulate": {"by": "command"}}, "simulate.command belongs"),
        ({"filter": {"model": "m", "global_tag": "t", "payload": "p"}}, "one of the two"),
        ({"filter": {"global_tag": "t"}}, "belong together"),
        ({"alarms": {"on_alarm": "cry"}}, "alarms.on_alarm = 'cry'"),
        ({"name": "a b"}, "name = 'a b'"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(content: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_campaign({**MODEL, **content})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_large_files_are_split_into_ranges_that_hold_each_event_once(tmp_path: Path) -> None:
    whole = small_campaign(tmp_path / "whole", 3, 100)
    split = small_campaign(
        tmp_path / "split", 3, 100, generate__files=whole.config.generate.files, generate__split=True, chunk_events=40,
        filter__model=whole.config.filter.model,
    )  # fmt: skip
    assert [(chunk.run, chunk.first_event, chunk.n_events) for chunk in split.plan][:4] == [
        (1, 1, 40), (1, 41, 40), (1, 81, 20), (2, 1, 40),
    ]  # fmt: skip
    assert (len(split.plan), split.plan.n_events) == (9, 300)
    assert split.plan.events_of(np.array([2, 3])).tolist() == [20, 40]
    found = []
    for campaign in (whole, split):
        events = {}
        for chunk in campaign.plan:
            for batch in chunk_events(campaign.config, chunk, campaign.folder.root, tmp_path):
                for i in range(len(batch)):
                    events[batch.event_id(i)] = batch.slice(i, i + 1).particle["px"].tolist()
        found.append(events)
    assert len(found[0]) == 300
    assert found[0] == found[1]


def test_a_file_that_is_shorter_than_its_ranges_is_named(tmp_path: Path) -> None:
    settings = {"generate__split": True, "chunk_events": 40}
    campaign = small_campaign(tmp_path / "small", 1, 100, **settings)
    last = campaign.plan[2]._replace(n_events=30)
    with pytest.raises(SmartBKGError, match="holds 100 events, expected 110 and more"):
        list(chunk_events(campaign.config, last, campaign.folder.root, tmp_path))


def test_only_files_are_split() -> None:
    with pytest.raises(UsageError, match="split belongs to files"):
        parse_campaign({"filter": {"model": "m"}, "generate": {"split": True}})
