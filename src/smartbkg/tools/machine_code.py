"""Machine code for an installation, ahead of time: `python -m smartbkg.tools.machine_code [--output FOLDER]`.

For each level of processor (`smartbkg.compilation.processor`) every kernel is compiled for the types of arguments with
which `smartbkg.tools.warm_up` calls it, and put where the package looks first. It fits one version of Python, numba and
this package; what does not fit is compiled at its first use, as without it. Wheels are built with it, and who installs
the package for others (a release on CVMFS, an image) runs it once after the installation.
"""

from __future__ import annotations

import importlib
import os
import pickle
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from smartbkg.compilation.cache import MADE_FOR, SHIPPED, build_into, versions
from smartbkg.compilation.kernels import KERNELS
from smartbkg.compilation.processor import LEVELS, Level, levels_of_this_machine
from smartbkg.compilation.store import SUFFIX
from smartbkg.errors import SmartBKGError, UsageError, nearest
from smartbkg.tools.warm_up import PARTS, warm_up

#: Parts whose libraries every installation has.
CORE_PARTS: Final = ("readers", "network")


class Build(NamedTuple):
    """What was made."""

    folder: Path
    levels: tuple[str, ...]
    n_kernels: int
    """Kernels and types of arguments, of each level."""
    n_bytes: int


def make_machine_code(
    folder: Path = SHIPPED, *, levels: Sequence[str] | None = None, parts: Sequence[str] = tuple(PARTS)
) -> Build:
    """Compile every kernel for some levels of processor.

    Each level is compiled in a process of its own, which runs none of the code; those that can run here are then loaded
    in another one, where nothing may be missing.

    Parameters
    ----------
    folder : where a folder for each level is made; by default in the package itself.
    levels : names of `LEVELS`; all those of this machine's architecture where not given.
    parts : names of `smartbkg.tools.warm_up.PARTS`.

    Raises
    ------
    UsageError
        There is no such level or part, or a level of another architecture.
    SmartBKGError
        The compiler failed, or what it made cannot be loaded.
    """
    chosen = _levels(levels)
    warm_up(parts)
    signatures = [
        (kernel.py_func.__module__, kernel.py_func.__name__, types) for kernel in KERNELS for types in kernel.signatures
    ]
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        file.write(pickle.dumps(signatures))
        file.flush()
        for level in chosen:
            _run("make", level, folder, Path(file.name))
            (folder / level.name / MADE_FOR).write_text(versions() + "\n")
            if level in levels_of_this_machine():
                _run("load", level, folder, Path(file.name))
    n_bytes = sum(path.stat().st_size for level in chosen for path in (folder / level.name).glob(f"*{SUFFIX}"))
    return Build(folder, tuple(level.name for level in chosen), len(signatures), n_bytes)


def _levels(names: Sequence[str] | None) -> list[Level]:
    of_machine = [level for level in LEVELS if level.machine == platform.machine()]
    if names is None:
        return of_machine
    by_name = {level.name: level for level in of_machine}
    for name in names:
        if name not in by_name:
            raise UsageError(f"no level '{name}' can be made here: {nearest(name, by_name)}")
    return [by_name[name] for name in names]


def _run(what: str, level: Level, folder: Path, signatures: Path) -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": level.cpu, "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-m", "smartbkg.tools.machine_code", f"--{what}", level.name, "--output", str(folder)]
    done = subprocess.run([*command, str(signatures)], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise SmartBKGError(f"{level.name}: cannot {what} the kernels: {last[0]}")


def _kernel_of(module: str, name: str) -> Any:
    importlib.import_module(module)
    kernels = {(kernel.py_func.__module__, kernel.py_func.__name__): kernel for kernel in KERNELS}
    return kernels[module, name]


def _make(signatures: Sequence[tuple[str, str, Any]]) -> None:
    for module, name, argument_types in signatures:
        _kernel_of(module, name).compile(argument_types)


def _load(signatures: Sequence[tuple[str, str, Any]]) -> None:
    for module, name, argument_types in signatures:
        kernel = _kernel_of(module, name)
        if kernel._cache.load_kept(argument_types, kernel.targetctx) is None:
            raise SmartBKGError(f"{module}.{name}: what was made is not found")


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=SHIPPED, help="Folder; default: in the package.")
@click.option("--level", "levels", multiple=True, help="Level of processor, as x86-64-v3 (repeat). Default: all.")
@click.option("--part", "parts", multiple=True, help="Part, as network (repeat). Default: all.")
@click.option("--make", "made_level", hidden=True)
@click.option("--load", "loaded_level", hidden=True)
@click.argument("signatures", required=False, type=click.Path(path_type=Path), metavar="")
def command(
    output: Path,
    levels: tuple[str, ...],
    parts: tuple[str, ...],
    made_level: str | None,
    loaded_level: str | None,
    signatures: Path | None,
) -> None:
    """Compile the kernels for other machines than this one, too."""
    level = made_level or loaded_level
    if level is not None and signatures is not None:
        build_into(output, next(known for known in LEVELS if known.name == level))
        work = _make if made_level else _load
        work(pickle.loads(signatures.read_bytes()))
        return
    build = make_machine_code(output, levels=levels or None, parts=parts or tuple(PARTS))
    click.echo(
        f"{build.n_kernels} kernels for {', '.join(build.levels)}: {build.n_bytes / 1e6:.1f} MB in {build.folder}"
    )


if __name__ == "__main__":
    try:
        command()
    except SmartBKGError as error:
        raise SystemExit(f"error: {error}") from error
