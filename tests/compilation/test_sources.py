"""Which sources belong to a kernel's machine code."""

from __future__ import annotations

from pathlib import Path

from smartbkg.compilation.sources import imported_sources
from smartbkg.networks.gatgap import gradients


def test_sources_of_a_kernel_are_those_it_imports_directly_or_not() -> None:
    names = {"/".join(path.parts[-2:]) for path in imported_sources(Path(str(gradients.__file__)))}
    assert {"gatgap/gradients.py", "gatgap/kernels.py", "kernels/matrix.py", "kernels/vector.py"} <= names
    assert "gatgap/runtime.py" not in names
