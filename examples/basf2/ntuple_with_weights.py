"""Filter for two skims with one draw, and write an n-tuple with the weights.

    basf2 examples/basf2/ntuple_with_weights.py -- [--events 1000] [--weights model.onnx] [--config config.json]

Without --weights and --config they are payloads of the global tags of the steering file. Every histogram made from the
n-tuple is filled with the weight of the skim it is for.
"""

import argparse

import basf2 as b2
import generators as ge
import modularAnalysis as ma  # noqa: N813 - as Belle II's steering files have it
import reconstruction as re
import simulation as si
from skim.core import CombinedSkim
from skim.WGs.fei import feiHadronic, feiSL

from smartbkg.b2modules.smart_background import DEFAULT_CONFIG, DEFAULT_WEIGHTS, add_smartbkg_filtering

parser = argparse.ArgumentParser()
parser.add_argument("--events", type=int, default=1000)
parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
parser.add_argument("--config", default=DEFAULT_CONFIG)
parser.add_argument("--output", default="weighted.root")
parser.add_argument("--fei-prefix", help="training of the FEI, where the release's own is not wanted (light-2607 on)")
parser.add_argument("--seed", default="1")
arguments = parser.parse_args()

b2.set_random_seed(arguments.seed)
path = b2.create_path()
path.add_module("EventInfoSetter", expList=1003, runList=0, evtNumList=arguments.events)
ge.add_evtgen_generator(path=path, finalstate="charged", eventType="charged")

# generation and skim in one job: rounded as an mDST is, so that a skim of the written mDST passes the same events
settings = {"analysisGlobaltag": ma.getAnalysisGlobaltag(), "udstOutput": False, "roundToMdstPrecision": True}
if arguments.fei_prefix:
    settings["feiPrefix"] = arguments.fei_prefix
skims = CombinedSkim(feiHadronic(**settings), feiSL(**settings))
add_smartbkg_filtering(skims, path, payload_weights=arguments.weights, payload_config=arguments.config, joint_draw=True)

si.add_simulation(path=path)
re.add_reconstruction(path=path)
skims(path)
variables = [skim.flag for skim in skims.Skims] + [f"eventExtraInfo(weight_{skim.name})" for skim in skims.Skims]
ma.variablesToNtuple("", variables, treename="events", filename=arguments.output, path=path)

b2.process(path)
