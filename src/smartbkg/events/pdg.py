"""Token tables: the embedding row of each PDG code. A table is versioned by its name and never edited."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smartbkg.errors import ModelError, nearest

#: The table of a new model unless it names another.
DEFAULT_TOKEN_TABLE = "gatgap-2023"


@dataclass(frozen=True)
class TokenTable:
    """PDG code → token (row of an embedding).

    Attributes
    ----------
    name : versioned name, stored with every model.
    sorted_codes : (n,) int32, ascending.
    sorted_tokens : (n,) int32, the token of each code.
    unknown_token : the token of every code that is not in the table.
    """

    name: str
    sorted_codes: NDArray[np.int32]
    sorted_tokens: NDArray[np.int32]
    unknown_token: int

    def __len__(self) -> int:
        """Number of tokens: the embedding needs at least as many rows."""
        return int(max(int(self.sorted_tokens.max()), self.unknown_token)) + 1

    @property
    def digest(self) -> str:
        """SHA-256 over codes and tokens: two tables of one name must agree in it."""
        content = np.stack([self.sorted_codes, self.sorted_tokens]).astype("<i4").tobytes()
        return hashlib.sha256(content + str(self.unknown_token).encode()).hexdigest()

    def tokens(self, codes: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Tokens of PDG codes.

        Returns
        -------
        token : int32, shape of ``codes``.
        is_unknown : bool, same shape, True where the code is not in the table.
        """
        wanted = np.asarray(codes, dtype=np.int32)
        position = np.searchsorted(self.sorted_codes, wanted).clip(max=len(self.sorted_codes) - 1)
        is_unknown = self.sorted_codes[position] != wanted
        return np.where(is_unknown, np.int32(self.unknown_token), self.sorted_tokens[position]), is_unknown


def token_table_names() -> tuple[str, ...]:
    """Names of the tables in the package."""
    folder = resources.files("smartbkg.events") / "data"
    return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))


#: Tables that came with a model file, by name.
_REGISTERED: dict[str, TokenTable] = {}


def register_token_table(token_by_code: Mapping[int, int], unknown_token: int) -> str:
    """Make a table that came with a model known in this process; returns its name.

    A table equal to one of the package gets that one's name, any other a name made from its content.
    """
    codes = np.array(list(token_by_code), dtype=np.int32)
    tokens = np.array(list(token_by_code.values()), dtype=np.int32)
    order = np.argsort(codes)
    table = TokenTable("", codes[order], tokens[order], unknown_token)
    for name in token_table_names():
        if load_token_table(name).digest == table.digest:
            return name
    name = f"custom-{table.digest[:12]}"
    _REGISTERED[name] = replace(table, name=name)
    return name


def load_token_table(name: str = DEFAULT_TOKEN_TABLE) -> TokenTable:
    """The token table of that name, from the package or registered in this process.

    Raises
    ------
    ModelError
        There is no such table.
    """
    return _REGISTERED[name] if name in _REGISTERED else _load_packaged(name)


@functools.cache
def _load_packaged(name: str) -> TokenTable:
    if name not in token_table_names():
        raise ModelError(f"unknown token table '{name}': {nearest(name, token_table_names())}")
    content = json.loads((resources.files("smartbkg.events") / "data" / f"{name}.json").read_text())
    codes = np.array([int(code) for code in content["token_by_code"]], dtype=np.int32)
    tokens = np.array(list(content["token_by_code"].values()), dtype=np.int32)
    order = np.argsort(codes)
    return TokenTable(name, codes[order], tokens[order], int(content["unknown_token"]))
