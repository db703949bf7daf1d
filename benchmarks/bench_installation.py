"""What an installation costs: megabytes and import seconds of each extra, and CPU seconds of every verb's help.

Sizes are of the files that the installed distributions list, with what they need and the core does not; libraries that
extras share count in each. Bytecode counts where pip has compiled it. CPU seconds are the least of five processes.

Run: python -m benchmarks installation, in an environment with the extras.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from typing import Final

from packaging.requirements import Requirement

from smartbkg.cli import VERBS

#: What a verb of the extra imports.
IMPORTS: Final = {
    "train": "torch, sklearn.metrics, hep_ml.reweight",
    "report": "matplotlib.pyplot, mplhep, hist, jinja2, sklearn.metrics",
    "generate": "pythia8mc",
    "onnx": "onnx, onnxruntime",
    "basf2": "pandas, tables",
    "cluster": "distributed, dask_jobqueue",
    "tensorboard": "torch.utils.tensorboard",
}
N_TIMES: Final = 5


def closure(requirements: list[str], extra: str) -> set[str]:
    """Names of the installed distributions that some requirements bring."""
    found: set[str] = set()
    waiting = [(Requirement(text), extra) for text in requirements]
    while waiting:
        requirement, asked = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": asked})
        if not applies or name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [(Requirement(text), extra) for text in distribution.requires or () for extra in requirement.extras]
        waiting += [(Requirement(text), "") for text in distribution.requires or ()]
    return found


def megabytes(names: set[str]) -> float:
    """Of the files of some distributions."""
    total = 0
    for name in names:
        for file in metadata.files(name) or ():
            path = file.locate()
            total += path.stat().st_size if path.is_file() else 0  # type: ignore[attr-defined]
    return total / 1e6


def cpu_seconds(program: str, *arguments: str) -> float:
    """Least CPU seconds of a process that runs a program."""
    command = [sys.executable, "-c", f"import time\n{program}\nprint(time.process_time())", *arguments]
    seconds = []
    for _ in range(N_TIMES):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return float("nan")
        seconds.append(float(done.stdout.split()[-1]))
    return min(seconds)


def main() -> None:
    """Print both tables."""
    requirements = metadata.requires("smartbkg") or []
    core = closure(requirements, "")
    print(f"{'extra':12s} {'adds, MB':>9s} {'import, CPU s':>14s}")
    print(f"{'(core)':12s} {megabytes(core | {'smartbkg'}):9.0f}")
    for extra, modules in IMPORTS.items():
        added = closure(requirements, extra) - core
        print(f"{extra:12s} {megabytes(added):9.0f} {cpu_seconds(f'import {modules}'):14.2f}")
    print(f"\n{'verb':12s} {'--help, CPU s':>14s}")
    program = "from smartbkg.cli import main\nimport sys\ntry: main(sys.argv[1:])\nexcept SystemExit: pass"
    for verb in VERBS:
        print(f"{verb:12s} {cpu_seconds(program, verb, '--help'):14.3f}")


if __name__ == "__main__":
    main()
