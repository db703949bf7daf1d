"""Zstandard is imported when compressed data is met, and its absence is one line."""

from __future__ import annotations

import sys

import pytest

from smartbkg.errors import SmartBKGError
from smartbkg.io.zstandard import zstandard, zstandard_errors


def test_what_was_compressed_is_read_back_and_damage_is_an_error_that_is_known() -> None:
    module = zstandard()
    packed = bytearray(module.compress(b"events" * 100))
    assert module.decompress(bytes(packed)) == b"events" * 100
    packed[0] ^= 1
    with pytest.raises(zstandard_errors()):
        module.decompress(bytes(packed))


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SmartBKGError, match="pip install"):
        zstandard()
    assert zstandard_errors() == (), "nothing to catch where nothing was imported"
