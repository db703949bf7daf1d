"""Makes `two_runs.hepmc3.tree.root`, as HepMC3's ``WriterRootTree`` does: needs ROOT (PyPI: root) and HepMC3's headers.

    python make_hepmc3_tree.py FOLDER_OF_HEADERS two_runs.hepmc3.tree.root

The layout is that of the headers (``HepMC3/Data/*.h``) and of ``WriterRootTree::init`` (rootIO/src/WriterRootTree.cc).
"""

import sys
import tempfile
from pathlib import Path

import ROOT

HEADERS = ("HepMC3/Data/GenEventData.h", "HepMC3/Data/GenRunInfoData.h")
#: pid, status, is_mass_set, mass, momentum
BEAM = (11, 4, True, 0.511, (0.0, 0.0, 7000.0, 7000.0))
UPSILON = (300553, 2, False, -1.0, (0.0, 0.0, 3000.25, 11000.125))
PLUS = (211, 1, True, 139.57039, (0.1, 1.0 / 3.0, 1e-7, 500.0))
MINUS = (-211, 1, True, 139.57039, (-0.1, -1.0 / 3.0, 2.0 / 7.0, 501.0))
ALONE = (22, 1, True, 0.0, (1.0, 2.0, 3.0, 3.7416573867739413))


def strings(values):
    return ROOT.std.vector["std::string"](list(values))


def four(values):
    return ROOT.HepMC3.FourVector(*values)


def fill(event, number, weights, momentum_unit, length_unit, vertex_status=0):
    event.event_number = number
    event.momentum_unit, event.length_unit = momentum_unit, length_unit
    event.particles.clear()
    for pid, status, is_set, mass, momentum in (BEAM, UPSILON, PLUS, MINUS, ALONE):
        one = ROOT.HepMC3.GenParticleData()
        one.pid, one.status, one.is_mass_set, one.mass, one.momentum = pid, status, is_set, mass, four(momentum)
        event.particles.push_back(one)
    event.vertices.clear()
    for status, place in ((vertex_status, (0.0, 0.0, 0.0, 0.0)), (0, (0.1, -0.2, 0.3, 0.4))):
        one = ROOT.HepMC3.GenVertexData()
        one.status, one.position = status, four(place)
        event.vertices.push_back(one)
    event.weights = ROOT.std.vector["double"](list(weights))
    event.event_pos = four((0.0, 0.0, 0.5, 0.0) if number == 8 else (0.0, 0.0, 0.0, 0.0))
    # beam → vertex 1 → Υ → vertex 2 → π+ π−; the photon is in no vertex
    event.links1 = ROOT.std.vector["int"]([1, -1, 2, -2, -2])
    event.links2 = ROOT.std.vector["int"]([-1, 2, -2, 3, 4])
    event.attribute_id = ROOT.std.vector["int"]([0, 0, 3, -2])
    event.attribute_name = strings(["GenCrossSection", "text", "flow1", "weights"])
    event.attribute_string = strings(["12.5 0.25 -1 -1", "two\nlines \\ " + 300 * "x", "501", "0.5 2.5"])


def fill_run(run, tool):
    run.weight_names = strings(["nominal", "set up"])
    run.tool_name, run.tool_version, run.tool_description = strings([tool]), strings(["1.0"]), strings(["of a test"])
    run.attribute_name, run.attribute_string = strings(["seed"]), strings(["22" if tool == "GenB" else "11"])


def main(folder, output):
    interpreter = ROOT.gInterpreter
    interpreter.AddIncludePath(folder)
    output = Path(output).absolute()
    with tempfile.TemporaryDirectory() as work:
        ROOT.gSystem.ChangeDirectory(work)
        for name in ("HepMC3::GenEventData", "HepMC3::GenRunInfoData"):
            interpreter.GenerateDictionary(name, ";".join(HEADERS))
        vectors = "vector<HepMC3::GenParticleData>", "vector<HepMC3::GenVertexData>"
        for name in vectors:
            interpreter.GenerateDictionary(name, HEADERS[0])
        event, run = ROOT.HepMC3.GenEventData(), ROOT.HepMC3.GenRunInfoData()
        file = ROOT.TFile.Open(str(output), "RECREATE")
        tree = ROOT.TTree("hepmc3_tree", "hepmc3_tree")
        tree.Branch("hepmc3_event", event)
        tree.Branch("GenRunInfo", run)
        units = ROOT.HepMC3.Units
        for number, tool in ((7, "GenA"), (8, "GenA"), (9, "GenB")):
            fill(event, number, (1.5, 30.0 * number), units.MEV, units.CM, vertex_status=number - 7)
            fill_run(run, tool)
            tree.Fill()
        file.WriteTObject(tree)
        file.Close()


if __name__ == "__main__":
    main(*sys.argv[1:])
