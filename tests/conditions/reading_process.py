"""A batch job of the tests: resolves the payload of its run again and again, and reports what it has seen as JSON.

Arguments: place, run, file that ends the job when it appears, file to make after the first read. Revision r holds from
run 10·r on.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from conditions.payload_files import revision_in

from smartbkg.conditions import find_payload
from smartbkg.conditions.transport import HttpOptions

place, run, stop, ready = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
seen: list[int] = []
problems: list[str] = []
n_reads = 0
while True:
    is_last = stop.exists()
    found = find_payload("Farm", "model", 0, run, places=[place], options=HttpOptions(timeout=10, n_retries=12))
    n_reads += 1
    revision = revision_in(found.path)
    if revision != found.payload.revision or not 10 * revision <= run:
        problems.append(f"run {run} got revision {revision}, announced as {found.payload.revision}")
    if not seen or seen[-1] != revision:
        seen.append(revision)
    ready.touch()
    if is_last:
        break
    time.sleep(0.01)
print(json.dumps({"run": run, "seen": seen, "n_reads": n_reads, "problems": problems}))
