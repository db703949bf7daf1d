"""Run the blocks of a tutorial as they stand, and put what they print, and the pictures they draw, into the page.

    python scripts/run_tutorial.py docs/tutorials/belle2.md FOLDER

Blocks ``bash`` and ``python`` run in their order in FOLDER; python blocks that follow one another share their names,
and show their last expression as a notebook does. A block ``text`` behind a line ``<!-- output -->`` is what the block
above printed. A picture of ``../assets/tutorials/`` is the file of that name in FOLDER; one called
``...-report.png`` is how Chromium shows FOLDER/report.html. Tests run the same blocks with smaller numbers.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(
    r"^```(bash|python)\n(.*?)^```\n(?P<output>\n<!-- output -->\n(?:```text\n.*?^```\n)?)?",
    re.DOTALL | re.MULTILINE,
)
_PICTURE = re.compile(r"\]\(\.\./assets/tutorials/([\w.-]+)\)")
_END = "=== end of a block ==="
#: Lines that come every ten seconds where a verb takes so long: not on every machine.
_PROGRESS = re.compile(r"^[\w ]+: [\d,]+ of [\d,]+ events \(\d+%\).*\n", re.MULTILINE)


class Block(NamedTuple):
    """A block of a page."""

    language: str
    """``bash`` or ``python``."""
    text: str
    """What runs."""
    shows_output: bool
    """Whether what it printed stands below it."""


def blocks_of(page: Path, smaller: Mapping[str, str] | None = None) -> list[Block]:
    """The blocks of a page; ``smaller`` are texts in them and what stands in their place in a test."""
    found = [Block(match[1], match[2], match["output"] is not None) for match in _BLOCK.finditer(page.read_text())]
    for text, other in (smaller or {}).items():
        if not any(text in block.text for block in found):
            raise ValueError(f"{page}: no block holds '{text}'")
        found = [block._replace(text=block.text.replace(text, other)) for block in found]
    return found


def run_blocks(blocks: Sequence[Block], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """What each block printed, to both streams; stops at one that fails.

    Raises
    ------
    RuntimeError
        A block ended with another code than 0: says which, and what it printed.
    """
    printed: list[str] = []
    while len(printed) < len(blocks):
        waiting = blocks[len(printed) :]
        n_together = 1
        if waiting[0].language == "python":
            n_together = next((k for k, block in enumerate(waiting) if block.language != "python"), len(waiting))
        together = waiting[:n_together]
        if together[0].language == "bash":
            command = ["bash", "-euo", "pipefail", "-c", together[0].text]
        else:
            command = [shutil.which("python", path=environment["PATH"]) or sys.executable, "-c", _as_notebook(together)]
        ended = subprocess.run(
            command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        if ended.returncode != 0:
            raise RuntimeError(f"{together[0].text}\nended with code {ended.returncode}:\n{ended.stdout}")
        parts = ended.stdout.split(_END + "\n") if together[0].language == "python" else [ended.stdout, ""]
        printed += [part.strip("\n") for part in parts[:n_together]]
    return printed


def _as_notebook(blocks: Sequence[Block]) -> str:
    """One program of several blocks, each of which prints the value of its last expression."""
    lines = []
    for block in blocks:
        *before, last = ast.parse(block.text).body
        lines += [ast.unparse(statement) for statement in before]
        text = ast.unparse(last)
        is_shown = isinstance(last, ast.Expr) and not text.startswith("print(")
        lines += [f"print(repr({text}))" if is_shown else text, f"print({_END!r}, flush=True)"]
    return "\n".join(lines)


def environment_of(folder: Path) -> dict[str, str]:
    """An environment in which ``smartbkg`` and ``python`` are those that run this, by scripts in a new folder."""
    folder.mkdir()
    for name, command in (("smartbkg", f"'{sys.executable}' -m smartbkg"), ("python", f"'{sys.executable}'")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    return os.environ | {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(REPOSITORY / "src")),
        "COLUMNS": "110",
        "NO_COLOR": "1",
    }


def write_outputs(page: Path, printed: Sequence[str], folder: Path) -> None:
    """Put what was printed, and the pictures, into the page and its folder of pictures."""
    outputs = iter(printed)

    def with_output(match: re.Match[str]) -> str:
        text = _PROGRESS.sub("", next(outputs).replace(str(folder.resolve()) + "/", "")).rstrip()
        block = f"```{match[1]}\n{match[2]}```\n"
        if match["output"] is None:
            return block
        return f"{block}\n<!-- output -->\n" + (f"```text\n{text}\n```\n" if text else "")

    page.write_text(_BLOCK.sub(with_output, page.read_text()))
    pictures = page.parent.parent / "assets" / "tutorials"
    pictures.mkdir(parents=True, exist_ok=True)
    for name in _PICTURE.findall(page.read_text()):
        if name.endswith("-report.png"):
            subprocess.run(
                ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,1250",
                 f"--screenshot={pictures / name}", (folder / "report.html").resolve().as_uri()],
                check=True, capture_output=True,
            )  # fmt: skip
        elif (folder / name).is_file():
            shutil.copy(folder / name, pictures / name)


def main() -> None:
    """Run a page and write its outputs into it."""
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "examples" / "tutorials", folder, dirs_exist_ok=True)
    write_outputs(page, run_blocks(blocks_of(page), folder, environment_of(folder / "bin")), folder)


if __name__ == "__main__":
    main()
