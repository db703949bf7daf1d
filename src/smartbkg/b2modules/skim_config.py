"""The configuration beside an ONNX model: an object in basf2's conditions database, a JSON file, or one by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from smartbkg.b2modules.framework import belle2, import_basf2
from smartbkg.b2modules.model_source import PayloadSource
from smartbkg.errors import ConditionsError, ModelError
from smartbkg.networks.onnx.config import BELLE2_MODELS
from smartbkg.storage.json_content import from_json

DEFAULT_CONFIG: Final = "SmartBackgroundConfig_default"


class ConfigSource:
    """Finds the configuration of an ONNX model for each run.

    Parameters
    ----------
    payload : name of a payload, of a JSON file, or of one of Belle II's models (`BELLE2_MODELS`).
    global_tag : as for `PayloadSource`.
    """

    def __init__(self, payload: str, global_tag: str | None) -> None:
        self.payload = payload
        self._is_named = payload in BELLE2_MODELS
        self._object: Any = None
        is_file = Path(payload).is_file()
        self._source = None if self._is_named else PayloadSource(payload if is_file else None, global_tag, payload)

    def prepare(self) -> None:
        """Announce the payload to basf2; to be called in ``initialize``.

        It is an object there, and optional: a required one that is missing would stop the job after ``initialize``.
        """
        if self._source is not None and self._source.asks_basf2:
            self._object = belle2().PyDBObj(self.payload, False)

    def find(self, experiment: int, run: int) -> Mapping[str, Any] | str | None:
        """The content, or the name of a model of Belle II; None = the model's own, where the default is not found.

        Raises
        ------
        ConditionsError
            A payload that was named is nowhere.
        ModelError
            Not the configuration of a model.
        """
        if self._source is None:
            return self.payload
        if self._source.asks_basf2:
            return self._from_basf2()
        try:
            return _read(self._source.find(experiment, run))
        except ConditionsError:
            if self.payload == DEFAULT_CONFIG:
                return None
            raise

    def _from_basf2(self) -> Mapping[str, Any] | None:
        if self._object is None:
            self.prepare()
        if self._object.isValid():
            import_basf2().B2INFO(f"smartbkg: configuration {self.payload} from basf2's conditions database")
            return content_of_object(self._object)
        if self.payload == DEFAULT_CONFIG:
            return None
        raise ConditionsError(f"payload '{self.payload}' is in none of basf2's global tags and local databases")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: the model configuration is a {type(content).__name__}, expected an object")
    return content


def content_of_object(stored: Any) -> dict[str, Any]:
    """The JSON content of basf2's object ``SmartBackgroundConfig``."""
    parameters = {int(pair.first): [float(value) for value in pair.second] for pair in stored.getParameterMapping()}
    names = {int(pair.first): str(pair.second) for pair in stored.getSkimnamesMapping()}
    return {
        "token_by_pdg": {str(int(pair.first)): int(pair.second) for pair in stored.getPdgMapping()},
        "unknown_token": 0,
        "max_weight": float(stored.getMaxWeight()),
        "event_type": {str(pair.first): int(pair.second) for pair in stored.getEventtypeMapping()},
        "skims": [
            {
                "name": names.get(int(pair.first), str(int(pair.first))), "code": int(pair.first),
                "output_index": int(pair.second), "a": parameters[int(pair.first)][0],
                "b": parameters[int(pair.first)][1],
            }
            for pair in stored.getSkimcodesMapping()
        ],
    }  # fmt: skip


__all__ = ["DEFAULT_CONFIG", "ConfigSource", "content_of_object"]
