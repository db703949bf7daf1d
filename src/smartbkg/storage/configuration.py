"""Configuration that a user writes: YAML in, checked settings out, a mistake in one line, commented YAML back.

A configuration is a pydantic model whose parts are `Section`s; the text after each field is its meaning, and the
comment beside it in the YAML that `as_yaml` writes.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from smartbkg.errors import UsageError, nearest


class Section(BaseModel):
    """A part of a configuration: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class _Shown(reprlib.Repr):
    """Writes what was got, cut: references to references name a value of gigabytes in a few lines of YAML."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, 200, 200, 200


Configuration = TypeVar("Configuration", bound=Section)


def parse_configuration(schema: type[Configuration], content: Mapping[str, Any], source: str) -> Configuration:
    """The checked configuration in a mapping.

    Raises
    ------
    UsageError
        Unknown key (names the nearest), or an impossible value: says where, what was got, what was expected.
    """
    try:
        return schema.model_validate(dict(content))
    except ValidationError as error:
        raise UsageError(f"{source}: {_explain(schema, error)}") from error


def _explain(schema: type[BaseModel], error: ValidationError) -> str:
    """The first mistake in one line."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = ".".join(path) or "it"
    if first["type"] == "extra_forbidden":
        section = _section_at(schema, path[:-1])
        return f"unknown key '{where}': {nearest(path[-1], section.model_fields)}"
    message = (
        "expected a list, as [a, b]" if first["type"] == "tuple_type" else first["msg"].removeprefix("Value error, ")
    )
    return f"{where} = {_Shown().repr(first['input'])}: {message}".replace("\n", " ")


def _section_at(schema: type[BaseModel], path: Iterable[str]) -> type[BaseModel]:
    section = schema
    for name in path:
        annotation = section.model_fields[name].annotation
        candidates = [annotation, *get_args(annotation)]
        section = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return section


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty one.

    Raises
    ------
    UsageError
        The file is missing, no YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds a {type(content).__name__}, expected sections such as 'optimiser:'")
    return content


def with_overrides(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with values set by dotted key, as ``{"optimiser.epochs": 5}``.

    Raises
    ------
    UsageError
        A key leads through a value that is no section.
    """
    result = _copied(content)
    for dotted, value in overrides.items():
        *sections, key = dotted.split(".")
        place = result
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UsageError(f"'{dotted}': '{section}' is a value, not a section")
        place[key] = value
    return result


def _copied(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in content.items()}


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Dotted key → value from texts such as ``optimiser.learning_rate=1e-3``; values are YAML.

    Raises
    ------
    UsageError
        No ``=`` in it, or no YAML after it.
    """
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {text}: expected KEY=VALUE, as in optimiser.learning_rate=0.001")
        try:
            values[key.strip()] = _number_or_yaml(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--set {text}: no valid value: {' '.join(str(error).split())}") from error
    return values


def _number_or_yaml(text: str) -> Any:
    """YAML, but with 1e-3 a number as everybody expects (YAML 1.1 wants 1.0e-3)."""
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except ValueError:
        return yaml.safe_load(text)


def as_yaml(config: Section, *, commented: bool = False) -> str:
    """A configuration as YAML.

    Parameters
    ----------
    commented : with the meaning of each key beside it.
    """
    if not commented:
        return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    lines: list[str] = []
    for name, entry in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Section):
            lines += ["", f"# {_first_line(type(value).__doc__)}", f"{name}:"]
            lines += [line for key in type(value).model_fields for line in _commented(value, key, "  ")]
        else:
            plain = config.model_dump(mode="json")[name]
            lines += ["", f"# {entry.description}", *_plain(name, plain, "")]
    return "\n".join(lines).lstrip("\n") + "\n"


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def _plain(name: str, value: Any, indent: str) -> list[str]:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return [f"{indent}{name}: {text.removesuffix('...' + chr(10)).strip()}"]


def _commented(section: Section, key: str, indent: str) -> list[str]:
    value = section.model_dump(mode="json")[key]
    description = " ".join((type(section).model_fields[key].description or "").split())
    first, *others = _plain(key, value, indent)
    return [f"{first:<36} # {description}", *others]
