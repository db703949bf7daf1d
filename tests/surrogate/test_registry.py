"""Surrogates by name: what is installed, and what a model needs that is not."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from types import SimpleNamespace

import pytest
from toy_surrogate import ToySurrogate

from smartbkg.errors import ModelError, UsageError
from smartbkg.surrogate.protocol import SurrogateKind
from smartbkg.surrogate.registry import open_surrogate, restore_surrogate, surrogate_digest, surrogate_kinds

TOY = SurrogateKind(
    lambda text: ToySurrogate() if text == "toy" else None, lambda settings: ToySurrogate(), "the word toy"
)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    kinds: dict[str, object] = {"toy": TOY}

    def entry_points(*, group: str) -> list[SimpleNamespace]:
        assert group == "smartbkg.surrogates"
        return [SimpleNamespace(name=name, value=f"package:{name}", load=lambda kind=kind: kind)
                for name, kind in kinds.items()]  # fmt: skip

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    surrogate_kinds.cache_clear()
    yield kinds
    surrogate_kinds.cache_clear()


def test_a_name_that_no_kind_knows_says_what_can_be_named(offered: dict[str, object]) -> None:
    assert open_surrogate("toy") == ToySurrogate()
    with pytest.raises(UsageError, match="unknown surrogate 'tyo', expected the word toy"):
        open_surrogate("tyo")
    offered.clear()
    surrogate_kinds.cache_clear()
    with pytest.raises(UsageError, match="none is installed"):
        open_surrogate("toy")


def test_a_plug_in_of_another_type_is_named(offered: dict[str, object]) -> None:
    offered["bad"] = 3
    with pytest.raises(UsageError, match="plug-in package:bad: is a int, expected a SurrogateKind"):
        surrogate_kinds()


def test_a_model_gets_its_own_surrogate_or_is_refused(offered: dict[str, object]) -> None:
    digest = surrogate_digest(ToySurrogate())
    assert restore_surrogate("toy", {}, digest, "m") == ToySurrogate()
    assert surrogate_digest(ToySurrogate(version="2")) != digest
    with pytest.raises(ModelError, match=r"m: its surrogate 'toy' \(digest 000.*would give other scores"):
        restore_surrogate("toy", {}, "0" * 64, "m")
    with pytest.raises(ModelError, match=r"needs the surrogate 'tyo', which is not installed \(did you mean 'toy'"):
        restore_surrogate("tyo", {}, digest, "m")
