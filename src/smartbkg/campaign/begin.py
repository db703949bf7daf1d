"""A new campaign: its folder, and a configuration that runs as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartbkg.campaign.config import CampaignConfig, parse_campaign
from smartbkg.campaign.folder import CONFIG_NAME
from smartbkg.errors import UsageError
from smartbkg.sampling.luminosity import CROSS_SECTIONS
from smartbkg.storage.atomic import write_text_atomically
from smartbkg.storage.configuration import as_yaml, read_yaml, with_overrides

#: The model in the package, where a user names none.
PACKAGED_TAG, PACKAGED_PAYLOAD = "SmartBKG_GATGAP", "GATGAPgen.safetensors"


def begin_campaign(
    folder: Path, overrides: Mapping[str, Any], *, processes: tuple[str, ...] = (), template: Path | None = None
) -> CampaignConfig:
    """Make a campaign's folder with its annotated configuration.

    Parameters
    ----------
    folder : made if it does not exist.
    overrides : dotted key → value.
    processes : processes at the Υ(4S), with their cross-sections.
    template : configuration, or folder of a campaign, to start from.

    Raises
    ------
    UsageError
        The folder holds a campaign, the settings are impossible, or nobody says the cross-section of a process.
    """
    path = folder / CONFIG_NAME
    if path.exists():
        raise UsageError(f"{path}: the folder holds a campaign already")
    content: dict[str, Any] = {} if template is None else read_yaml(_config_of(template))
    content["name"] = folder.resolve().name.replace(" ", "-")
    if processes:
        ratio = {name: CROSS_SECTIONS.get(name, 1.0) for name in processes}
        content = with_overrides(content, {"generate.processes": ratio})
    content = with_overrides(content, overrides)
    chosen = content.get("filter", {})
    if chosen.get("model") is None and chosen.get("global_tag") is None:
        packaged = {"filter.global_tag": PACKAGED_TAG, "filter.payload": PACKAGED_PAYLOAD}
        content = with_overrides(content, packaged)
    model = content["filter"].get("model")
    if model is not None and not Path(model).is_absolute():
        content["filter"]["model"] = str(Path(model).resolve())
    config = parse_campaign(content, str(path))
    unknown = [name for name in processes if name not in CROSS_SECTIONS]
    if unknown and not any(key.startswith("generate.processes") for key in overrides):
        raise UsageError(
            f"--process {unknown[0]}: its cross-section is not known, and luminosities follow from it: say it in nb by "
            f"--set 'generate.processes={{{unknown[0]}: CROSS_SECTION}}' in place of --process"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, as_yaml(config, commented=True))
    return config


def _config_of(template: Path) -> Path:
    return template / CONFIG_NAME if template.is_dir() else template
