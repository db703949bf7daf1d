"""What this package relies on in basf2: names, the place in basf2's sources that says how they behave, and the claim.

The double of the tests follows the same places; ``smartbkg basf2 check --self-test FILE.root`` holds the claims against
the release that is set up. Files and lines are those of basf2's sources of February 2026.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Clause(NamedTuple):
    """One thing that is relied on."""

    key: str
    """By which the self-test reports it."""
    names: tuple[str, ...]
    """What of basf2 it is about: attributes as they stand in this package's code."""
    source: str
    """File and line of basf2's sources."""
    claim: str
    """How it behaves."""


CONTRACT: Final = (
    Clause(
        "log", ("B2INFO", "B2WARNING", "B2ERROR"), "framework/pybasf2/src/LogPythonInterface.cc:503",
        "functions of a text",
    ),
    Clause(
        "seed", ("get_random_seed",), "framework/core/src/RandomNumbers.cc:79",
        "gives back what set_random_seed was given",
    ),
    Clause(
        "properties", ("Module", "ModulePropFlags", "PARALLELPROCESSINGCERTIFIED", "set_property_flags"),
        "framework/core/src/Module.cc:208 and 345", "a Python module can say that it may run in parallel",
    ),
    Clause(
        "source first", ("getExperiment", "getRun", "isValid"), "framework/core/src/EventProcessor.cc:282",
        "the source's first event is there when the modules behind it are initialised",
    ),
    Clause(
        "store object", ("Belle2", "PyStoreObj", "registerInDataStore", "create", "obj"),
        "framework/pybasf2/src/PyStoreObj.cc:40, 70 and 103",
        "EventExtraInfo is registered by the framework, registering again is true, create is true",
    ),
    Clause(
        "store array", ("PyStoreArray", "isRequired"), "framework/datastore/src/DataStore.cc:721",
        "isRequired of an array that a source registers is true",
    ),
    Clause(
        "required absent", (), "framework/core/src/EventProcessor.cc:173",
        "an array that nobody registers ends the job after initialize",
    ),
    Clause(
        "extra info", ("setExtraInfo", "hasExtraInfo", "getExtraInfo", "getNames", "getEventType"),
        "framework/dataobjects/src/EventExtraInfo.cc:16-111",
        "numbers of single precision by name, setExtraInfo overwrites, addExtraInfo of a name that is there throws; "
        "the event type is a text, empty where none was set",
    ),
    Clause(
        "event", ("getEvent", "getProduction", "getGeneratedWeight"),
        "framework/dataobjects/include/EventMetaData.h:142-183", "whole numbers, and the generator's weight",
    ),
    Clause(
        "particles", ("getStatus", "getPDG", "getMother", "getProductionTime", "getMass", "getCharge", "getEnergy",
                      "getNDaughters", "getArrayIndex"),
        "mdst/dataobjects/include/MCParticle.h:97-261 and 586",
        "array indices count from 0 in the order of the array, a mother that is not there is false",
    ),
    Clause(
        "vectors", ("getProductionVertex", "getMomentum", "get4Vector", "GetCoordinates", "X", "Y", "Z"),
        "mdst/dataobjects/include/MCParticle.h:174-195, ROOT's GenVector",
        "GetCoordinates fills an array of doubles with what the getters give; without it each number costs a call",
    ),
    Clause(
        "raw payload", ("DBAccessorBase", "DBStoreEntry", "c_RawFile", "getFilename", "getGlobaltag", "getRevision"),
        "framework/database/include/DBAccessorBase.h:68 and 144, src/DBStoreEntry.cc:111",
        "a raw file has a name and is not valid; its tag and revision are known; an optional one that is missing has "
        "no name",
    ),
    Clause(
        "object payload", ("PyDBObj", "getParameterMapping", "getSkimnamesMapping", "getPdgMapping", "getMaxWeight",
                           "getEventtypeMapping", "getSkimcodesMapping"),
        "framework/pybasf2/include/PyDBObj.h:49, skim/dbobjects/include/SmartBackgroundConfig.h:39-94",
        "PyDBObj(name, False) of a missing payload is false; a stored configuration comes back with its five maps",
    ),
    Clause(
        "required payload absent", (), "framework/database/src/MetadataProvider.cc:74",
        "PyDBObj(name) of a missing payload ends the job after initialize",
    ),
    Clause(
        "tags", ("conditions", "prepend_globaltag"), "framework/database/src/Configuration.cc:427",
        "a global tag can be put first before processing",
    ),
    Clause(
        "conditions of modules", ("return_value", "if_value", "create_path", "add_module"),
        "framework/core/src/Module.cc:79-131", "an event whose return value meets the condition goes another path",
    ),
    Clause(
        "no return value", (), "framework/core/src/Module.cc:96",
        "a condition on a module that sets no return value ends the process",
    ),
    Clause(
        "terminate", (), "framework/core/src/EventProcessor.cc:451",
        "modules are terminated from the last to the first; an exception keeps those before from it",
    ),
    Clause(
        "process", ("process",), "framework/scripts/basf2/core.py:179", "process(path, max_event, calculateStatistics)",
    ),
    Clause(
        "module names", ("list_available_modules", "register_module", "set_name", "name"),
        "framework/pybasf2/src/Framework.cc:273, framework/scripts/basf2/core.py:54",
        "the list of modules is a mapping; register_module takes a name or a module",
    ),
    Clause(
        "ntuple", ("variablesToNtuple", "buildEventShape", "buildEventKinematics", "inputMdst", "getAnalysisGlobaltag"),
        "analysis/modules/VariablesToNtuple/src/VariablesToNtupleModule.cc:149-202 and 420",
        "the file holds the tree 'persistent' beside the one that was named, with event ids and the text __eventType__",
    ),
    Clause(
        "skim", ("feiHadronicB0", "postskim_path", "code", "Skims"), "skim/scripts/skim/core.py:130, 251 and 354",
        "a skim has a code of eight digits, and the flag passes_<name>",
    ),
    Clause(
        "orders of arguments", (), "mdst/scripts/mdst.py:32, generators/scripts/generators.py:276",
        "add_mdst_output(path, mc, filename, ...), add_evtgen_generator(path, finalstate, ...)",
    ),
)  # fmt: skip

__all__ = ["CONTRACT", "Clause"]
