"""ROOT.Belle2: data store and conditions access, and std::string-like small things of the binding."""

from __future__ import annotations

import sys
from types import ModuleType

import data_objects
import data_store
import database

Belle2 = ModuleType("ROOT.Belle2")
for _place, _names in (
    (data_store, ("PyStoreArray", "PyStoreObj")),
    (data_objects, ("EventExtraInfo", "EventMetaData", "MCParticle")),
    (
        database,
        (
            "DBAccessorBase", "DBStoreEntry", "Database", "IntervalOfValidity", "PyDBObj", "SmartBackgroundConfig",
        ),
    ),
):  # fmt: skip
    for _name in _names:
        setattr(Belle2, _name, getattr(_place, _name))

# as framework/scripts/basf2/core.py and upstream's modules import it: ``from ROOT.Belle2 import DBAccessorBase``
sys.modules["ROOT.Belle2"] = Belle2
__path__: list[str] = []
