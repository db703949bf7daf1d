"""The rule that says which particles become nodes of a decay graph and what a node knows; stored with each model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from smartbkg.errors import ModelError, nearest
from smartbkg.events import TokenTable, load_token_table
from smartbkg.events.columns import PARTICLE_DTYPES, ParticleStatus
from smartbkg.events.pdg import DEFAULT_TOKEN_TABLE

GRAPH_RULE_VERSION: Final = 1

_CUT: Final = re.compile(r"^\s*(?:(abs)\(\s*(\w+)\s*\)|(\w+))\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*$")
OPERATORS: Final = ("<", "<=", ">", ">=")


class Cut(NamedTuple):
    """A condition on one particle column."""

    column: str
    is_absolute: bool
    operator: str
    value: float


def parse_cut(text: str) -> Cut:
    """A cut from its text.

    >>> parse_cut("abs(x) < 10")
    Cut(column='x', is_absolute=True, operator='<', value=10.0)

    Raises
    ------
    ModelError
        Not of the form ``[abs(]column[)] <|<=|>|>= number``, or an unknown column.
    """
    match = _CUT.match(text)
    if match is None:
        raise ModelError(f"graph rule: cannot read the cut '{text}', expected for example 'abs(x) < 10'")
    is_absolute, absolute_column, plain_column, operator, value = match.groups()
    column = absolute_column or plain_column
    if column not in PARTICLE_DTYPES:
        raise ModelError(
            f"graph rule: unknown particle column '{column}' in '{text}': {nearest(column, PARTICLE_DTYPES)}"
        )
    return Cut(column, is_absolute is not None, operator, float(value))


@dataclass(frozen=True)
class GraphRule:
    """Which particles become nodes and what a node knows: stored with each model.

    Attributes
    ----------
    features : particle columns that become node features, in order.
    relative_to_first : those of them that count from the first kept particle's value.
    cuts : conditions on particle columns, all of which must hold: ``abs(x) < 10``, ``energy > 0.1``.
    required_status, excluded_status : bits of `ParticleStatus` that must all be set, and must all be clear.
    bridged_codes : PDG codes of particles that are no nodes, and whose daughters belong to their mother instead: quarks
        and gluons of a generator's record.
    motherless_join_first : a particle without mother belongs to the particle of ``arrayIndex`` 0 where that is a node,
        and so does that one itself.
    token_table : name of the table that turns PDG codes into tokens.
    """

    features: tuple[str, ...] = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz")
    relative_to_first: tuple[str, ...] = ("prodTime",)
    cuts: tuple[str, ...] = ("abs(x) < 10", "abs(y) < 10", "abs(z) < 10")
    required_status: int = ParticleStatus.PRIMARY
    excluded_status: int = (
        ParticleStatus.VIRTUAL | ParticleStatus.INITIAL | ParticleStatus.ISR_PHOTON | ParticleStatus.FSR_PHOTON
    )
    bridged_codes: tuple[int, ...] = ()
    motherless_join_first: bool = False
    token_table: str = DEFAULT_TOKEN_TABLE
    version: int = GRAPH_RULE_VERSION

    def __post_init__(self) -> None:
        for name in (*self.features, *self.relative_to_first):
            if name not in PARTICLE_DTYPES:
                raise ModelError(f"graph rule: unknown particle column '{name}': {nearest(name, PARTICLE_DTYPES)}")
        for name in self.relative_to_first:
            if name not in self.features:
                raise ModelError(
                    f"graph rule: '{name}' is relative to the first particle but no feature: {self.features}"
                )
        for cut in self.cuts:
            parse_cut(cut)
        if self.version > GRAPH_RULE_VERSION:
            raise ModelError(
                f"graph rule of version {self.version}, this smartbkg knows up to {GRAPH_RULE_VERSION}: upgrade"
            )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> GraphRule:
        """The rule that `to_dict` wrote.

        Raises
        ------
        ModelError
            An unknown key: a newer rule must not be read as an older one.
        """
        known = cls.__dataclass_fields__
        for key in content:
            if key not in known:
                raise ModelError(f"graph rule: unknown key '{key}': {nearest(key, known)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @property
    def tokens(self) -> TokenTable:
        """The table that turns PDG codes into tokens."""
        return load_token_table(self.token_table)


#: What basf2's module ``SmartBackground`` feeds an ONNX model, its one-sided vertex cuts included.
SMART_BACKGROUND_RULE: Final = GraphRule(
    features=("prodTime", "x", "y", "z", "energy", "px", "py", "pz"),
    relative_to_first=("prodTime", "x", "y", "z"),
    cuts=("x < 10", "y < 10", "z < 10"),
    required_status=0,
    excluded_status=ParticleStatus.INITIAL,
    bridged_codes=(21, *range(-5, 6)),
    motherless_join_first=True,
    token_table="belle2-2025",
)
