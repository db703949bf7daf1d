"""What a campaign is, fixed when it begins: settings, model, versions. Later changes are refused, or accepted aloud."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from smartbkg._version import __version__
from smartbkg.campaign.chunk.chunks import ChunkPlan, counted_sources, source_names
from smartbkg.campaign.config import CampaignConfig
from smartbkg.campaign.folder import CampaignFolder
from smartbkg.campaign.publication import publish_once, read_published
from smartbkg.errors import FileFormatError, SchemaError, UsageError
from smartbkg.networks.model_file import model_suffix
from smartbkg.storage.atomic import atomic_path
from smartbkg.storage.json_content import from_json
from smartbkg.storage.provenance import digest_of, library_versions, sha256_of_file
from smartbkg.storage.sidecar import check_sidecar

SCHEMA_VERSION: Final = 1
#: Libraries whose version can change which events are made or how they are scored.
_COUNTED: Final = ("numpy", "pythia8mc")
_FINGERPRINT_BYTES: Final = 1 << 16


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and a digest of both ends of a large file: enough to see that it was changed, cheap enough to ask each time.

    Raises
    ------
    FileFormatError
        It is missing.
    """
    try:
        with path.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            digest = hashlib.sha256(handle.read(_FINGERPRINT_BYTES))
            if size > _FINGERPRINT_BYTES:
                handle.seek(max(size - _FINGERPRINT_BYTES, _FINGERPRINT_BYTES))
                digest.update(handle.read())
    except OSError as error:
        raise FileFormatError(f"{path}: cannot read the input file: {error.strerror}") from error
    return {"bytes": size, "digest": digest.hexdigest()[:16]}


def model_source(config: CampaignConfig, folder: CampaignFolder) -> Path:
    """The model that the configuration names: its file, or that of the conditions database."""
    if config.filter.model is not None:
        path = folder.root / config.filter.model
        if not path.is_file():
            raise FileFormatError(f"{path}: no such model (filter.model = {config.filter.model})")
        return path
    from smartbkg.conditions.resolve import resolve_payload

    return resolve_payload(config.filter.global_tag or "", config.filter.payload or "", config.experiment, 0)


def copied_model(config: CampaignConfig, folder: CampaignFolder) -> Path:
    """The campaign's own copy of its model, made at the first call: what it came from may change later."""
    source = model_source(config, folder)
    copy = folder.model / f"model{model_suffix(source)}"
    if not copy.exists():
        folder.model.mkdir(parents=True, exist_ok=True)
        check_sidecar(source)
        with atomic_path(copy) as partial:
            shutil.copyfile(source, partial)
    return copy


def describe(
    config: CampaignConfig, folder: CampaignFolder, plan: ChunkPlan, policy: Mapping[str, Any]
) -> dict[str, Any]:
    """The identity of a campaign as it would begin now."""
    from smartbkg.experiment.generator.generate import GENERATOR_VERSION

    physics = config.physics()
    detector = None if config.simulate.detector is None else sha256_of_file(folder.root / config.simulate.detector)
    return {
        "kind": "campaign",
        "schema_version": SCHEMA_VERSION,
        "package_version": __version__,
        "libraries": {name: library_versions()[name] for name in _COUNTED if name in library_versions()},
        "generator_version": GENERATOR_VERSION,
        "physics": physics,
        "physics_digest": digest_of(physics),
        "model_sha256": sha256_of_file(copied_model(config, folder)),
        "detector_sha256": detector,
        "policy": dict(policy),
        "policy_digest": digest_of(policy),
        "n_chunks": len(plan),
        "sources": [],
    }


def described_sources(config: CampaignConfig, folder: CampaignFolder) -> list[dict[str, Any]]:
    """Name and fingerprint of each input file, and how many events it holds where files are split."""
    if config.generate.kind != "files":
        return []
    return [source | fingerprint(folder.root / source["name"]) for source in counted_sources(config, folder.root)]


def check_no_new_sources(config: CampaignConfig, folder: CampaignFolder, found: Mapping[str, Any]) -> None:
    """Refuse input files that came after the campaign began; one that is missing is a failure of its chunk alone.

    Raises
    ------
    UsageError
        There are new ones.
    """
    if config.generate.kind != "files":
        return
    known = {source["name"] for source in found["sources"]}
    try:
        new = [name for name in source_names(config, folder.root) if name not in known]
    except FileFormatError:
        return
    if new:
        raise UsageError(
            f"generate.files names {len(new)} files that were not there when the campaign began ({new[0]}...): begin a "
            "new campaign for them, or move them away"
        )


def read_identities(folder: CampaignFolder) -> list[dict[str, Any]]:
    """The identity with which the campaign began, then those that were accepted, in order.

    Raises
    ------
    FileFormatError, SchemaError
        Damaged, or of a newer schema.
    """
    found = []
    for path in sorted(folder.identity.glob("*.json")):
        try:
            content = from_json(read_published(path))
        except ValueError as error:
            raise FileFormatError(f"{path}: the identity of the campaign is damaged: {error}") from error
        if content["schema_version"] > SCHEMA_VERSION:
            raise SchemaError(
                f"{path}: schema {content['schema_version']} was written by smartbkg {content['package_version']}, "
                f"this version ({__version__}) reads up to {SCHEMA_VERSION}: upgrade smartbkg"
            )
        found.append(content)
    return found


def publish_identity(folder: CampaignFolder, content: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Publish an identity; where another process was first, its identity counts and is returned."""
    path = folder.identity / f"{number:04d}.json"
    publish_once(path, json.dumps(content, sort_keys=True, indent=1).encode())
    return read_identities(folder)[number]


def check_identity(found: Mapping[str, Any], now: Mapping[str, Any], *, is_accepted: bool) -> list[str]:
    """What differs between a campaign as it began and as it would go on.

    Parameters
    ----------
    is_accepted : whether the user accepts what can be accepted.

    Returns
    -------
    One sentence for each difference that was accepted.

    Raises
    ------
    UsageError
        A difference that nobody can accept, or that was not accepted.
    """
    if found["physics_digest"] != now["physics_digest"]:
        key, before, after = _first_difference(found["physics"], now["physics"])
        raise UsageError(
            f"{key} was {before!r} when the campaign began and is {after!r} now: set it back, or begin a new campaign "
            "(chunks that are done would not fit the others)"
        )
    if found["model_sha256"] != now["model_sha256"]:
        raise UsageError(
            "the campaign's own copy of the model was changed (its checksum is another): put the old one back, or "
            "begin a new campaign"
        )
    if found["detector_sha256"] != now["detector_sha256"]:
        raise UsageError("the file of simulate.detector was changed since the campaign began: put the old one back")
    return _accepted(found, now, is_accepted=is_accepted)


def _accepted(found: Mapping[str, Any], now: Mapping[str, Any], *, is_accepted: bool) -> list[str]:
    if found["generator_version"] != now["generator_version"]:
        raise UsageError(
            "this version of smartbkg makes other events of the same seed than the one that began the campaign "
            f"({found['package_version']}): install that one, or begin a new campaign"
        )
    differences = []
    if found["package_version"] != now["package_version"]:
        if _series(found["package_version"]) != _series(now["package_version"]):
            raise UsageError(
                f"the campaign was begun by smartbkg {found['package_version']}, this is {now['package_version']}, "
                "which may decide otherwise: install the one that began it, or begin a new campaign"
            )
        differences.append(f"smartbkg {found['package_version']} → {now['package_version']}")
    for name, version in now["libraries"].items():
        before = found["libraries"].get(name)
        if before != version:
            differences.append(f"{name} {before} → {version}")
    if differences and not is_accepted:
        raise UsageError(
            f"versions changed since the campaign began ({', '.join(differences)}): a chunk that is made again may "
            "differ in its last digits; go on with --accept"
        )
    return differences


def _series(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])


def _first_difference(before: Any, after: Any, path: str = "") -> tuple[str, Any, Any]:
    """Dotted key of the first setting that differs, and its two values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            if before.get(key) != after.get(key):
                return _first_difference(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    return path, before, after
