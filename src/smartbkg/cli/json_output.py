"""``--json``: the result of a verb as one JSON object on standard output, and everything else on standard error."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import click

from smartbkg.cli.console import echo
from smartbkg.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(function: Function) -> Function:
    """``--json``, as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output.")(function)


def refuse_shared_output(output: Path, *, as_json: bool) -> None:
    """Raise `UsageError` where events and the result would both go to standard output."""
    if as_json and str(output) == "-":
        raise UsageError("--json and the events of --output - would share standard output: give --output a file")


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result, see `as_plain`."""
    echo(json.dumps(as_plain(result), indent=2, allow_nan=False))


def as_plain(value: Any) -> Any:
    """Records, arrays and paths as dictionaries, lists, numbers and text; a number that is not finite is None."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "tolist"):  # of NumPy, whose import would slow down every --help
        return as_plain(value.tolist())
    if isinstance(value, Real):  # also the exact fractions of a sample's sums
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "to_dict"):
        return as_plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return as_plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): as_plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence | Set):
        return [as_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else repr(value)
