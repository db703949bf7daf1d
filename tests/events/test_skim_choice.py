"""Skims by name, and messages that help where a name is wrong or missing."""

import pytest

from smartbkg.errors import DatasetError, ModelError, UsageError
from smartbkg.events.skim_choice import choose_skim, choose_skims

KNOWN = ("feiHadronicB0", "feiSLB0", "TauGeneric")


def test_skims_come_in_the_order_wanted_and_all_where_none_is_named() -> None:
    assert choose_skims(KNOWN, ["TauGeneric", "feiHadronicB0"]) == [2, 0]
    assert choose_skims(KNOWN, []) == [0, 1, 2]


def test_an_unknown_skim_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="the model has no skim 'TauGenerics': did you mean 'TauGeneric'"):
        choose_skims(KNOWN, ["TauGenerics"])
    with pytest.raises(DatasetError, match="f: no flags of the skim 'x'"):
        choose_skim(KNOWN, "x", holder="f: no flags of the skim", error=DatasetError)


def test_one_skim_need_not_be_named_and_several_must_be() -> None:
    assert choose_skim(("only",), None) == "only"
    assert choose_skim(KNOWN, "feiSLB0") == "feiSLB0"
    with pytest.raises(UsageError, match="several skims, choose one by --skim: feiHadronicB0, feiSLB0, TauGeneric"):
        choose_skim(KNOWN, None)
