"""A campaign as b2luigi tasks: one per chunk, on the batch system that b2luigi is set to.

    python produce.py FOLDER [--workers 2]

FOLDER holds a campaign that `smartbkg campaign init` made. A chunk is done when its record is there.
"""

import argparse
import json
import os
import shlex
import subprocess
from pathlib import Path

import b2luigi

SMARTBKG = shlex.split(os.environ.get("SMARTBKG", "smartbkg"))


class Chunk(b2luigi.Task):
    """One chunk of the campaign."""

    folder = b2luigi.Parameter()
    chunk = b2luigi.IntParameter()

    def output(self):
        return b2luigi.LocalTarget(f"{self.folder}/records/{self.chunk // 1000:03d}/{self.chunk:06d}.json")

    def run(self):
        subprocess.run([*SMARTBKG, "campaign", "run", self.folder, "--chunk", str(self.chunk)], check=True)


class Campaign(b2luigi.Task):
    """All chunks, merged."""

    folder = b2luigi.Parameter()
    n_chunks = b2luigi.IntParameter()

    def requires(self):
        return [Chunk(folder=self.folder, chunk=chunk) for chunk in range(self.n_chunks)]

    def output(self):
        return b2luigi.LocalTarget(f"{self.folder}/kept.parquet")

    def run(self):
        subprocess.run(
            [*SMARTBKG, "campaign", "merge", self.folder, "--output", f"{self.folder}/kept.parquet"], check=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    answer = subprocess.check_output([*SMARTBKG, "campaign", "status", arguments.folder, "--json"])
    n_chunks = json.loads(answer)["chunks"]["total"]
    b2luigi.set_setting("log_folder", f"{arguments.folder}/jobs/b2luigi")
    campaign = Campaign(folder=str(Path(arguments.folder).resolve()), n_chunks=n_chunks)
    b2luigi.process(campaign, workers=arguments.workers, ignore_additional_command_line_args=True)
