"""Totals of a sample: what an analysis divides by, and what must survive filtering, merging and conversion.

Sums are exact: those of two parts, added, are those of the whole, whatever the order and the size of the parts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.storage.atomic import write_text_atomically
from smartbkg.storage.json_content import from_json
from smartbkg.storage.kinds import SCHEMA_VERSIONS, TOTALS

#: Ending of the file beside an output (or named for a pipe) that holds its totals.
SIDECAR_SUFFIX: Final = ".totals.json"

#: Key of the totals in the provenance record of a file.
TOTALS_KEY: Final = "totals"

_MANTISSA_BITS: Final = 53
_HALF_BITS: Final = 26


def exact_sum(values: ArrayLike) -> Fraction:
    """The sum of doubles, without rounding.

    Parameters
    ----------
    values : (n,) finite numbers.

    Raises
    ------
    UsageError
        A number is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        raise UsageError(f"a sum of {numbers[~np.isfinite(numbers)][0]}, expected finite numbers")
    mantissa, exponent = np.frexp(numbers)
    whole = np.ldexp(mantissa, _MANTISSA_BITS).astype(np.int64)
    total = Fraction(0)
    for power in np.unique(exponent):
        chosen = whole[exponent == power]
        high, low = int((chosen >> _HALF_BITS).sum()), int((chosen & ((1 << _HALF_BITS) - 1)).sum())
        shift = int(power) - _MANTISSA_BITS
        integer = (high << _HALF_BITS) + low
        total += Fraction(integer << shift) if shift >= 0 else Fraction(integer, 1 << -shift)
    return total


@dataclass(frozen=True)
class Totals:
    """Counts and sums over a sample. ``a + b`` are the totals of both samples together.

    Attributes
    ----------
    n_events : events generated.
    sum_weight, sum_weight_squared : Σw and Σw² of their generator weights, which an analysis normalises by.
    n_kept : events kept of them.
    sum_kept_weight, sum_kept_weight_squared : Σ and Σ² of the weights of the kept ones, w/q; the first estimates Σw.
    sum_cross_section, sum_cross_section_variance : Σ nσ and Σ (nδσ)² over samples of n events of which the generator
        states the cross-section σ ± δσ, in pb.
    n_cross_section : events of those samples; 0 where no cross-section is stated.
    """

    n_events: int = 0
    sum_weight: Fraction = Fraction(0)
    sum_weight_squared: Fraction = Fraction(0)
    n_kept: int = 0
    sum_kept_weight: Fraction = Fraction(0)
    sum_kept_weight_squared: Fraction = Fraction(0)
    sum_cross_section: Fraction = Fraction(0)
    sum_cross_section_variance: Fraction = Fraction(0)
    n_cross_section: int = 0

    @classmethod
    def of(cls, weight: ArrayLike, kept_weight: ArrayLike) -> Totals:
        """Totals of events.

        Parameters
        ----------
        weight : (n_events,) generator weights of all of them.
        kept_weight : (n_kept,) weights w/q of those that were kept.
        """
        w, kept = np.asarray(weight, dtype=np.float64), np.asarray(kept_weight, dtype=np.float64)
        return cls(len(w), exact_sum(w), exact_sum(w * w), len(kept), exact_sum(kept), exact_sum(kept * kept))

    def with_cross_section(self, value: float, error: float = 0.0) -> Totals:
        """These totals, of events whose generator states the cross-section ``value`` ± ``error``, in pb."""
        n = self.n_events
        variance = Fraction(error) ** 2 * n**2
        return replace(
            self, sum_cross_section=Fraction(value) * n, sum_cross_section_variance=variance, n_cross_section=n
        )

    def __add__(self, other: Totals) -> Totals:
        """Totals of two samples of different generated events."""
        return Totals(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def kept_again(self, later: Totals) -> Totals:
        """These totals, where of the kept events a later filter kept those that ``later`` counts."""
        return replace(
            self,
            n_kept=later.n_kept,
            sum_kept_weight=later.sum_kept_weight,
            sum_kept_weight_squared=later.sum_kept_weight_squared,
        )

    @property
    def cross_section(self) -> float | None:
        """Mean cross-section in pb over the events whose generator states one; None where none does."""
        return float(self.sum_cross_section / self.n_cross_section) if self.n_cross_section else None

    @property
    def cross_section_error(self) -> float | None:
        """Statistical error of `cross_section` in pb, the samples taken as independent."""
        if not self.n_cross_section:
            return None
        return math.sqrt(self.sum_cross_section_variance / self.n_cross_section**2)

    @property
    def filter_efficiency(self) -> float | None:
        """Kept events of those generated. Weighted sums are unbiased already: it is no factor of theirs."""
        return self.n_kept / self.n_events if self.n_events else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers as anybody reads them, and the exact sums under ``exact``.

        >>> Totals.of([1.0, 0.5], [2.0]).to_dict()["sum_weight"]
        1.5
        """
        sums = {field.name: getattr(self, field.name) for field in fields(self)}
        content: dict[str, Any] = {
            name: value if isinstance(value, int) else float(value) for name, value in sums.items()
        }
        content |= {
            "cross_section": self.cross_section,
            "cross_section_error": self.cross_section_error,
            "filter_efficiency": self.filter_efficiency,
        }
        exact = {name: str(value) for name, value in sums.items() if isinstance(value, Fraction)}
        return {"kind": TOTALS, "schema_version": SCHEMA_VERSIONS[TOTALS], **content, "exact": exact}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], source: str = "") -> Totals:
        """What `to_dict` made.

        Raises
        ------
        FileFormatError
            It is no such record, of a newer schema, or its numbers contradict each other.
        """
        where = f"{source}: " if source else ""
        if content.get("kind") != TOTALS:
            raise FileFormatError(f"{where}no record of totals: its kind is {content.get('kind')!r}, not '{TOTALS}'")
        if content.get("schema_version") != SCHEMA_VERSIONS[TOTALS]:
            raise FileFormatError(
                f"{where}totals of schema {content.get('schema_version')}, this version reads {SCHEMA_VERSIONS[TOTALS]}"
            )
        values: dict[str, Any] = {}
        try:
            for field in fields(cls):
                number = content[field.name]
                values[field.name] = (
                    int(number) if field.name.startswith("n_") else Fraction(content["exact"][field.name])
                )
                if float(values[field.name]) != float(number):
                    raise ValueError(f"{field.name} is {number}, and exactly {float(values[field.name])}")
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise FileFormatError(f"{where}totals that cannot be read: {error}") from error
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write them as a JSON file, whole or not at all."""
        write_text_atomically(path, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Totals:
        """Read what `write` wrote.

        Raises
        ------
        FileFormatError
            Missing, or no such file.
        """
        try:
            content = from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FileFormatError(f"{path}: cannot read: {error.strerror}") from error
        except ValueError as error:
            raise FileFormatError(f"{path}: no JSON: {error}") from error
        if not isinstance(content, dict):
            raise FileFormatError(f"{path}: no record of totals")
        return cls.from_dict(content, str(path))


def sidecar_of(output: Path) -> Path:
    """The file beside an output that holds its totals: ``kept.hepmc3.totals.json``."""
    return output.with_name(output.name + SIDECAR_SUFFIX)


__all__ = ["SIDECAR_SUFFIX", "TOTALS_KEY", "Totals", "exact_sum", "sidecar_of"]
