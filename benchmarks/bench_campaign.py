"""Records of 10⁵ chunks: CPU time, memory and opened files of `status`, `report` and the ledger of `merge`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from smartbkg.campaign.campaign import open_campaign
from smartbkg.campaign.chunk.observation import N_BINS, VARIABLES, ClosureSums, ScoreSums
from smartbkg.campaign.chunk.record import as_bytes, skim_sums
from smartbkg.campaign.config import parse_campaign
from smartbkg.events.totals import Totals
from smartbkg.scores.histogram import N_SCORE_BINS
from smartbkg.storage.configuration import as_yaml
from smartbkg.storage.provenance import digest_of

N_CHUNKS, N_EVENTS = int(os.environ.get("SMARTBKG_BENCH_CHUNKS", "100000")), 10_000
#: Records that differ in more than their numbers.
N_DISTINCT = 500
_STATUS = "from smartbkg.campaign.watch.monitor import watched_status; watched_status(campaign)"
_READERS = {
    "first status, no packs": _STATUS,
    "status": _STATUS,
    "report": (
        "from smartbkg.campaign.status import read_status; from smartbkg.campaign.report import report_lines; "
        "report_lines(campaign, read_status(campaign))"
    ),
    "merge, ledger and files": (
        "from smartbkg.campaign.chunk_files import chunk_files; from smartbkg.campaign.merge import ledger_of; "
        "from smartbkg.campaign.status import read_status; status = read_status(campaign); "
        "ledger_of(campaign, status.is_done, status).totals; "
        "n_files = sum(len(one.files) for one in chunk_files(campaign, status.is_done))"
    ),
}


def simulated_record(random: np.random.Generator, index: int, identity: str) -> dict[str, object]:
    """A record as a chunk of `N_EVENTS` events would have it: a quarter kept, sums scattered rightly."""
    n_kept = int(random.binomial(N_EVENTS, 0.25))
    q = random.uniform(0.1, 0.9, 200)
    weight = np.full(n_kept, N_EVENTS / n_kept)
    totals = Totals.of(np.ones(N_EVENTS), weight).with_cross_section(555.0)
    all_weight = np.full((len(VARIABLES), N_BINS), N_EVENTS / N_BINS)
    variance = all_weight * 3.0
    closure = ClosureSums(all_weight, random.normal(0, np.sqrt(variance)), variance)
    shape = np.exp(-0.3 * np.arange(N_SCORE_BINS))
    counts = random.multinomial(N_EVENTS, shape / shape.sum()).astype(float)
    score = ((np.arange(N_SCORE_BINS) + 0.5) / N_SCORE_BINS) ** 2
    kept = random.binomial(counts.astype(int), 0.25).astype(float)
    passed = random.binomial(kept.astype(int), score).astype(float)
    scores = ScoreSums(counts, kept, kept * score, passed, kept * score * (1 - score))
    return {
        "chunk": index, "attempt": "0badcafe", "identity": identity, "policy": "0" * 16, "package_version": "0.1.0",
        "process": "mixed", "run": 1, "first_event": 1 + index * N_EVENTS, "totals": totals.to_dict(),
        "skims": {"feiHadronicB0": skim_sums(weight[:200], q, random.random(200) < 0.3)},
        "draw": {
            "variance": 3.0 * N_EVENTS, "sum_keep_probability": 0.25 * N_EVENTS, "count_variance": 0.2 * N_EVENTS,
            "largest": 25.0,
        },
        "particles": 45 * N_EVENTS, "unknown_codes": 0, "closure": closure.encoded(),
        "scores": {"feiHadronicB0": scores.encoded()},
        "files": {"kept": {"name": "kept.parquet", "bytes": 3_000_000, "sha256": "0" * 64}},
        "host": "node", "process_id": 1, "started": 1.7e9 + index,
        "cpu": {"generate": 2.0, "filter": 3.0, "write": 0.2, "simulate": 5.0, "bookkeeping": 0.1}, "wall": 10.5,
    }  # fmt: skip


def simulated_campaign(folder: Path, n_chunks: int = N_CHUNKS) -> None:
    """A campaign whose chunks are all done, as far as its records say."""
    content = {
        "name": "simulated", "events": n_chunks * N_EVENTS, "chunk_events": N_EVENTS,
        "filter": {"global_tag": "SmartBKG_GATGAP", "payload": "GATGAPgen.safetensors"},
    }  # fmt: skip
    folder.mkdir()
    (folder / "campaign.yaml").write_text(as_yaml(parse_campaign(content)))
    campaign = open_campaign(folder)
    identity, random = digest_of(campaign.identity)[:16], np.random.default_rng(1)
    distinct = [simulated_record(random, index, identity) for index in range(min(n_chunks, N_DISTINCT))]
    for index in range(n_chunks):
        path = campaign.folder.record(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        mine = {"chunk": index, "first_event": 1 + index * N_EVENTS, "started": 1.7e9 + index}
        path.write_bytes(as_bytes(distinct[index % len(distinct)] | mine))


def _timed(folder: Path, code: str) -> tuple[float, float, int]:
    """CPU seconds and MB of a fresh process that does something, and the files of the campaign that it opened."""
    script = (
        "import sys, time, json, resource; from pathlib import Path; start = time.process_time(); opened = []; "
        "root = sys.argv[1]; sys.addaudithook(lambda event, details: opened.append(1) if event == 'open' "
        "and str(details[0]).startswith(root) else None); "
        "from smartbkg.campaign.campaign import open_campaign; campaign = open_campaign(Path(root)); "
        f"{code}; print(json.dumps([time.process_time() - start, "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(opened)]))"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    seconds, megabytes, n_opened = json.loads(ended.stdout)
    return seconds, megabytes, n_opened


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="smartbkg-bench-") as name:
        folder = Path(name) / "simulated"
        start = time.perf_counter()
        simulated_campaign(folder)
        size = sum(path.stat().st_size for path in (folder / "records").glob("*/*.json"))
        print(f"{N_CHUNKS} records of {size / N_CHUNKS / 1000:.1f} kB, {size / 1e6:.0f} MB; written in "
              f"{time.perf_counter() - start:.0f} s")  # fmt: skip
        print(f"{'what':<24} {'CPU s':>8} {'MB':>6} {'files opened':>13}")
        for what, code in _READERS.items():
            seconds, megabytes, n_opened = _timed(folder, code)
            print(f"{what:<24} {seconds:8.1f} {megabytes:6.0f} {n_opened:13}")
        size = sum(path.stat().st_size for path in (folder / "packs").glob("*"))
        print(f"packs: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
