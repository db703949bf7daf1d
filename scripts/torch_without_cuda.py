"""Let torch 2.2.2 from PyPI run without CUDA: `python scripts/torch_without_cuda.py ENVIRONMENT`.

PyPI has that torch for Linux with CUDA alone: importing it loads eight libraries of 1.8 GB that the processor never
calls. They are replaced by empty ones, with functions of the same names that report an error. Needs gcc and binutils;
torch is installed by `pip install --no-deps`, with the three small CUDA packages of the Makefile beside it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

#: Library → what its functions begin with. Their symbols carry the library's name as version, but for the last two.
LIBRARIES = {
    "libcublas.so.12": "cublas", "libcublasLt.so.12": "cublasLt", "libcudnn.so.8": "cudnn", "libcufft.so.11": "cufft",
    "libcusolver.so.11": "cusolver", "libcusparse.so.12": "cusparse", "libcurand.so.10": "curand",
    "libnccl.so.2": "nccl",
}  # fmt: skip
WITHOUT_VERSIONS = ("libcurand.so.10", "libnccl.so.2")


def wanted_functions(folder: Path) -> dict[str, set[str]]:
    """Library → functions of it that torch's libraries ask for when they are loaded."""
    wanted: dict[str, set[str]] = {library: set() for library in LIBRARIES}
    for path in folder.glob("lib*.so"):
        listed = subprocess.run(
            ["nm", "--dynamic", "--undefined-only", str(path)], capture_output=True, text=True, check=True
        )
        for line in listed.stdout.splitlines():
            name, _, version = line.split()[-1].partition("@")
            if version in wanted:
                wanted[version].add(name)
                continue
            for library in WITHOUT_VERSIONS:
                start = LIBRARIES[library]
                if not version and name.startswith(start) and name[len(start) :][:1].isupper():
                    wanted[library].add(name)
    return wanted


def write_library(path: Path, functions: set[str]) -> None:
    """A library of functions that return 1: an error, by CUDA's convention."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, versions = Path(folder) / "empty.c", Path(folder) / "empty.map"
        source.write_text("".join(f"int {name}(void) {{ return 1; }}\n" for name in sorted(functions)))
        versions.write_text(f"{path.name} {{ global: *; }};\n")
        options = [] if path.name in WITHOUT_VERSIONS else [f"-Wl,--version-script={versions}"]
        command = ["gcc", "-w", "-shared", "-fPIC", str(source), f"-Wl,-soname,{path.name}", *options, "-o", str(path)]
        subprocess.run(command, check=True)


def main(environment: str) -> None:
    """Write the libraries that are absent where torch looks for them."""
    for torch in Path(environment).resolve().glob("lib/python3*/site-packages/torch/lib"):
        if not (torch / "libtorch_cuda.so").is_file():
            continue
        for library, functions in wanted_functions(torch).items():
            package = LIBRARIES[library].removesuffix("Lt")
            path = torch.parents[1] / "nvidia" / package / "lib" / library
            if not path.exists():
                write_library(path, functions)
                print(f"{library}: {len(functions)} empty functions")


if __name__ == "__main__":
    main(sys.argv[1])
