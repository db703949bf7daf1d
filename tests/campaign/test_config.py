"""A campaign's configuration: mistakes are found when it is read, not after a thousand chunks."""

from __future__ import annotations

from typing import Any

import pytest

from smartbkg.campaign.config import CHANGEABLE, parse_campaign
from smartbkg.errors import UsageError

MODEL = {"filter": {"model": "m.safetensors"}}


def parsed(**sections: Any) -> Any:
    return parse_campaign({**MODEL, **sections})


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"generate": {"command": "gen {output} {n_events} {seed}", "files": ["a"]}}, "exclude one another"),
        ({"generate": {"split": True}}, "split belongs to files"),
        ({"generate": {"processes": {}}}, "no process is named"),
        ({"generate": {"processes": {"mixed": 0.0}}}, "expected a number above 0"),
        ({"generate": {"processes": {"mixd": 1.0}}}, "mixed"),
        ({"generate": {"shares": {"charged": 1.0}}}, "shares name 'charged'"),
        ({"generate": {"command": "gen {output} {n_events}"}}, "no {seed}"),
        ({"generate": {"files": ["a"], "processes": {"mixed": 1.0, "charged": 1.0}}}, "files are of one process"),
        ({"filter": {}}, "filter.model or by filter.global_tag"),
        ({"filter": {"model": "m", "global_tag": "t", "payload": "p"}}, "one of the two"),
        ({"filter": {"global_tag": "t"}}, "belong together"),
        ({"simulate": {"by": "command"}}, "belongs to simulate.by"),
        ({"simulate": {"command": "sim {input} {output}"}}, "belongs to simulate.by"),
        ({"simulate": {"by": "command", "command": "sim {input}"}}, "no {output}"),
        ({"simulate": {"by": "command", "command": "s {input} {output}", "skims": ["a", "b"]}}, "of one skim"),
        ({"evnts": 5}, "events"),
        ({"events": 0}, "events"),
    ],
)
def test_each_mistake_is_refused_in_one_line(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(**sections)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_events_are_shared_by_cross_sections_unless_shares_are_given() -> None:
    processes = {"mixed": 0.6, "charged": 0.2}
    assert dict(parsed(generate={"processes": processes}).generate.ratio) == pytest.approx(
        {"mixed": 0.75, "charged": 0.25}
    )
    shared = parsed(generate={"processes": processes, "shares": {"mixed": 1, "charged": 3}})
    assert dict(shared.generate.ratio) == pytest.approx({"mixed": 0.25, "charged": 0.75})


def test_the_source_follows_from_what_is_given() -> None:
    kinds = [
        parsed(generate=section).generate.kind
        for section in ({}, {"files": ["a"]}, {"command": "g {output} {n_events} {seed}"})
    ]
    assert kinds == ["embedded", "files", "command"]


def test_only_what_results_do_not_depend_on_may_change() -> None:
    before, after = parsed(), parsed(run={"workers": 7}, cluster={"queue": "long"}, alarms={"on_alarm": "stop"})
    assert before.physics() == after.physics()
    assert before.physics() != parsed(seed=2).physics()
    assert not set(CHANGEABLE) & set(before.physics())
