"""Tests mirror the tree: what `io/parquet.py` claims is tested in `tests/io/test_parquet.py`, or where is said here."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "src" / "smartbkg"
_DECIDES = (ast.If, ast.For, ast.While, ast.IfExp, ast.Try, ast.comprehension, ast.BoolOp)

#: Modules that a test of another name tests, since one claim spans several of them: the test, and what of it in the
#: module it uses (a name, or the verb).
TESTED_BY: dict[str, tuple[str, str]] = {
    "b2modules/contract/modules": ("b2modules/test_contract.py", "run_self_test"),
    "b2modules/contract/self_test": ("b2modules/test_contract.py", "run_self_test"),
    "b2modules/data_production": ("b2modules/test_NN_trainer_module.py", "data_production"),
    "b2modules/data_store/event_reader": ("b2modules/test_NN_filter_module.py", "NNFilterModule"),
    "b2modules/data_store/extra_info": ("b2modules/test_NN_filter_module.py", "EventExtraInfo"),
    "b2modules/data_store/particle_table": ("b2modules/test_NN_trainer_module.py", "TrainDataSaver"),
    "b2modules/data_store/unknown_codes": ("b2modules/test_NN_filter_module.py", "does not know the PDG codes"),
    "b2modules/environment": ("b2modules/test_examples.py", "shim_folder"),
    "b2modules/framework": ("b2modules/test_NN_filter_module.py", "job_seed"),
    "b2modules/model_source": ("b2modules/test_payload_route.py", "payload"),
    "b2modules/module_name": ("b2modules/test_upstream_steering.py", "register_module"),
    "b2modules/passing_events": ("b2modules/test_NN_trainer_module.py", "SaveFlag"),
    "basf2_shim/smartBKG/utils/dataset": ("b2modules/test_upstream_steering.py", "ArrayDataset"),
    "basf2_shim/smartBKG/utils/metrics": ("b2modules/test_upstream_steering.py", "speedup"),
    "basf2_shim/smartBKG/utils/preprocess": ("b2modules/test_upstream_steering.py", "load_particle_list"),
    "campaign/campaign": ("campaign/test_identity.py", "open_campaign"),
    "campaign/chunk/record": ("campaign/chunk/test_chain.py", "read_record"),
    "campaign/chunk/source": ("campaign/chunk/test_chunks.py", "chunk_events"),
    "campaign/chunk/stages": ("campaign/test_job_report.py", "cpu_seconds"),
    "campaign/chunk_files": ("campaign/test_packs.py", "chunk_files"),
    "campaign/engines/array": ("campaign/test_engines.py", "write_array"),
    "campaign/engines/choice": ("campaign/test_engines.py", "choose_engine"),
    "campaign/engines/dask": ("campaign/test_engines.py", "cluster_options"),
    "campaign/pilot": ("campaign/test_outlook.py", "Pilot"),
    "campaign/records": ("campaign/test_packs.py", "read_status"),
    "campaign/report": ("campaign/test_merge.py", "report"),
    "campaign/status": ("campaign/test_packs.py", "read_status"),
    "campaign/watch/page": ("campaign/watch/test_monitor.py", "page.html"),
    "campaign/watch/plots": ("campaign/watch/test_monitor.py", "page.html"),
    "cli/campaign": ("campaign/test_merge.py", "campaign"),
    "cli/dataset": ("datasets/test_build.py", "dataset"),
    "cli/doctor": ("cli/test_optional_libraries.py", "doctor"),
    "cli/evaluate": ("cli/test_json_output.py", "evaluate"),
    "cli/export": ("networks/onnx/test_basf2_payloads.py", "export"),
    "cli/options": ("cli/test_vocabulary.py", "options"),
    "cli/score": ("cli/test_json_output.py", "score"),
    "conditions/cache": ("conditions/test_client.py", "PayloadCache"),
    "conditions/location": ("conditions/test_resolve.py", "default_places"),
    "conditions/serving/connections": ("conditions/test_server.py", "affordable_connections"),
    "conditions/serving/server": ("conditions/test_server.py", "ConditionsServer"),
    "conditions/source": ("conditions/test_client.py", "UnreachableError"),
    "conditions/transport": ("conditions/test_client.py", "HttpOptions"),
    "evaluation/evaluate": ("evaluation/test_files.py", "Evaluation"),
    "evaluation/report": ("evaluation/test_files.py", "render_report"),
    "experiment/comparison/full_simulation": ("experiment/detector/test_detect.py", "read_full_simulation"),
    "experiment/detector/event": ("experiment/test_simulation.py", "simulate_events"),
    "filtering/files": ("filtering/test_event_filter.py", "filter_file"),
    "io/basf2/extra_info": ("io/basf2/test_mdst.py", "extra_columns"),
    "io/convert": ("io/hepmc/test_official.py", "convert_events"),
    "io/hepmc/build": ("io/hepmc/test_official.py", "create_events"),
    "io/hepmc/layouts": ("io/hepmc/test_official.py", "open_events"),
    "io/hepmc/lines": ("io/hepmc/test_numbers.py", "read_lines"),
    "io/hepmc/output": ("io/hepmc/test_official.py", "create_events"),
    "io/hepmc/text": ("io/hepmc/test_reader.py", "open_events"),
    "io/hepmc/tree": ("io/hepmc/test_parser.py", "status_bits"),
    "io/hepmc/version2": ("io/hepmc/test_official.py", "HepMC2|hepmc2"),
    "io/hepmc/version3": ("io/hepmc/test_official.py", "hepmc3"),
    "io/hepmc/writer": ("io/hepmc/test_official.py", "create_events"),
    "io/edm4hep/content": ("io/edm4hep/test_frames.py", "convert_events"),
    "io/edm4hep/header": ("io/edm4hep/test_frames.py", "EventHeader"),
    "io/edm4hep/parameters": ("io/edm4hep/test_frames.py", "GeneratorEventParameters"),
    "io/edm4hep/podio": ("io/edm4hep/test_writer.py", "podio"),
    "sampling/score_function": ("sampling/test_policies.py", "ScorePolicy"),
    "training/surrogate/files": ("cli/test_calibrate.py", "add_surrogate"),
    "verbs/learn": ("verbs/test_verbs.py", "sb.train"),
    "verbs/produce": ("verbs/test_verbs.py", "sb.filter"),
}


@functools.cache
def modules_with_logic() -> tuple[str, ...]:
    """Modules in which a function decides something, as ``io/parquet``."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        if not path.name.startswith("_") and any(
            isinstance(part, _DECIDES) for function in functions for part in ast.walk(function)
        ):
            found.append(path.relative_to(PACKAGE).with_suffix("").as_posix())
    return tuple(found)


def own_test(module: str) -> Path:
    """Where the tests of a module belong."""
    path = TESTS / module
    return path.with_name(f"test_{path.name}.py")


@pytest.fixture(scope="module")
def untested() -> list[str]:
    """Modules with logic without a test of their own name."""
    return [module for module in modules_with_logic() if not own_test(module).is_file()]


def test_every_module_with_logic_has_tests_of_its_name_or_is_listed(untested: list[str]) -> None:
    assert sorted(set(untested) - set(TESTED_BY)) == [], "write tests, or say in TESTED_BY which test holds them"


def test_no_module_is_listed_that_is_gone() -> None:
    assert sorted(set(TESTED_BY) - set(modules_with_logic())) == []


@pytest.mark.parametrize("module", TESTED_BY)
def test_what_is_listed_is_there_and_uses_the_module(module: str) -> None:
    path, used = TESTED_BY[module]
    assert re.search(rf"\b(?:{used})", (TESTS / path).read_text()), f"{path} says nothing of {used}"


def test_most_modules_have_tests_of_their_own_name(untested: list[str]) -> None:
    assert len(untested) < 0.25 * len(modules_with_logic())


def test_the_tests_are_at_least_six_tenths_of_the_source() -> None:
    source, tests = (
        sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py")) for folder in (PACKAGE, TESTS)
    )
    assert tests >= 0.6 * source
