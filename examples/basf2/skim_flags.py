"""Which events of an mDST pass a skim: the labels to train on. One batch job of many.

    basf2 examples/basf2/skim_flags.py -- JOB_ID --input mdst.root [--events 1000] [--prefix ./]

Writes {prefix}_submdst{JOB_ID}.root, the events of this job, and {prefix}_flag{JOB_ID}.parquet, the ids of those that
passed: what training_data.py reads.
"""

import argparse

import basf2 as b2
import mdst
import modularAnalysis as ma  # noqa: N813 - as Belle II's steering files have it
from skim.WGs.fei import feiHadronic

from smartbkg.b2modules.NN_trainer_module import SaveFlag

parser = argparse.ArgumentParser()
parser.add_argument("job_id", type=int)
parser.add_argument("--input", required=True)
parser.add_argument("--events", type=int, default=1000, help="events per job")
parser.add_argument("--prefix", default="./")
parser.add_argument("--fei-prefix", help="training of the FEI, where the release's own is not wanted (light-2607 on)")
arguments = parser.parse_args()

path = b2.create_path()
first = arguments.events * arguments.job_id
ma.inputMdst(environmentType="default", filename=arguments.input, skipNEvents=first, path=path)
mdst.add_mdst_output(path=path, filename=f"{arguments.prefix}_submdst{arguments.job_id}.root")

settings = {"feiPrefix": arguments.fei_prefix} if arguments.fei_prefix else {}
skim = feiHadronic(analysisGlobaltag=ma.getAnalysisGlobaltag(), udstOutput=False, **settings)
skim(path)
ma.applyEventCuts(f"eventExtraInfo({skim.flag}) == 1", path)
path.add_module(SaveFlag(f"{arguments.prefix}_flag{arguments.job_id}.parquet"))

b2.process(path, max_event=arguments.events)
