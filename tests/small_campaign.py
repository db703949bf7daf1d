"""A campaign of small files and a small network, whose chunks take milliseconds, to test what is around them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from filtered_sample import make_model
from synthetic import random_events

from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.record import read_record
from smartbkg.campaign.config import parse_campaign
from smartbkg.campaign.folder import CampaignFolder
from smartbkg.io import create_events
from smartbkg.storage.configuration import as_yaml, with_overrides


def small_settings(folder: Path, n_files: int, n_events: int = 60, **overrides: Any) -> dict[str, Any]:
    """Settings of a campaign over new files in a folder; overrides are dotted keys with ``__`` for the dot."""
    inputs = folder.with_name(folder.name + "-in")
    inputs.mkdir(parents=True, exist_ok=True)
    model = inputs / "model.safetensors"
    if not model.exists():
        make_model(model)
    for number in range(n_files):
        path = inputs / f"events{number:03d}.parquet"
        if not path.exists():
            with create_events(path, {"kind": "events", "schema_version": 1}) as writer:
                writer.write(random_events(n_events, seed=number))
    content = {
        "name": "small",
        "generate": {"processes": {"mixed": 0.5}, "files": [f"{inputs}/events*.parquet"]},
        "filter": {"model": str(model), "policy": "score"},
        "simulate": {"by": "nothing"},
    }
    return with_overrides(content, {key.replace("__", "."): value for key, value in overrides.items()})


def small_campaign(folder: Path, n_files: int, n_events: int = 60, **overrides: Any) -> Campaign:
    """A campaign that has begun."""
    write_config(folder, small_settings(folder, n_files, n_events, **overrides))
    return open_campaign(folder)


def write_config(folder: Path, content: dict[str, Any]) -> None:
    """Write settings as a campaign's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.yaml").write_text(as_yaml(parse_campaign(content)))


def digests_of(root: Path) -> dict[tuple[int, str], str]:
    """(chunk, file) → SHA-256 of each published file, read from the disk."""
    folder = CampaignFolder.of(root)
    found = {}
    for index, path in folder.recorded():
        content = read_record(path, index)
        for file in content["files"].values():
            data = (folder.data(index, content["attempt"]) / file["name"]).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            assert digest == file["sha256"], f"chunk {index}: {file['name']} is not what its record says"
            found[index, file["name"]] = digest
    return found
