"""The contract held against the basf2 that is set up: each session in its own process, for basf2 ends processes."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from smartbkg.b2modules.contract.clauses import CONTRACT
from smartbkg.b2modules.framework import belle2, import_basf2
from smartbkg.errors import UsageError

_MINUTES: Final = 10
_PAYLOAD: Final = "SmartbkgSelfTestFile"
_CONFIG: Final = "SmartbkgSelfTestConfig"


class Result(NamedTuple):
    """What was found for one clause."""

    key: str
    """Of the clause."""
    is_met: bool
    """True = basf2 behaves as the clause says."""
    found: str
    """What was seen, empty where it is met."""


class Findings:
    """Observations of one process, written down as they come: what follows may end it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[Result] = []

    def expect(self, key: str, what: str, is_met: bool, found: object = "") -> None:
        """Note whether an expectation is met."""
        self._rows.append(Result(key, bool(is_met), "" if is_met else f"{what}: {found!r}"))
        self._path.write_text(json.dumps([list(row) for row in self._rows]))

    @contextmanager
    def watching(self, key: str) -> Iterator[None]:
        """Note an exception as what was found."""
        try:
            yield
        except (AttributeError, ImportError, TypeError, ValueError, RuntimeError, LookupError, ReferenceError) as error:
            self.expect(key, type(error).__name__, False, str(error))


def run_self_test(source: Path) -> list[Result]:
    """Hold every clause of the contract against this basf2.

    Parameters
    ----------
    source : an mDST with MCParticles, of which five events are read.

    Raises
    ------
    UsageError
        There is no such file.
    """
    if not source.is_file():
        raise UsageError(f"{source}: no such file; the self-test reads five events of an mDST")
    results: list[Result] = []
    for name in SESSIONS:
        with tempfile.TemporaryDirectory(prefix="smartbkg-self-test-") as folder:
            results += _run_session(name, source.resolve(), Path(folder))
    return _by_clause(results)


def _by_clause(results: list[Result]) -> list[Result]:
    """One result a clause: what differs, or that nothing was seen of it."""
    found = []
    for clause in CONTRACT:
        mine = [result for result in results if result.key == clause.key]
        differing = [result.found for result in mine if not result.is_met]
        if not mine:
            differing = ["was not reached: the process ended before"]
        found.append(Result(clause.key, not differing, "; ".join(differing)))
    return found


def _run_session(name: str, source: Path, folder: Path) -> list[Result]:
    written = folder / "found.json"
    ended = subprocess.run(
        [sys.executable, "-m", "smartbkg.b2modules.contract.self_test", name, str(source), str(written)],
        cwd=folder, capture_output=True, text=True, timeout=60 * _MINUTES, check=False,
    )  # fmt: skip
    results = [Result(*row) for row in json.loads(written.read_text())] if written.is_file() else []
    if name in _ENDING:
        stopped = ended.returncode != 0
        results.append(Result(_ENDING[name], stopped, "" if stopped else "the job went on"))
    elif ended.returncode != 0:
        last = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1:]
        results.append(
            Result("process", False, f"the session '{name}' ended with {ended.returncode}: {' '.join(last)}")
        )
    return results


def _path_of(source: Path) -> Any:
    path = import_basf2().create_path()
    import_basf2("modularAnalysis").inputMdst(filename=str(source), path=path)
    return path


def _session_modules(source: Path, found: Findings) -> None:
    """Everything that an ordinary event loop shows."""
    basf2 = import_basf2()
    basf2.set_random_seed("smartbkg")
    found.expect("seed", "get_random_seed()", str(basf2.get_random_seed()) == "smartbkg", basf2.get_random_seed())
    for name in ("B2INFO", "B2WARNING", "B2ERROR"):
        found.expect("log", name, callable(getattr(basf2, name, None)))
    with found.watching("module names"):
        found.expect("module names", "no RootInput", "RootInput" in dict(basf2.list_available_modules()))
    parameters = list(inspect.signature(basf2.process).parameters)
    found.expect("process", "arguments", parameters[:3] == ["path", "max_event", "calculateStatistics"], parameters)
    _store_payloads(found)
    from smartbkg.b2modules.contract.modules import Counter, Probe

    path = _path_of(source)
    probe, rejected, passed = Probe(found), Counter(), Counter()
    other = basf2.create_path()
    other.add_module(rejected)
    probe.if_value("==0", other)
    path.add_module(probe)
    path.add_module(passed)
    basf2.process(path, 5)
    counts = (rejected.n_events, passed.n_events)
    found.expect("conditions of modules", "events on the two paths", counts == (2, 3), counts)


def _store_payloads(found: Findings) -> None:
    """A raw file and an object in the local database of this folder."""
    framework = import_basf2("ROOT").Belle2
    with found.watching("raw payload"):
        Path("file.txt").write_text("a payload that is no file of ROOT\n")
        always = framework.IntervalOfValidity(0, 0, -1, -1)
        framework.Database.Instance().addPayload(_PAYLOAD, "file.txt", always)
    with found.watching("object payload"):
        config = framework.SmartBackgroundConfig({211: 1}, {1: 0}, {1: [0.5, 1.0]}, {1: "mine"}, {"mixed": 3}, 100.0)
        framework.Database.Instance().storeData(_CONFIG, config, always)
    with found.watching("tags"):
        import_basf2().conditions.prepend_testing_payloads("localdb/database.txt")
        found.expect("tags", "prepend_globaltag", callable(import_basf2().conditions.prepend_globaltag))


def _session_no_return_value(source: Path, _found: Findings) -> None:
    from smartbkg.b2modules.contract.modules import Counter

    path, module = _path_of(source), Counter()
    module.if_value("==0", import_basf2().create_path())
    path.add_module(module)
    import_basf2().process(path, 1)


def _session_required_array(source: Path, _found: Findings) -> None:
    from smartbkg.b2modules.contract.modules import Requiring

    path = _path_of(source)
    path.add_module(Requiring(lambda: belle2().PyStoreArray("SmartbkgNothings").isRequired()))
    import_basf2().process(path, 1)


def _session_required_payload(source: Path, _found: Findings) -> None:
    from smartbkg.b2modules.contract.modules import Requiring

    path = _path_of(source)
    path.add_module(Requiring(lambda: belle2().PyDBObj("SmartbkgNothing")))
    import_basf2().process(path, 1)


def _session_terminate(source: Path, found: Findings) -> None:
    from smartbkg.b2modules.contract.modules import Counter, FailingAtTheEnd

    path, before, behind = _path_of(source), Counter(), Counter()
    for module in (before, FailingAtTheEnd(), behind):
        path.add_module(module)
    with suppress(RuntimeError):
        import_basf2().process(path, 1)
    order = (before.is_terminated, behind.is_terminated)
    found.expect("terminate", "before and behind an exception", order == (False, True), order)


def _session_ntuple(source: Path, found: Findings) -> None:
    import uproot

    analysis = import_basf2("modularAnalysis")
    path = _path_of(source)
    analysis.variablesToNtuple("", ["eventExtraInfo(none)"], treename="mine", filename="ntuple.root", path=path)
    import_basf2().process(path, 2)
    with uproot.open("ntuple.root") as file:
        trees = list(dict.fromkeys(name.partition(";")[0] for name in file.keys()))  # noqa: SIM118 - no mapping
        found.expect("ntuple", "trees", set(trees) == {"persistent", "mine"}, trees)
        names = file["mine"].keys()
        wanted = {"__experiment__", "__run__", "__event__", "__eventType__", "eventExtraInfo__bonone__bc"}
        found.expect("ntuple", "branches", wanted <= set(names), names)
        kind = file["mine"]["__eventType__"].typename
        found.expect("ntuple", "type of __eventType__", kind in ("std::string", "char*"), kind)
    for name in ("buildEventShape", "buildEventKinematics", "getAnalysisGlobaltag"):
        found.expect("ntuple", name, callable(getattr(analysis, name, None)))


def _session_steering(_source: Path, found: Findings) -> None:
    """Names that steering files use; nothing is processed."""
    with found.watching("orders of arguments"):
        for module, function, wanted in (
            ("mdst", "add_mdst_output", ["path", "mc", "filename", "additionalBranches"]),
            ("generators", "add_evtgen_generator", ["path", "finalstate"]),
        ):
            names = list(inspect.signature(getattr(import_basf2(module), function)).parameters)
            found.expect("orders of arguments", function, names[: len(wanted)] == wanted, names)
    with found.watching("skim"):
        skim = import_basf2("skim.WGs.fei").feiHadronic(udstOutput=False, analysisGlobaltag="none")
        found.expect("skim", "flag", skim.flag == "passes_feiHadronic", skim.flag)
        found.expect("skim", "code", int(skim.code) == 11180500, skim.code)
        found.expect("skim", "postskim_path", hasattr(type(skim), "postskim_path"))


SESSIONS: Final[dict[str, Callable[[Path, Findings], None]]] = {
    "modules": _session_modules,
    "no return value": _session_no_return_value,
    "required array": _session_required_array,
    "required payload": _session_required_payload,
    "terminate": _session_terminate,
    "ntuple": _session_ntuple,
    "steering": _session_steering,
}
#: Sessions that basf2 must end: session → clause.
_ENDING: Final = {
    "no return value": "no return value",
    "required array": "required absent",
    "required payload": "required payload absent",
}


def coordinates_agree(particle: Any) -> bool:
    """Whether buffers are filled with what the getters give; at the price of calls where they are not."""
    vertex, momentum = np.full(3, np.nan), np.full(4, np.nan)
    particle.getProductionVertex().GetCoordinates(vertex)
    particle.get4Vector().GetCoordinates(momentum)
    place, speed = particle.getProductionVertex(), particle.getMomentum()
    single = [place.X(), place.Y(), place.Z(), speed.X(), speed.Y(), speed.Z(), particle.getEnergy()]
    return bool(np.array_equal(np.concatenate([vertex, momentum]), np.array(single)))


def main(arguments: list[str]) -> None:
    """Run one session; what is found is in the file that is named last."""
    name, source, written = arguments
    SESSIONS[name](Path(source), Findings(Path(written)))


if __name__ == "__main__":
    main(sys.argv[1:])
