"""Generate B0 pairs with EvtGen, keep those worth simulating, simulate and reconstruct them.

    basf2 examples/basf2/filter_after_evtgen.py -- [--events 1000] [--model model.safetensors]

Without --model the model is the payload GATGAPgen.pth of the global tag SmartBKG_GATGAP. Rejected events cost their
generation and the network alone. The weight of each kept event is in EventExtraInfo: NN_prediction_weight.
"""

import argparse

import basf2 as b2
import generators as ge
import mdst
import reconstruction as re
import simulation as si

from smartbkg.b2modules.NN_filter_module import NNFilterModule

parser = argparse.ArgumentParser()
parser.add_argument("--events", type=int, default=1000)
parser.add_argument("--model", help="model file, in place of the conditions database")
parser.add_argument("--policy", help="how scores become keep probabilities: optimal, score, exp=A,B")
parser.add_argument("--output", default="filtered.mdst.root")
parser.add_argument("--seed", default="1")
arguments = parser.parse_args()

b2.set_random_seed(arguments.seed)  # the draw of each event follows from this and from its number
path = b2.create_path()
path.add_module("EventInfoSetter", expList=1003, runList=0, evtNumList=arguments.events)
ge.add_evtgen_generator(path=path, finalstate="mixed", eventType="mixed")

event_filter = NNFilterModule(model_file=arguments.model)
event_filter.policy = arguments.policy
event_filter.if_false(b2.create_path())  # rejected events end here
path.add_module(event_filter)

si.add_simulation(path=path)
re.add_reconstruction(path=path)
mdst.add_mdst_output(path=path, filename=arguments.output, additionalBranches=["EventExtraInfo"])

b2.process(path, calculateStatistics=True)
