"""The training file of a job from what skim_flags.py wrote.

    basf2 examples/basf2/training_data.py -- JOB_ID [--prefix ./] [--output ./] [--variables]

Writes {output}pp{JOB_ID}.parquet, and removes the flags of the job with --clean-up, its mDST with --remove-input too.
Then, without basf2:

    smartbkg dataset --merge pp*.parquet -o train.parquet
    smartbkg train train.parquet -o model.safetensors
"""

import argparse

from smartbkg.b2modules.defaults import DECORR_LIST
from smartbkg.b2modules.NN_trainer_module import data_production

parser = argparse.ArgumentParser()
parser.add_argument("job_id", type=int)
parser.add_argument("--prefix", default="./")
parser.add_argument("--output", default="./")
parser.add_argument("--variables", action="store_true", help="event-level variables too, to check that none is biased")
parser.add_argument("--clean-up", action="store_true", help="remove the flags of this job afterwards")
parser.add_argument("--remove-input", action="store_true", help="and its mDST")
arguments = parser.parse_args()

job = data_production(
    in_dir=arguments.prefix,
    out_dir=arguments.output,
    job_id=arguments.job_id,
    save_vars=DECORR_LIST if arguments.variables else None,
)
job.process()
if arguments.clean_up or arguments.remove_input:
    job.clean_up(remove_input=arguments.remove_input)
