"""Makes the read-only store inside the package: ``python -m smartbkg.conditions.packaged NAME=FILE [NAME=FILE ...]``.

Run where the package is developed, after a model was trained; the folder ``smartbkg/conditions/data`` is then part of
the next release. The same files give the same store.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from smartbkg.conditions.interval import ALWAYS
from smartbkg.conditions.location import packaged_folder
from smartbkg.conditions.payload import Payload
from smartbkg.conditions.store import ConditionsStore
from smartbkg.errors import SmartBKGError, UsageError

#: Global tag and payload that upstream's module asks for by default.
DEFAULT_TAG: Final = "SmartBKG_GATGAP"
DEFAULT_PAYLOAD: Final = "GATGAPgen.pth"


def build_packaged_store(
    payloads: Mapping[str, Path], folder: Path | None = None, tag: str = DEFAULT_TAG, description: str = ""
) -> list[Payload]:
    """Make a new store with one published global tag; one that is there is replaced.

    Parameters
    ----------
    payloads : payload name → file; each holds for all runs.
    folder : folder of the store, by default the one inside the package.

    Raises
    ------
    SmartBKGError
        A file cannot be read or a name is not a safe one; the old store stays.
    """
    target = folder if folder is not None else packaged_folder()
    building = target.with_name(f".{target.name}.partial")
    shutil.rmtree(building, ignore_errors=True)
    try:
        store = ConditionsStore(building)
        store.create_tag(tag, description)
        written = [store.put(tag, name, file, ALWAYS) for name, file in payloads.items()]
        store.publish(tag)
        shutil.rmtree(target, ignore_errors=True)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return written


def update_packaged_store(
    payloads: Mapping[str, Path], folder: Path | None = None, tag: str = DEFAULT_TAG, description: str = ""
) -> list[Payload]:
    """As `build_packaged_store`, and payloads that the old store has beside these stay in it."""
    target = folder if folder is not None else packaged_folder()
    old: dict[str, Path] = {}
    if target.exists():
        store = ConditionsStore(target, is_immutable=True)
        if store.find_tag(tag) is not None:
            old = {payload.name: store.fetch(payload) for payload in store.payloads(tag)}
    return build_packaged_store(old | dict(payloads), folder, tag, description)


def main(arguments: list[str]) -> None:
    """Make the store from ``NAME=FILE`` arguments."""
    payloads = {}
    for argument in arguments:
        name, separator, file = argument.partition("=")
        if not separator:
            raise UsageError(f"'{argument}': expected NAME=FILE, for example {DEFAULT_PAYLOAD}=model.pth")
        payloads[name] = Path(file)
    if not payloads:
        raise UsageError(f"nothing to put into the store: give NAME=FILE, for example {DEFAULT_PAYLOAD}=model.pth")
    for payload in build_packaged_store(payloads, description="models that come with smartbkg"):
        sys.stdout.write(f"{payload} {payload.checksum}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SmartBKGError as error:
        sys.exit(f"error: {error}")
