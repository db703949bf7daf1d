"""The storeys of the house: a module imports from its own package and from those below it, also inside functions."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "smartbkg"
STOREYS = [
    {"_version", "errors"},
    {"seeds", "compilation", "optional", "plug_ins"},
    {"storage"},
    {"events", "scores"},
    {"io", "graphs", "sampling", "conditions"},
    {"surrogate"},
    {"networks", "filtering", "datasets", "closure", "inspection"},
    {"training", "plots", "b2modules"},
    {"evaluation", "experiment", "NN_filter_module", "basf2_shim"},
    {"tools", "campaign", "verbs"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(STOREYS) for name in names}


def imports(path: Path) -> set[str]:
    """Packages of smartbkg that a file imports from, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("smartbkg."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("smartbkg.")}
    return found


def test_a_module_imports_from_below_alone() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own == "__init__" or own == "basf2_shim":
            continue
        wrong += [
            f"{path.relative_to(PACKAGE)} -> {other}"
            for other in imports(path)
            if other != own and LEVEL[other] >= LEVEL[own]
        ]
    assert wrong == []
