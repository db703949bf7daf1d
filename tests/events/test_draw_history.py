"""Which draws events have come through, as the record of their file holds it."""

from __future__ import annotations

from smartbkg.events.draw_history import (
    RULE_OF_IDS,
    digest_of_draws,
    merged_draws,
    own_thinning,
    recorded_draws,
    thinning_seed,
)

ONE = {"rule": 2, "seed": 5, "method": "independent"}
OTHER = {"rule": 2, "seed": 6, "method": "independent"}


def test_unfiltered_events_have_come_through_no_draw() -> None:
    assert recorded_draws({}) == []
    assert recorded_draws({"kind": "events", "settings": {"seed": 4}}) == []


def test_kept_events_whose_draw_is_not_recorded_are_told_from_unfiltered_ones() -> None:
    assert recorded_draws({"kind": "kept", "settings": {}}) is None
    assert recorded_draws({"kind": "kept"}) is None


def test_files_of_earlier_versions_were_drawn_by_seed_and_id() -> None:
    assert recorded_draws({"kind": "kept", "settings": {"seed": "7"}}) == [
        {"rule": RULE_OF_IDS, "seed": 7, "method": "independent"}
    ]
    systematic = recorded_draws({"kind": "kept", "settings": {"seed": 0, "draw": "systematic"}})
    assert systematic is not None
    assert systematic[0]["method"] == "systematic"


def test_the_record_is_copied_so_that_a_reader_cannot_change_it() -> None:
    metadata = {"draws": [dict(ONE)]}
    found = recorded_draws(metadata)
    assert found is not None
    found[0]["seed"] = 99
    assert metadata["draws"][0]["seed"] == 5


def test_the_digest_depends_on_the_draws_and_their_order_not_on_the_order_of_keys() -> None:
    assert digest_of_draws([]) == ""
    assert digest_of_draws([ONE]) == digest_of_draws([dict(reversed(list(ONE.items())))])
    assert digest_of_draws([ONE, OTHER]) != digest_of_draws([OTHER, ONE])
    assert digest_of_draws([ONE]) != digest_of_draws([OTHER])


def test_files_of_one_draw_keep_it_and_files_of_several_are_named_together_in_any_order() -> None:
    assert merged_draws([[ONE], [ONE]], "stack") == [ONE]
    (merged,) = merged_draws([[ONE], [OTHER]], "stack")
    assert merged == merged_draws([[OTHER], [ONE]], "stack")[0]
    assert merged["method"] == "stack"
    assert len(merged["merged"]) == 2


def test_a_union_is_a_draw_of_its_own_even_of_equal_draws() -> None:
    (merged,) = merged_draws([[ONE], [ONE]], "union")
    assert merged["method"] == "union"


def test_a_thinning_that_kept_all_is_no_draw_and_one_that_did_not_is() -> None:
    assert own_thinning(3, 1.0) == []
    assert [(draw["dataset_seed"], draw["failing_kept"]) for draw in own_thinning(3, 0.25)] == [(3, 0.25)]


def test_a_second_thinning_under_one_seed_draws_other_numbers_than_the_first() -> None:
    first = own_thinning(3, 0.5)
    assert thinning_seed(3, []) == thinning_seed(3, [ONE]), "a filter's draw is of another purpose"
    assert thinning_seed(3, first) != thinning_seed(3, [])
    assert thinning_seed(3, [*first, *first]) != thinning_seed(3, first)


def test_data_sets_of_earlier_versions_say_their_thinning_by_its_share() -> None:
    old = {"kind": "dataset", "settings": {"seed": 4}, "failing_kept": 0.2}
    assert recorded_draws(old) == own_thinning(4, 0.2)
    assert recorded_draws({**old, "draws": own_thinning(4, 0.2)}) == own_thinning(4, 0.2), "once"
