"""Run the benchmarks: each module ``bench_<name>.py`` has a function ``main()`` that prints its table."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))

#: Take about an hour and have options of their own: run them by themselves.
LONG = ("few_events", "policies", "quality", "surrogate_labels", "surrogate_skims")


def main(wanted: list[str]) -> int:
    """Run the wanted benchmarks, all but the long ones if none is named."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted or [name for name in NAMES if name not in LONG]:
        print(f"\n== {name} ==", flush=True)
        importlib.import_module(f"benchmarks.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
