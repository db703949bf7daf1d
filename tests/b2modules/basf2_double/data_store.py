"""The data store: what is registered when, and what exists for one event.

Each method names the file and line of basf2 (repository of February 2026) whose behaviour it follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import logging_system
from data_objects import CALLS, CLASSES


@dataclass
class Entry:
    """framework/datastore/include/StoreEntry.h: a name, its class, and the object of the present event or None."""

    name: str
    kind: type | None
    is_array: bool
    pointer: Any = None


class DataStore:
    """framework/datastore/src/DataStore.cc, durability "event"."""

    def __init__(self) -> None:
        self.is_initializing = False
        self.entries: dict[str, Entry] = {}

    def reset(self) -> None:
        """DataStore.cc:73: forgets what was registered."""
        self.__init__()

    def register(self, name: str, kind: type | None, is_array: bool) -> bool:
        """DataStore.cc:189: B2ERROR and false outside of initialize; a second time is fine."""
        if not self.is_initializing:
            logging_system.B2ERROR(f"Attempt to register {name} outside of the initialization phase.")
            return False
        self.entries.setdefault(name, Entry(name, kind, is_array))
        return True

    def require(self, name: str) -> bool:
        """DataStore.cc:721: B2FATAL outside of initialize; B2ERROR and false where the name is not registered."""
        if not self.is_initializing:
            logging_system.B2FATAL(f"Attempt to require input {name} outside of the initialization phase.")
        if name not in self.entries:
            logging_system.B2ERROR(
                f"The required '{name}' does not exist. Maybe you forgot the module that registers it?"
            )
            return False
        return True

    def create(self, name: str, value: Any = None, *, replace: bool = False) -> bool:
        """DataStore.cc:315: B2ERROR and false where it is not registered, or there already and not to be replaced."""
        entry = self.entries.get(name)
        if entry is None:
            logging_system.B2ERROR(f"No {name} exists in the DataStore, did you forget to register it?")
            return False
        if entry.pointer is not None and not replace:
            logging_system.B2ERROR(f"An {name} was already created in the DataStore.")
            return False
        entry.pointer = entry.kind() if value is None and entry.kind is not None else value
        return True

    def invalidate(self) -> None:
        """DataStore.cc:714: at the end of an event the objects are gone, the entries stay."""
        for entry in self.entries.values():
            entry.pointer = None

    def object(self, name: str) -> Any:
        """The present object, None where there is none; what C++ modules do."""
        entry = self.entries.get(name)
        return None if entry is None else entry.pointer


STORE = DataStore()


class PyStoreObj:
    """Belle2.PyStoreObj: framework/pybasf2/include/PyStoreObj.h and src/PyStoreObj.cc."""

    def __init__(self, name: str) -> None:
        """PyStoreObj.cc:40: attaches where the name is registered already; the class follows from the name."""
        self._name, self._kind = name, CLASSES.get(name)
        self._entry = STORE.entries.get(name)

    def registerInDataStore(self) -> bool:
        """PyStoreObj.cc:70: B2ERROR and false for names of no class; attaches."""
        if self._kind is None:
            logging_system.B2ERROR(f"Cannot register PyStoreObj '{self._name}' with unknown TClass.")
            return False
        if not STORE.register(self._name, self._kind, is_array=False):
            return False
        self._entry = STORE.entries[self._name]
        return True

    def isRequired(self) -> bool:
        """PyStoreObj.cc:82."""
        return STORE.require(self._name)

    def isOptional(self) -> bool:
        """DataStore.cc:738: whether it is registered."""
        return self._name in STORE.entries

    def isValid(self) -> bool:
        """PyStoreObj.cc:92: attached and there; does not attach by itself."""
        return self._entry is not None and self._entry.pointer is not None

    __bool__ = isValid

    def create(self, replace: bool = False) -> bool:
        """PyStoreObj.cc:103: true where it is there already and need not be replaced."""
        self._ensure_attached()
        if self._entry is None:
            logging_system.B2ERROR("Cannot create unregistered PyStoreObj.")
            return False
        if self.isValid() and not replace:
            return True
        return STORE.create(self._name, replace=replace)

    def obj(self) -> Any:
        """PyStoreObj.h:144: the object, or a null pointer."""
        self._ensure_attached()
        return self._entry.pointer if self._entry is not None else None

    def _ensure_attached(self) -> None:
        """PyStoreObj.cc:125."""
        if self._entry is None:
            self._entry = STORE.entries.get(self._name)
            if self._entry is None:
                logging_system.B2ERROR(f"PyStoreObj {self._name} has not been registered!")

    def __getattr__(self, attribute: str) -> Any:
        """PyStoreObj.h:147: operator-> of a null pointer is a ReferenceError in Python."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        found = self.obj()
        if found is None:
            raise ReferenceError(f"attempt to access a null-pointer: {self._name} does not exist")
        return getattr(found, attribute)


class PyStoreArray:
    """Belle2.PyStoreArray: framework/pybasf2/src/PyStoreArray.cc."""

    def __init__(self, name: str) -> None:
        """PyStoreArray.cc:40: attaches where it is registered."""
        self._name = name
        self._entry = STORE.entries.get(name)

    def isRequired(self) -> bool:
        """PyStoreArray.cc:82."""
        return STORE.require(self._name)

    def isOptional(self) -> bool:
        """PyStoreArray.cc:87."""
        return self._name in STORE.entries

    def isValid(self) -> bool:
        """PyStoreArray.cc:150."""
        return self._entry is not None and self._entry.pointer is not None

    def getEntries(self) -> int:
        """PyStoreArray.cc:165: 0 where there is no array in this event."""
        self._ensure_attached()
        return len(self._entry.pointer) if self.isValid() else 0

    __len__ = getEntries

    def __iter__(self) -> Iterator[Any]:
        """PyStoreArray.cc:171: a TIter; each step is a call."""
        self._ensure_attached()
        for element in list(self._entry.pointer) if self.isValid() else []:
            CALLS["next"] = CALLS.get("next", 0) + 1
            yield element

    def __getitem__(self, index: int) -> Any:
        """PyStoreArray.cc:155: a null pointer where there is no array."""
        self._ensure_attached()
        return self._entry.pointer[index] if self.isValid() else None

    def _ensure_attached(self) -> None:
        """PyStoreArray.cc:222."""
        if self._entry is None:
            self._entry = STORE.entries.get(self._name)
            if self._entry is None:
                logging_system.B2ERROR(f"PyStoreArray {self._name} has not been registered!")
