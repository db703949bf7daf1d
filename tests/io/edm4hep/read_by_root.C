// What ROOT reads in an EDM4hep file in podio's way: podio src/RNTupleReader.cc, classes of EDM4hep edm4hep.yaml (schema 6).
#include <ROOT/REntry.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

namespace podio {
class ObjectID {
public:
  int index{-1};
  uint32_t collectionID{0};
};
namespace root_utils {
  struct CollectionWriteInfo {
    uint32_t collectionID;
    std::string dataType;
    bool isSubset;
    unsigned int schemaVersion;
    std::string name;
    std::string storageType;
  };
} // namespace root_utils
} // namespace podio

namespace edm4hep {
struct Vector3d {
  double x, y, z;
};
class EventHeaderData {
public:
  uint64_t eventNumber;
  uint32_t runNumber;
  uint64_t timeStamp;
  double weight;
  unsigned int weights_begin, weights_end;
};
class MCParticleData {
public:
  int32_t PDG, generatorStatus, simulatorStatus;
  float charge, time;
  double mass;
  Vector3d vertex, endpoint, momentum, momentumAtEndpoint;
  int32_t helicity;
  unsigned int parents_begin, parents_end, daughters_begin, daughters_end;
};
} // namespace edm4hep

void read_by_root(const char* name) {
  auto metadata = ROOT::RNTupleReader::Open("podio_metadata", name);
  auto info = metadata->GetView<std::vector<podio::root_utils::CollectionWriteInfo>>("events___CollectionTypeInfo");
  for (const auto& one : info(0)) {
    std::cout << "collection " << one.name << " " << one.dataType << " " << one.schemaVersion << " " << one.collectionID
              << "\n";
  }
  auto version = metadata->GetView<std::vector<uint16_t>>("PodioBuildVersion");
  auto definitions = metadata->GetView<std::vector<std::tuple<std::string, std::string>>>("EDMDefinitions");
  std::cout << "version " << version(0).size() << " definitions " << definitions(0).size() << "\n";
  auto categories = metadata->GetView<std::vector<std::string>>("availableCategories");
  for (const auto& one : categories(0)) {
    std::cout << "category " << one << "\n";
  }
  ROOT::RNTupleDescriptor::RCreateModelOptions options;
  options.SetEmulateUnknownTypes(true);
  auto reader = ROOT::RNTupleReader::Open(options, "events", name);
  std::cout.precision(17);
  for (unsigned int i = 0; i < reader->GetNEntries(); ++i) {
    auto entry = reader->GetModel().CreateEntry();
    std::vector<edm4hep::MCParticleData> particles;
    std::vector<edm4hep::EventHeaderData> headers;
    std::vector<podio::ObjectID> parents, daughters;
    std::vector<double> weights;
    entry->BindRawPtr("MCParticles", static_cast<void*>(&particles));
    entry->BindRawPtr("EventHeader", static_cast<void*>(&headers));
    entry->BindRawPtr("_MCParticles_parents", &parents);
    entry->BindRawPtr("_MCParticles_daughters", &daughters);
    entry->BindRawPtr("_EventHeader_weights", &weights);
    reader->LoadEntry(i, *entry);
    std::cout << "event " << headers.at(0).eventNumber << " " << headers[0].runNumber << " " << headers[0].weight;
    for (const auto weight : weights) {
      std::cout << " " << weight;
    }
    std::cout << "\n";
    for (const auto& one : particles) {
      std::cout << "particle " << one.PDG << " " << one.generatorStatus << " " << one.mass << " " << one.momentum.z << " "
                << one.vertex.x << " " << one.time << " |";
      for (auto k = one.parents_begin; k < one.parents_end; ++k) {
        std::cout << " " << parents.at(k).index;
      }
      std::cout << " |";
      for (auto k = one.daughters_begin; k < one.daughters_end; ++k) {
        std::cout << " " << daughters.at(k).index;
      }
      std::cout << "\n";
    }
  }
}
