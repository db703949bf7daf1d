"""Hooks of the documentation's build: formulas as MathML, and the configuration's reference from its schema.

mkdocs calls the functions by their names (https://www.mkdocs.org/user-guide/configuration/#hooks). Formulas are
written as GitHub shows them, ``$`x`$`` in a line and a fence ``math`` for a line of its own; browsers draw MathML
themselves, so that the pages load nothing from elsewhere.
"""

from __future__ import annotations

import re
from typing import Any, Final

from latex2mathml.converter import convert
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_CONFIGURATION_PAGE: Final = "reference/configuration.md"
_MARK: Final = "<!-- the table of the configuration stands here -->"
_FENCE: Final = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"\$`([^`]+)`\$")


def on_page_markdown(markdown: str, page: Any, **_further: Any) -> str:
    """Formulas become MathML; the page of the configuration gets its tables."""
    markdown = _FENCE.sub(lambda found: f"\n{convert(found[1], display='block')}\n", markdown)
    markdown = _INLINE.sub(lambda found: convert(found[1]), markdown)
    if page.file.src_uri == _CONFIGURATION_PAGE:
        markdown = markdown.replace(_MARK, configuration_tables())
    return markdown


def configuration_tables() -> str:
    """One Markdown table per section of the training configuration: key, type, default, meaning."""
    from smartbkg.training.config import TrainingConfig

    parts = []
    for name, section in TrainingConfig.model_fields.items():
        annotation = section.annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            parts += [f"## `{name}`", "", _sentence(section.description), ""]
            continue
        parts += [
            f"## `{name}`",
            "",
            _sentence(annotation.__doc__),
            "",
            "| key | type | default | meaning |",
            "|---|---|---|---|",
        ]
        parts += [_row(f"{name}.{key}", field) for key, field in annotation.model_fields.items()] + [""]
    return "\n".join(parts)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _row(key: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    kind = (
        getattr(field.annotation, "__name__", str(field.annotation))
        if not _is_generic(field)
        else str(field.annotation)
    )
    cells = (f"`{key}`", f"`{_plain(kind)}`", f"`{default!r}`", _sentence(field.description))
    return "| " + " | ".join(cell.replace(" | ", " or ") for cell in cells) + " |"


def _is_generic(field: FieldInfo) -> bool:
    return bool(getattr(field.annotation, "__args__", ()))


def _plain(kind: str) -> str:
    return kind.replace("typing.", "").replace("pathlib.", "")
