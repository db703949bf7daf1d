"""Compare this package's filter with the numbers that Belle II's own test expects of its module.

    basf2 examples/basf2/acceptance.py -- smartbkg_test_events.mdst.root [--weights model.onnx] [--config config]

The input is basf2's ``skim/tests/smartbkg_test_events.mdst.root`` (10 events), model and configuration are payloads of
the global tags of the release unless they are given. Keep probabilities for feiHadronic are compared to seven digits.
"""

import argparse

import basf2 as b2
import modularAnalysis as ma  # noqa: N813 - as Belle II's steering files have it
from ROOT import Belle2
from skim.WGs.fei import feiHadronic

from smartbkg.b2modules.smart_background import DEFAULT_CONFIG, DEFAULT_WEIGHTS, add_smartbkg_filtering

EXPECTED = (0.06365067, 1.0, 0.01, 0.5620032, 0.0962249, 0.14172044, 0.01308167, 1.0, 0.69878286, 1.0)

parser = argparse.ArgumentParser()
parser.add_argument("events")
parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
parser.add_argument("--config", default=DEFAULT_CONFIG)
arguments = parser.parse_args()

found = []


class Collect(b2.Module):
    """Notes the prediction of each event."""

    def initialize(self):
        self.info = Belle2.PyStoreObj("EventExtraInfo")

    def event(self):
        found.append(self.info.getExtraInfo("SmartBKG_Prediction_feiHadronic"))


path = b2.create_path()
ma.inputMdst(filename=arguments.events, path=path)
add_smartbkg_filtering(
    feiHadronic(analysisGlobaltag=ma.getAnalysisGlobaltag(), udstOutput=False), path, debug_mode=True,
    payload_weights=arguments.weights, payload_config=arguments.config, event_type="charged",
)  # fmt: skip
path.add_module(Collect())
b2.process(path)

differences = [abs(mine - expected) for mine, expected in zip(found, EXPECTED, strict=True)]
print(f"largest difference of {len(found)} keep probabilities: {max(differences):.2g}")
raise SystemExit(0 if max(differences) < 5e-8 else "the keep probabilities are not those of Belle II's test")
