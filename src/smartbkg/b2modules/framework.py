"""basf2 and ROOT, imported when a module of this package is: outside basf2 the error says what works without it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from smartbkg.errors import SmartBKGError
from smartbkg.seeds import derive_seed


class Basf2NotFoundError(SmartBKGError, ImportError):
    """basf2 is not set up in this environment."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{name}' cannot be imported: basf2 is not set up (on a Belle II machine: source the release with "
            "b2setup, then check with `smartbkg basf2 check`). Without basf2 the commands smartbkg filter, score, "
            "flag, dataset and train do the same work on mDST, HepMC, EDM4hep and Parquet files"
        )


def import_basf2(name: str = "basf2") -> Any:
    """A module of basf2's Python interface.

    Raises
    ------
    Basf2NotFoundError
        basf2 is not set up.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        raise Basf2NotFoundError(name) from error


def belle2() -> Any:
    """``ROOT.Belle2``: data store and conditions."""
    return import_basf2("ROOT").Belle2


def job_seed() -> int:
    """A seed from basf2's own (``basf2.set_random_seed``): jobs of the same seed decide alike."""
    return derive_seed(0, "basf2", str(import_basf2().get_random_seed()))


if TYPE_CHECKING:

    class Module:
        """The part of ``basf2.Module`` that is used here."""

        def __init__(self) -> None: ...
        def name(self) -> str: ...
        def set_name(self, name: str) -> None: ...
        def has_properties(self, flags: Any) -> bool: ...
        def set_property_flags(self, flags: Any) -> None: ...
        def return_value(self, value: int) -> None: ...
        def if_value(self, expression: str, path: Any) -> None: ...

else:
    Module = import_basf2().Module
