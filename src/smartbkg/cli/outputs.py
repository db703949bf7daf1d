"""What the verbs write: each option that names an output says what is in it, and refuses a name that says otherwise.

The check is made while the command line is parsed, before anything is read, computed or written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from smartbkg.errors import UsageError
from smartbkg.storage import suffixes
from smartbkg.storage.atomic import STANDARD
from smartbkg.storage.suffixes import require_suffix


class OutputFile(click.Path):
    """A file to write, whose suffix must fit its content.

    Parameters
    ----------
    content : what is written, as in "a model".
    valid : its suffixes; any name is right where there is none.
    is_standard_valid : whether ``-`` means standard output.
    """

    def __init__(self, content: str, valid: Sequence[str] = (), *, is_standard_valid: bool = False) -> None:
        super().__init__(path_type=Path)
        self.content = content
        self.valid = tuple(valid)
        self.is_standard_valid = is_standard_valid

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # click's signature
        """The path, or `smartbkg.errors.UsageError` in one line."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        self.check(path)
        return path

    def check(self, path: Path) -> None:
        """Refuse a name that does not fit the content."""
        if str(path) == STANDARD and not self.is_standard_valid:
            raise UsageError(f"-: {self.content} does not go to standard output: name a file")
        if str(path) != STANDARD:
            require_suffix(path, self.valid, self.content)


class EventsFile(OutputFile):
    """A file of events to write: any format that is written, or ``-`` for HepMC3 on standard output."""

    def __init__(self) -> None:
        super().__init__("a file of events", (".parquet", ".hepmc3", ".root"))

    def check(self, path: Path) -> None:
        """Refuse a name under which no format of events is written."""
        from smartbkg.io.formats import require_writable

        require_writable(path)


class OutputFolder(OutputFile):
    """A folder to write."""

    def __init__(self) -> None:
        super().__init__("a folder")


EVENTS = EventsFile()
FOLDER = OutputFolder()
MODEL = OutputFile("a model", suffixes.MODEL)
TABLE = OutputFile("a Parquet table", suffixes.TABLE)
GENERATED = OutputFile("Parquet, of which `smartbkg convert` makes HepMC3,", suffixes.TABLE)
NTUPLE = OutputFile("a ROOT n-tuple", suffixes.NTUPLE)
PAGE = OutputFile("an HTML page", suffixes.PAGE)
JSON = OutputFile("JSON", suffixes.JSON)
JSON_OR_STANDARD = OutputFile("JSON", suffixes.JSON, is_standard_valid=True)
YAML = OutputFile("YAML", suffixes.YAML)
ONNX = OutputFile("an ONNX model", suffixes.ONNX)
DRAWING = OutputFile("a drawing", suffixes.DRAWING)
PICTURE = OutputFile("a picture", suffixes.PICTURE)
#: What another option decides: the verb itself calls `OutputFile.check`.
TABLE_OR_PAGE = OutputFile("a Parquet table or an HTML page", (*suffixes.TABLE, *suffixes.PAGE))
MODEL_OR_TABLE = OutputFile("a model or a Parquet table", (*suffixes.MODEL, *suffixes.TABLE))
MODEL_OF_ANY_KIND = OutputFile("a model", (*suffixes.MODEL, ".pth"))
#: A copy of a payload, whatever that is.
COPY = OutputFile("a copy of the payload")
