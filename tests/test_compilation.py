"""Which sources belong to a kernel's machine code."""

from __future__ import annotations

from pathlib import Path

from smartbkg.compilation import imported_sources
from smartbkg.networks.gatgap import gradients as gat_gradients


def test_sources_of_a_kernel_are_those_it_imports_directly_or_not() -> None:
    names = {f"{path.parent.name}/{path.name}" for path in imported_sources(Path(str(gat_gradients.__file__)))}
    assert {"gatgap/gradients.py", "gatgap/kernels.py", "kernels/matrix.py", "kernels/vector.py"} <= names
    assert "gatgap/runtime.py" not in names
