"""A threshold's loss is remembered by the files, through merges."""

from __future__ import annotations

from smartbkg.filtering.lost_events import BIASED_POLICIES, biased_policies, warnings_of_lost_events
from smartbkg.sampling import OptimalPolicy, ThresholdPolicy

THRESHOLD = ThresholdPolicy(0.3)


def test_a_threshold_is_named_and_sampling_is_not() -> None:
    assert biased_policies({"settings": {"policy": THRESHOLD.to_dict()}}) == {THRESHOLD.label}
    assert biased_policies({"settings": {"policy": OptimalPolicy(2.0).to_dict()}}) == set()
    assert biased_policies({}) == set(), "a file of another program says nothing"


def test_what_a_merged_file_remembers_of_its_parts_counts() -> None:
    merged = {"settings": {BIASED_POLICIES: ["above 0.1"], "policy": THRESHOLD.to_dict()}}
    assert biased_policies(merged) == {"above 0.1", THRESHOLD.label}


def test_each_biased_policy_gives_one_warning_with_the_remedy() -> None:
    said = warnings_of_lost_events(["b", "a"], "the merged sample")
    assert [line.split("'")[1] for line in said] == ["a", "b"]
    assert all("the merged sample is biased" in line and "smartbkg reweight" in line for line in said)
