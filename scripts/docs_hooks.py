"""Hooks of the documentation's build: formulas as MathML, the configuration's reference, the table of the verbs.

mkdocs calls the functions by their names (https://www.mkdocs.org/user-guide/configuration/#hooks). Formulas are
written as GitHub shows them, ``$`x`$`` in a line and a fence ``math`` for a line of its own; browsers draw MathML
themselves, so that the pages load nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import click
from latex2mathml.converter import convert
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_CONFIGURATION_PAGE: Final = "reference/configuration.md"
_MARK: Final = "<!-- the table of the configuration stands here -->"
_COMMAND_PAGE: Final = "reference/command-line.md"
_COMMAND_MARK: Final = "<!-- the table of the verbs stands here -->"
_FENCE: Final = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"\$`([^`]+)`\$")


def on_page_markdown(markdown: str, page: Any, **_further: Any) -> str:
    """Formulas become MathML; the pages of the configuration and of the command line get their tables."""
    markdown = _FENCE.sub(lambda found: f"\n{convert(found[1], display='block')}\n", markdown)
    markdown = _INLINE.sub(lambda found: convert(found[1]), markdown)
    if page.file.src_uri == _CONFIGURATION_PAGE:
        markdown = markdown.replace(_MARK, configuration_tables())
    if page.file.src_uri == _COMMAND_PAGE:
        markdown = markdown.replace(_COMMAND_MARK, command_table())
    return markdown


def command_table() -> str:
    """One row per verb: what ``--output`` writes, keys of ``--json``, what its progress counts, exit codes, example."""
    from smartbkg.cli import command_line
    from smartbkg.cli.examples import EXAMPLES
    from smartbkg.cli.json_keys import JSON_KEYS, NO_JSON
    from smartbkg.cli.outputs import EventsFile, OutputFile
    from smartbkg.cli.progress import COUNTED

    rows = ["| verb | `-o` writes | keys of `--json` | progress | exit codes | example |", "|---|---|---|---|---|---|"]
    for name, command in _verbs(command_line):
        options = {option: parameter for parameter in command.params for option in parameter.opts}
        output = options["--output"].type if "--output" in options else None
        written = ""
        if isinstance(output, OutputFile):
            suffixes = "any suffix of an event format, `-`" if isinstance(output, EventsFile) else _listed(output.valid)
            written = output.content + (f": {suffixes}" if suffixes else "")
        told = re.search(r"[^.?;]*[Ee]xit code [^.]*\.", _sentence(command.help))
        codes = "0, 1, 2, 130" + (f". {told[0].strip()}" if told else "")
        keys = _listed(JSON_KEYS[name]) if name in JSON_KEYS else f"no: {NO_JSON[name]}"
        example = EXAMPLES[name][0].replace("|", "\\|")
        rows.append(f"| `{name}` | {written} | {keys} | {COUNTED.get(name, '')} | {codes} | `{example}` |")
    return "\n".join(rows)


def _verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None:
            yield from _verbs(found, (*path, name))


def _listed(suffixes: tuple[str, ...]) -> str:
    return ", ".join(f"`{suffix}`" for suffix in suffixes)


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
