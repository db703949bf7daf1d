"""A detector from a file: changes to a named set, checked.

The file is JSON: ``{"base": "belle2", "name": "mine", "tracking": {"efficiency_scale": 0.95}}``. Whatever takes the
name of a detector takes the path of such a file as well; name and digest of the numbers go into all that is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from smartbkg.errors import FileFormatError, UsageError, nearest
from smartbkg.experiment.detector.parameters import (
    BELLE2,
    GROUPS,
    PARAMETERS_VERSION,
    DetectorParameters,
    detector_names,
    detector_parameters,
)
from smartbkg.storage.json_content import from_json

#: Tables of these names hold the places at which others are given: they must rise.
_PLACES: Final = ("_pt", "_nodes", "_energy", "_momentum")
#: Numbers of these names are probabilities.
_PROBABILITIES: Final = ("efficiency", "fraction", "probability")


def read_detector(name: str) -> DetectorParameters:
    """The detector of that name, or of a JSON file of changes to one.

    Parameters
    ----------
    name : ``belle2``, ``alternative``, ... or the path of a file, which ends in ``.json``.

    Raises
    ------
    UsageError
        There is no detector of that name, or a group, number or value of the file is wrong: names it and the nearest.
    FileFormatError
        The file is missing or not JSON.
    """
    if not name.lower().endswith(".json"):
        return detector_parameters(name)
    return detector_from_changes(_read_json(Path(name)), name)


def detector_from_changes(content: Mapping[str, Any], source: str) -> DetectorParameters:
    """A named set with changes.

    Parameters
    ----------
    content : ``base`` (belle2 if not given), ``name``, and group → {number: value}; a table is a list.
    source : where it comes from, for messages.

    Raises
    ------
    UsageError
        As in `read_detector`.
    """
    for key in content:
        if key not in ("base", "name", *GROUPS):
            raise UsageError(f"{source}: unknown key '{key}': {nearest(key, ('base', 'name', *GROUPS))}")
    base, name = content.get("base", BELLE2.name), content.get("name")
    if not isinstance(base, str):
        raise UsageError(f"{source}: base is {base!r}, expected one of {', '.join(detector_names())}")
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{source}: name is {name!r}, expected a name for the changed detector, in quotes")
    if name in detector_names():
        raise UsageError(f"{source}: name '{name}' is that of a detector of the package, expected one of its own")
    changes = {group: _checked_group(group, content[group], source) for group in GROUPS if group in content}
    try:
        return detector_parameters(base).replace(name, **changes)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error


def detector_from_dict(content: Mapping[str, Any], source: str) -> DetectorParameters:
    """The whole set that `DetectorParameters.to_dict` wrote, as a model file stores it.

    Raises
    ------
    UsageError
        It was written with other numbers than this version has, or is damaged.
    """
    if content.get("version") != PARAMETERS_VERSION:
        raise UsageError(
            f"{source}: detector parameters of version {content.get('version')}, expected {PARAMETERS_VERSION}: "
            "train or calibrate the model again with this version of smartbkg"
        )
    groups: dict[str, Any] = {}
    for group in GROUPS:
        numbers = content.get(group)
        if not isinstance(numbers, Mapping) or set(numbers) != set(getattr(BELLE2, group)._fields):
            raise UsageError(f"{source}: detector parameters: the numbers of '{group}' are not those of this version")
        groups[group] = _checked_group(group, numbers, source)
    return BELLE2.replace(str(content.get("name")), **groups)


def _read_json(path: Path) -> Mapping[str, Any]:
    def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [key for key, _ in pairs]
        for key in names:
            if names.count(key) > 1:
                raise ValueError(f"the key '{key}' comes twice")
        return dict(pairs)

    try:
        content = from_json(path.read_text(encoding="utf-8"), object_pairs_hook=without_repetition)
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: not a detector in JSON: {error}") from error
    if not isinstance(content, dict):
        raise FileFormatError(f"{path}: holds a {type(content).__name__}, expected an object with 'base' and 'name'")
    return content


def _checked_group(group: str, numbers: Any, source: str) -> dict[str, Any]:
    """Numbers of a group as `DetectorParameters.replace` takes them."""
    if not isinstance(numbers, Mapping):
        raise UsageError(f"{source}: {group} is {numbers!r}, expected an object of numbers")
    default = getattr(BELLE2, group)
    checked: dict[str, Any] = {}
    for key, value in numbers.items():
        where = f"{source}: {group} '{key}'"
        if key not in default._fields:
            raise UsageError(f"{source}: unknown {group} number '{key}': {nearest(str(key), default._fields)}")
        usual = getattr(default, key)
        if isinstance(usual, tuple):
            if not isinstance(value, (list, tuple)) or len(value) != len(usual):
                raise UsageError(f"{where} is {value!r}, expected a list of {len(usual)} numbers")
            checked[key] = tuple(
                _checked_number(key, part, least, where) for part, least in zip(value, usual, strict=True)
            )
            if key.endswith(_PLACES) and any(b <= a for a, b in zip(checked[key], checked[key][1:], strict=False)):
                raise UsageError(f"{where} is {value}: places must rise from each to the next")
        else:
            checked[key] = _checked_number(key, value, usual, where)
    return checked


def _checked_number(key: str, value: Any, usual: float, where: str) -> float:
    """A finite number of the sign of the usual one, and a probability where that is what it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{where} is {value!r}, expected a number such as {usual:g}")
    if not math.isfinite(value):
        raise UsageError(f"{where} is {value}, expected a finite number")
    if value * usual < 0 or (usual == 0 and value < 0):
        raise UsageError(f"{where} is {value}, expected a number of the sign of {usual:g}")
    if key.endswith(_PROBABILITIES) and value > 1:
        raise UsageError(f"{where} is {value}, expected a probability of at most 1")
    return float(value)
