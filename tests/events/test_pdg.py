"""Token tables are frozen, and unknown codes are counted, not fatal."""

import numpy as np
import pytest

from smartbkg.errors import ModelError
from smartbkg.events import load_token_table, register_token_table, token_table_names


def test_tables_of_the_package_are_those_models_were_trained_with():
    assert token_table_names() == ("belle2-2025", "gatgap-2023")
    assert len(load_token_table("gatgap-2023")) == 540
    assert len(load_token_table("belle2-2025")) == 562
    token, _ = load_token_table("gatgap-2023").tokens([0, 329, 20325, 300553])
    assert token.tolist() == [0, 1, 539, 171]
    token, _ = load_token_table("belle2-2025").tokens([0, -1, 22, 111])
    assert token.tolist() == [0, 1, 34, 75]


def test_unknown_code_gets_the_unknown_token_and_is_marked():
    token, is_unknown = load_token_table().tokens(np.array([211, 123456789, -2147483648]))
    assert is_unknown.tolist() == [False, True, True]
    assert token[1:].tolist() == [0, 0]


def test_unknown_table_names_the_nearest():
    with pytest.raises(ModelError, match="did you mean 'gatgap-2023'"):
        load_token_table("gatgap-2024")


def test_digest_depends_on_the_content():
    assert load_token_table("gatgap-2023").digest != load_token_table("belle2-2025").digest


def test_tables_that_come_with_a_model_are_known_by_their_content():
    packaged = load_token_table("belle2-2025")
    same = dict(zip(packaged.sorted_codes.tolist(), packaged.sorted_tokens.tolist(), strict=True))
    assert register_token_table(same, 0) == "belle2-2025"
    name = register_token_table({211: 1, -211: 2}, 0)
    assert name.startswith("custom-")
    assert load_token_table(name).tokens([-211, 22])[0].tolist() == [2, 0]
