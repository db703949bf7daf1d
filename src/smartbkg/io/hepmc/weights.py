"""Names and values of the weights in HepMC: what they are called, and where others look for the one that counts.

HepMC3's readers split the names at blanks, and refuse names that come twice and events with another number of weights
than names. Programs take the first weight (DD4hep, Geant4) or the one called nominal (Rivet): in a filtered file that
is the generator's divided by the keep probability, and so is every variation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from smartbkg.events import EventBatch
from smartbkg.events.columns import GENERATOR_WEIGHT, KEEP_PROBABILITY, VARIATION_PREFIX, WEIGHT

#: Where the weight w/q of a kept event stands: first, with every variation divided by q alike, or last and by itself.
WeightLayout = Literal["nominal", "separate"]
WEIGHT_LAYOUTS: Final[tuple[WeightLayout, ...]] = get_args(WeightLayout)

#: The ratio 1/q (layout ``nominal``), or the weight w/q (``separate``).
RATIO_NAME: Final = "smartbkg"
#: The generator's own weight, in the layout ``nominal``.
GENERATOR_NAME: Final = "smartbkg_generator_weight"
OUR_NAMES: Final = (GENERATOR_NAME, RATIO_NAME)
#: Name of the generator's weight where the input has one weight and no names.
DEFAULT_NAME: Final = "Default"

_BLANK: Final = re.compile(r"\s")


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which none is empty (its position then) and none comes twice (a number behind it then).

    >>> distinct_names(["nominal", "AUX", "AUX", ""])
    ('nominal', 'AUX', 'AUX_2', '3')
    """
    found: list[str] = []
    for position, given in enumerate(names):
        name, count = given or str(position), 1
        while name in found or (count > 1 and name in names):
            count += 1
            name = f"{given or position}_{count}"
        found.append(name)
    return tuple(found)


def written_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that HepMC3's readers take: distinct, with ``_`` for each blank.

    >>> written_names(["Weight", "set dim6  "])
    ('Weight', 'set_dim6__')
    """
    return distinct_names([_BLANK.sub("_", name) for name in names])


def names_of_numbers(n_weights: int) -> tuple[str, ...]:
    """Names of weights that have none."""
    return (DEFAULT_NAME,) if n_weights == 1 else tuple(map(str, range(n_weights)))


def weight_columns(
    names: Sequence[str], weights: NDArray[np.float64], nominal: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """Event columns of the weights of a file.

    Parameters
    ----------
    names : (n_weights,) of the run; none where it has no weights.
    weights : (n_events, n_weights).
    nominal : name of the generator's nominal weight, the first one if None or not there.

    Returns
    -------
    ``weight``, by which sums count; ``generator_weight`` where the file was filtered; and where the generator gives
    several, each as ``weight_<name>``, the nominal one first.
    """
    if not names:
        return {WEIGHT: np.ones(len(weights))}
    column = {name: weights[:, place] for place, name in enumerate(names)}
    generators = [name for name in names if name not in OUR_NAMES]
    if nominal in generators:
        generators.sort(key=lambda name: name != nominal)
    first = column[generators[0]] if generators else column[names[0]]
    columns = {WEIGHT: first}
    variations = {name: column[name] for name in generators}
    if GENERATOR_NAME in column:
        columns[GENERATOR_WEIGHT] = column[GENERATOR_NAME]
    elif RATIO_NAME in column:
        columns = {WEIGHT: column[RATIO_NAME], GENERATOR_WEIGHT: first}
        ratio = np.divide(column[RATIO_NAME], first, out=np.ones(len(first)), where=first != 0)
        variations = {name: values * ratio for name, values in variations.items()}
        variations[generators[0]] = column[RATIO_NAME]
    if len(generators) > 1:
        columns |= {f"{VARIATION_PREFIX}{name}": values for name, values in variations.items()}
    return columns


def layout_names(names: Sequence[str], layout: WeightLayout, nominal: str) -> tuple[str, ...]:
    """Names of the weights of a filtered file, from those of its input."""
    generators = sorted((name for name in names if name not in OUR_NAMES), key=lambda name: name != nominal)
    return (*(generators or [DEFAULT_NAME]), *(OUR_NAMES if layout == "nominal" else (RATIO_NAME,)))


def filtered_weights(batch: EventBatch, n_generators: int, layout: WeightLayout) -> NDArray[np.float64]:
    """(n_events, n_weights) weights of kept events in the order of `layout_names`.

    Parameters
    ----------
    n_generators : how many weights the generator gives.
    """
    weight, kept = batch.event[WEIGHT].astype(np.float64), batch.event[KEEP_PROBABILITY].astype(np.float64)
    generator = batch.event[GENERATOR_WEIGHT] if GENERATOR_WEIGHT in batch.event else weight * kept
    several = [name for name in batch.event if name.startswith(VARIATION_PREFIX)]
    columns = [weight]
    if len(several) == n_generators > 1:
        nominal = batch.event[several[0]].astype(np.float64)
        # what was weighted anew since (a merge) takes its variations along
        factor = np.divide(weight, nominal, out=np.ones(len(weight)), where=nominal != 0)
        columns += [batch.event[name] * factor for name in several[1:]]
    if layout == "separate":
        undo = np.divide(generator, weight, out=kept.copy(), where=weight != 0)
        return np.stack([generator, *(column * undo for column in columns[1:]), weight], axis=1)
    ratio = np.divide(weight, generator, out=1 / kept, where=np.asarray(generator) != 0)
    return np.stack([*columns, generator, ratio], axis=1)


__all__ = [
    "DEFAULT_NAME",
    "GENERATOR_NAME",
    "RATIO_NAME",
    "WEIGHT_LAYOUTS",
    "WeightLayout",
    "distinct_names",
    "filtered_weights",
    "layout_names",
    "names_of_numbers",
    "weight_columns",
    "written_names",
]
