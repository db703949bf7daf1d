"""basf2's module name ``SmartBackground`` for releases without the C++ module: its parameters, this package's code.

``answer_to_name`` is called by ``skim.smartbkg`` of the import paths in ``smartbkg/basf2_shim``; nothing is changed in
a release that knows the module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from smartbkg.b2modules.framework import Module, import_basf2
from smartbkg.b2modules.skim_config import DEFAULT_CONFIG, ConfigSource
from smartbkg.b2modules.smart_background import (
    DEFAULT_WEIGHTS,
    UNTOUCHED_ACTIVATION,
    SmartBackground,
    WantedSkim,
    payload_source,
)
from smartbkg.errors import UsageError, nearest

NAME: Final = "SmartBackground"
#: Parameters of the C++ module with their defaults (skim/modules/src/SmartBackgroundModule.cc, its constructor).
PARAMETERS: Final[Mapping[str, Any]] = {
    "skimCodes": [],
    "skimNames": [],
    "debugMode": False,
    "payloadWeights": DEFAULT_WEIGHTS,
    "payloadConfig": DEFAULT_CONFIG,
    "overrideEventType": False,
    "eventType": "charged",
    "overrideActivation": False,
    "activationOverrideParams": list(UNTOUCHED_ACTIVATION),
}


class NamedSmartBackground(SmartBackground):
    """`SmartBackground`, set up by the parameters of the C++ module."""

    def __init__(self) -> None:
        self._parameters = dict(PARAMETERS)
        Module.__init__(self)
        self.set_name(NAME)

    def param(self, name: str | Mapping[str, Any], value: Any = None) -> None:
        """Set one parameter, or several.

        Raises
        ------
        UsageError
            The module has no such parameter.
        """
        for key, given in (name if isinstance(name, Mapping) else {name: value}).items():
            if key not in self._parameters:
                raise UsageError(f"{NAME} has no parameter '{key}': {nearest(key, self._parameters)}")
            self._parameters[key] = given

    def initialize(self) -> None:
        """Set up what the parameters say.

        Raises
        ------
        UsageError
            No skims, another number of names than of codes, or an activation that is not two numbers.
        """
        given = self._parameters
        codes, names = [int(code) for code in given["skimCodes"]], [str(name) for name in given["skimNames"]]
        if not codes or len(codes) != len(names):
            raise UsageError(f"{NAME}: {len(codes)} skimCodes and {len(names)} skimNames, expected one name per code")
        activation = given["activationOverrideParams"]
        if given["overrideActivation"] and len(activation) != 2:
            raise UsageError(f"{NAME}: activationOverrideParams are two numbers (a, b), got {activation}")
        name = self.name()
        SmartBackground.__init__(
            self,
            [WantedSkim(skim, code) for skim, code in zip(names, codes, strict=True)],
            payload_source(str(given["payloadWeights"]), None),
            ConfigSource(str(given["payloadConfig"]), None),
            event_type=str(given["eventType"]) if given["overrideEventType"] else None,
            activation_params=(float(activation[0]), float(activation[1])) if given["overrideActivation"] else None,
            debug_mode=bool(given["debugMode"]),
        )
        self.set_name(name)
        super().initialize()


def is_known_to_release() -> bool:
    """Whether the release has the C++ module: it lies in basf2's list of modules, which asks for no instance."""
    return NAME in dict(import_basf2().list_available_modules())


def answer_to_name() -> bool:
    """Let ``basf2.register_module("SmartBackground")`` give `NamedSmartBackground`, unless the release has the module.

    Returns
    -------
    True = it does from now on; False = the release has its own.
    """
    if is_known_to_release():
        return False
    core = import_basf2("basf2.core") if Path(str(import_basf2().__file__)).name == "__init__.py" else import_basf2()
    original: Callable[..., Any] = core.register_module
    if getattr(original, "answers_to", None) == NAME:
        return True

    def register_module(name_or_module: Any, *arguments: Any, **parameters: Any) -> Any:
        return original(NamedSmartBackground() if name_or_module == NAME else name_or_module, *arguments, **parameters)

    register_module.__doc__ = original.__doc__
    register_module.answers_to = NAME  # type: ignore[attr-defined]
    # Path.add_module looks the function up in the module that defines it; steering files in basf2
    core.register_module = register_module
    import_basf2().register_module = register_module
    return True


__all__ = ["NAME", "PARAMETERS", "NamedSmartBackground", "answer_to_name", "is_known_to_release"]
