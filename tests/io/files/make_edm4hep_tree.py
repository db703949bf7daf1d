"""Makes `whole.edm4hep.root` as podio's ``ROOTWriter`` does, with collections of many kinds: needs ROOT (PyPI: root).

    python make_edm4hep_tree.py whole.edm4hep.root

The layout is that of podio 1.6 (``src/ROOTWriter.cc``, ``src/rootUtils.h``), the classes are some of EDM4hep's
(``edm4hep.yaml``) with the members that matter here: lists, fixed arrays, structures in structures, relations, vectors
of numbers and of structures, a collection that refers to members of another, parameters of all types, and a category
``runs``.
"""

import sys
import tempfile
from pathlib import Path

import ROOT

CLASSES = """
#include <array>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>
namespace podio {
struct ObjectID { int index{-1}; uint32_t collectionID{0}; };
namespace root_utils {
struct CollectionWriteInfo { uint32_t collectionID; std::string dataType; bool isSubset; unsigned int schemaVersion;
  std::string name; std::string storageType; };
}
namespace version { struct Version { uint16_t major, minor, patch; }; }
}
namespace edm4hep {
struct Vector3d { double x, y, z; };
struct CovMatrix3f { float values[6]; };
struct EventHeaderData { uint64_t eventNumber; uint32_t runNumber; uint64_t timeStamp; double weight;
  unsigned int weights_begin, weights_end; };
struct GeneratorEventParametersData { double sqrts; double beamsPz[2]; int partonIds[2];
  unsigned int crossSections_begin, crossSections_end, crossSectionErrors_begin, crossSectionErrors_end; };
struct MCParticleData { int32_t PDG, generatorStatus, simulatorStatus; float charge, time; double mass;
  Vector3d vertex, endpoint, momentum, momentumAtEndpoint; int32_t helicity;
  unsigned int parents_begin, parents_end, daughters_begin, daughters_end; };
struct TrackState { int32_t location; CovMatrix3f covariance; };
struct TrackData { int32_t type; unsigned int trackStates_begin, trackStates_end; };
}
#ifdef __CLING__
#pragma link C++ class podio::ObjectID+;
#pragma link C++ class std::vector<podio::ObjectID>+;
#pragma link C++ class podio::root_utils::CollectionWriteInfo+;
#pragma link C++ class std::vector<podio::root_utils::CollectionWriteInfo>+;
#pragma link C++ class podio::version::Version+;
#pragma link C++ class edm4hep::Vector3d+;
#pragma link C++ class edm4hep::CovMatrix3f+;
#pragma link C++ class edm4hep::EventHeaderData+;
#pragma link C++ class std::vector<edm4hep::EventHeaderData>+;
#pragma link C++ class edm4hep::GeneratorEventParametersData+;
#pragma link C++ class std::vector<edm4hep::GeneratorEventParametersData>+;
#pragma link C++ class edm4hep::MCParticleData+;
#pragma link C++ class std::vector<edm4hep::MCParticleData>+;
#pragma link C++ class edm4hep::TrackState+;
#pragma link C++ class std::vector<edm4hep::TrackState>+;
#pragma link C++ class edm4hep::TrackData+;
#pragma link C++ class std::vector<edm4hep::TrackData>+;
#pragma link C++ class std::vector<std::vector<int>>+;
#pragma link C++ class std::vector<std::vector<std::string>>+;
#pragma link C++ class std::tuple<std::string,std::string>+;
#pragma link C++ class std::vector<std::tuple<std::string,std::string>>+;
#endif
"""

WRITER = """
#include "TFile.h"
#include "TTree.h"
template <typename T> using Values = std::vector<std::vector<T>>;
struct Parameters {
  std::vector<std::string> intKeys, floatKeys, doubleKeys, stringKeys;
  Values<int> ints; Values<float> floats; Values<double> doubles; Values<std::string> strings;
  void branches(TTree& tree) {
    tree.Branch("GPIntKeys", &intKeys); tree.Branch("GPIntValues", &ints);
    tree.Branch("GPFloatKeys", &floatKeys); tree.Branch("GPFloatValues", &floats);
    tree.Branch("GPDoubleKeys", &doubleKeys); tree.Branch("GPDoubleValues", &doubles);
    tree.Branch("GPStringKeys", &stringKeys); tree.Branch("GPStringValues", &strings);
  }
};
void write(const char* name) {
  using namespace edm4hep;
  using Info = podio::root_utils::CollectionWriteInfo;
  TFile file(name, "RECREATE");
  Parameters none, parameters{{"seed"}, {"scale"}, {"alpha"}, {"generator"},
                              {{1, 2}}, {{0.5f, 0.1f}}, {{0.0078125, 1. / 3.}}, {{"one", "two words"}}};
  std::vector<EventHeaderData> header;
  std::vector<double> weights, crossSections, errors;
  std::vector<GeneratorEventParametersData> generator;
  std::vector<MCParticleData> particles;
  std::vector<podio::ObjectID> parents, daughters, signal;
  std::vector<TrackData> tracks;
  std::vector<TrackState> states;
  TTree events("events", "events data tree");
  events.Branch("EventHeader", "vector<edm4hep::EventHeaderData>", &header);
  events.Branch("_EventHeader_weights", "vector<double>", &weights);
  events.Branch("GeneratorEventParameters", "vector<edm4hep::GeneratorEventParametersData>", &generator);
  events.Branch("_GeneratorEventParameters_crossSections", "vector<double>", &crossSections);
  events.Branch("_GeneratorEventParameters_crossSectionErrors", "vector<double>", &errors);
  events.Branch("MCParticles", "vector<edm4hep::MCParticleData>", &particles);
  events.Branch("_MCParticles_parents", &parents);
  events.Branch("_MCParticles_daughters", &daughters);
  events.Branch("Signal_objIdx", &signal);
  events.Branch("Tracks", "vector<edm4hep::TrackData>", &tracks);
  events.Branch("_Tracks_trackStates", "vector<edm4hep::TrackState>", &states);
  parameters.branches(events);
  for (unsigned int k = 0; k < 7; ++k) {
    header = {{(1ull << 40) + k, 7, 1234567890123ull + k, 0.5 + k, 0, 2}};
    weights = {0.5 + k, 2. + k};
    generator = {{91.2, {45.6, -45.6}, {11, -11}, 0, 1, 0, 1}};
    crossSections = {41.5}; errors = {0.25};
    const Vector3d zero{0, 0, 0};
    MCParticleData mother{23, 2, 0, 0.f, 0.f, 91.2, zero, zero, zero, zero, 9, 0, 2, 0, 0};
    MCParticleData electron{11, 4, 0, -1.f, 0.f, 0.000511, zero, zero, {0, 0, 45.6}, zero, -1, 0, 0, 0, 1};
    MCParticleData positron{-11, 4, 0, 1.f, 0.f, 0.000511, zero, zero, {0, 0, -45.6}, zero, 1, 0, 0, 1, 2};
    mother.parents_end = 2; mother.daughters_begin = 2; mother.daughters_end = 4;
    MCParticleData muon{13, 1, 1 << 25, -1.f, 0.25f, 0.1056584, {0, 0, 0.001}, {10, 20, 30},
                        {1. / 3., 0, 45}, {1, 2, 3}, -1, 2, 3, 4, 4};
    MCParticleData other = muon;
    other.PDG = -13; other.charge = 1.f; other.momentum.z = -45. - k; other.parents_begin = 3; other.parents_end = 4;
    particles = {electron, positron, mother, muon, other};
    parents = {{0, 10}, {1, 10}, {2, 10}, {2, 10}};
    daughters = {{2, 10}, {2, 10}, {3, 10}, {4, 10}};
    signal = {{2, 10}};
    tracks.assign(k % 3, TrackData{static_cast<int>(k), 0, 1});
    states.assign(k % 3 ? 1 : 0, TrackState{1, {{1.f, 2.f, 3.f, 4.f, 5.f, 0.1f * k}}});
    events.Fill();
  }
  events.Write();
  TTree runs("runs", "runs data tree");
  Parameters run{{}, {}, {}, {"GeneratorToolNames"}, {}, {}, {}, {{"a generator"}}};
  run.branches(runs); runs.Fill(); runs.Write();
  TTree metadata("metadata", "metadata data tree");
  Parameters about{{}, {}, {}, {"EventWeightNames", "detector"}, {}, {}, {}, {{"nominal", "up"}, {"none"}}};
  about.branches(metadata); metadata.Fill(); metadata.Write();
  TTree meta("podio_metadata", "metadata tree for podio I/O functionality");
  auto info = [](unsigned id, const char* kind, bool isSubset, const char* name) {
    return Info{id, std::string(kind) + "Collection", isSubset, 4, name, "std::vector<" + std::string(kind) + "Data>"};
  };
  std::vector<Info> listed{info(5, "edm4hep::EventHeader", false, "EventHeader"),
                           info(6, "edm4hep::GeneratorEventParameters", false, "GeneratorEventParameters"),
                           info(10, "edm4hep::MCParticle", false, "MCParticles"),
                           info(11, "edm4hep::MCParticle", true, "Signal"),
                           info(12, "edm4hep::Track", false, "Tracks")};
  std::vector<Info> nothing;
  podio::version::Version version{1, 6, 0}, model{0, 99, 99};
  std::vector<std::tuple<std::string, std::string>> definitions{{"edm4hep", "{\\"datatypes\\": {}}"}};
  meta.Branch("events___CollectionTypeInfo", &listed);
  meta.Branch("runs___CollectionTypeInfo", &nothing);
  meta.Branch("metadata___CollectionTypeInfo", &nothing);
  meta.Branch("PodioBuildVersion", &version);
  meta.Branch("EDMDefinitions", &definitions);
  meta.Branch("edm4hep___Version", &model);
  meta.Fill(); meta.Write();
  file.Close();
}
"""


def main(output):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "classes.C"
        source.write_text(CLASSES)
        ROOT.gROOT.ProcessLine(f".L {source}+")
        ROOT.gInterpreter.Declare(WRITER)
        ROOT.write(output)


if __name__ == "__main__":
    main(sys.argv[1])
