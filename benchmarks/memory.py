"""Peak memory of this process."""

from __future__ import annotations

from pathlib import Path


def peak_memory() -> float:
    """Largest resident memory so far, in MB (2²⁰ bytes), from the kernel's record of this program's own memory.

    ``getrusage`` is no good here: a process that was started by a larger one begins with the peak of that one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this needs Linux")
