"""Docstrings for mkdocstrings: what stands behind ``name :`` is a description, types are in the signature."""

from __future__ import annotations

from typing import Any

import griffe

_SECTIONS = (griffe.DocstringSectionParameters, griffe.DocstringSectionAttributes, griffe.DocstringSectionReturns)


class HouseStyle(griffe.Extension):
    """Joins what the numpydoc parser takes for a type to the description, and takes the type from the signature."""

    def on_object(self, *, obj: griffe.Object, **_further: Any) -> None:
        """Called for each object that was loaded (https://mkdocstrings.github.io/griffe/guide/users/extending/)."""
        if obj.docstring is None:
            return
        types = {parameter.name: parameter.annotation for parameter in getattr(obj, "parameters", ())}
        for section in obj.docstring.parsed:
            if isinstance(section, _SECTIONS):
                for item in section.value:
                    _join(item, types)


def _join(item: Any, types: dict[str, Any]) -> None:
    signature = types.get(item.name)
    if item.annotation is not None and item.annotation is not signature and str(item.annotation) != str(signature):
        item.description = " ".join(f"{item.annotation} {item.description}".split())
        item.annotation = signature
