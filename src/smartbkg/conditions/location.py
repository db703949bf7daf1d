"""Where conditions databases are looked for, and in which order."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Final

import platformdirs

#: List of places, separated by white space, that replaces the user's own store: folders, files, URLs, ``package``.
PLACES_VARIABLE: Final = "SMARTBKG_CONDITIONS"
#: basf2's list of metadata providers: asked last.
BELLE2_VARIABLE: Final = "BELLE2_CONDB_METADATA"
#: The word for the read-only store inside the package.
PACKAGE: Final = "package"


def is_url(place: str) -> bool:
    """Whether a place is behind HTTP."""
    return place.startswith(("http://", "https://"))


def chosen_places() -> list[str]:
    """The places in ``SMARTBKG_CONDITIONS``, empty where it is not set."""
    return os.environ.get(PLACES_VARIABLE, "").split()


def user_conditions_folder() -> Path:
    """The folder of the user's own store: the first in ``SMARTBKG_CONDITIONS``, or one in the user's data folder."""
    for place in chosen_places():
        if not is_url(place) and place != PACKAGE and not place.endswith(".txt"):
            return Path(place.removeprefix("file://"))
    return platformdirs.user_data_path("smartbkg") / "conditions"


def packaged_folder() -> Path:
    """The folder of the store inside the package."""
    return Path(str(resources.files("smartbkg.conditions"))) / "data"


def user_places() -> list[str]:
    """The places that the user has chosen, or else the user's own store."""
    return chosen_places() or [str(user_conditions_folder())]


def default_places() -> list[str]:
    """All places in the order in which they are asked.

    Those in ``SMARTBKG_CONDITIONS`` or else the user's own store, then the store inside the package, then those in
    ``BELLE2_CONDB_METADATA``.
    """
    places = [*user_places(), PACKAGE, *os.environ.get(BELLE2_VARIABLE, "").split()]
    return list(dict.fromkeys(places))
