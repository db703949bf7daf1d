"""Draw the storeys of the package as docs/developers/architecture.svg, from the list that tests/test_layers.py checks.

python scripts/draw_architecture.py            # writes the picture
python scripts/draw_architecture.py --check    # says whether it is up to date
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from xml.sax.saxutils import escape

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURE = REPOSITORY / "docs" / "developers" / "architecture.svg"
#: Loose files and shims that would only crowd the picture.
LEFT_OUT = {"_version", "__main__", "NN_filter_module", "basf2_shim"}
MEANING = {
    "errors": "what a user can mend",
    "seeds": "streams of random numbers",
    "compilation": "kernels and their cache",
    "lazy": "imports when needed",
    "storage": "whole files, provenance, kinds",
    "events": "batch, columns, identity",
    "scores": "calibration, metrics",
    "io": "formats in and out",
    "graphs": "decay graphs",
    "sampling": "policy, draw, weight",
    "conditions": "payloads and tags",
    "networks": "models and kernels",
    "filtering": "events to kept events",
    "datasets": "flags and labels",
    "closure": "is it unbiased?",
    "inspection": "info, show, doctor",
    "surrogate": "fast simulation in the filter",
    "training": "from data to a model",
    "plots": "figures",
    "b2modules": "inside basf2",
    "evaluation": "how good is a model?",
    "experiment": "generator, detector, skims",
    "campaign": "production in jobs",
    "tools": "for developers",
    "demo": "the whole job, small",
    "cli": "one file per verb",
}
WIDTH, BOX, HEIGHT, GAP = 1000, 168, 46, 14


def storeys() -> list[list[str]]:
    """Packages of each storey, the ground first."""
    tree = ast.parse((REPOSITORY / "tests" / "test_layers.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "STOREYS":
            found = [sorted(names - LEFT_OUT) for names in ast.literal_eval(node.value)]
            return [names for names in found if names]
    raise SystemExit("tests/test_layers.py: no list STOREYS")


def drawing() -> str:
    """The picture as SVG: the command line on top, arrows of imports point downwards."""
    rows = storeys()[::-1]
    height = len(rows) * (HEIGHT + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif">',
        "<title>Storeys of smartbkg: each package imports from those below it</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    for number, names in enumerate(rows):
        top = GAP + number * (HEIGHT + GAP)
        lines.append(f'<rect x="8" y="{top - 5}" width="{WIDTH - 16}" height="{HEIGHT + 10}" rx="6" fill="#eef1fb"/>')
        lines.append(f'<text x="22" y="{top + 28}" font-size="14" fill="#5c6bc0">{len(rows) - 1 - number}</text>')
        box = min(BOX, (WIDTH - 60 - 8 * len(names)) / len(names))
        left = 44 + (WIDTH - 60 - len(names) * (box + 8)) / 2
        for place, name in enumerate(names):
            x = left + place * (box + 8)
            lines += [
                f'<rect x="{x:.1f}" y="{top}" width="{box:.1f}" height="{HEIGHT}" rx="5" fill="#3f51b5"/>',
                f'<text x="{x + box / 2:.1f}" y="{top + 20}" font-size="15" font-weight="600" fill="#ffffff" '
                f'text-anchor="middle">{escape(name)}</text>',
                f'<text x="{x + box / 2:.1f}" y="{top + 37}" font-size="11" fill="#dfe3fa" '
                f'text-anchor="middle">{escape(MEANING.get(name, ""))}</text>',
            ]
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Write the picture, or with ``--check`` compare it."""
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PICTURE.is_file() and PICTURE.read_text() == drawing() else f"{PICTURE}: out of date")
    PICTURE.write_text(drawing())


if __name__ == "__main__":
    main()
