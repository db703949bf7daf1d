"""Generated events as a closure check reads them: ids, weights, and variables that need no simulation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.events.columns import EVENT_ID, WEIGHT
from smartbkg.events.generator_level import generator_variables
from smartbkg.io import open_events
from smartbkg.io.tables import Table
from smartbkg.sampling.weights import generator_weights


def read_generated(path: Path) -> tuple[Table, dict[str, NDArray[np.float64]]]:
    """Ids and generator weights of a file of generated events, and their variables.

    Raises
    ------
    FileFormatError
        It holds no event.
    """
    columns: list[Mapping[str, NDArray[Any]]] = []
    variables: list[dict[str, NDArray[np.float64]]] = []
    with open_events(path) as reader:
        for batch in reader.batches():
            columns.append({**{name: batch.event[name] for name in EVENT_ID}, WEIGHT: generator_weights(batch.event)})
            variables.append(generator_variables(batch))
        metadata = dict(reader.metadata)
    if not columns:
        raise FileFormatError(f"{path}: holds no event")
    together = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    return (
        Table(together, metadata, str(path)),
        {name: np.concatenate([part[name] for part in variables]) for name in variables[0]},
    )


__all__ = ["read_generated"]
