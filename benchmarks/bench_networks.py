"""Networks: graph building, latency of one event, throughput, training step, memory; against PyTorch Geometric.

All contestants score the same events from raw particles, in turns, with the same number of threads. PyTorch Geometric
is needed by this benchmark alone: ``pip install torch_geometric``; without it its column is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from benchmarks.memory import peak_memory
from benchmarks.timing import median, percentile_99, take_turns
from smartbkg.events import EventBatch
from smartbkg.graphs import GraphRule, build_graphs
from smartbkg.graphs.collate import collate
from smartbkg.networks import ModelBundle, ModelConfig, build_model, parse_config
from smartbkg.networks.backends import TorchBackend
from smartbkg.networks.bundle import state_of
from smartbkg.networks.gatgap.network import GATGAP
from smartbkg.networks.scorer import Scorer, scorer_of

N_PARTICLES = 41
THREADS = (1, 2)
HAS_PYG = find_spec("torch_geometric") is not None


def make_events(n_events: int, seed: int = 0) -> EventBatch:
    """Events of 41 particles in trees like those of B decays: two mesons, then daughters of what came before."""
    generator = np.random.default_rng(seed)
    n = n_events * N_PARTICLES
    index = np.tile(np.arange(N_PARTICLES), n_events)
    mother = np.where(index < 3, np.minimum(index, 1) - 1, generator.integers(0, 2**31, n) % np.maximum(index, 1))
    codes = generator.choice([511, -511, 421, 211, -211, 22, 321, 11, 310, 111], n)
    momentum = generator.normal(scale=0.5, size=(3, n))
    columns = {
        "arrayIndex": index, "PDG": codes, "motherIndex": mother, "mass": np.full(n, 0.14), "charge": np.zeros(n),
        "energy": np.sqrt((momentum**2).sum(0) + 0.02), "prodTime": generator.exponential(0.1, n),
        "x": generator.normal(size=n), "y": generator.normal(size=n), "z": generator.normal(size=n),
        "px": momentum[0], "py": momentum[1], "pz": momentum[2], "nDaughters": np.zeros(n), "status": np.ones(n),
        "motherPDG": np.zeros(n),
    }  # fmt: skip
    events = {"experiment": np.zeros(n_events), "run": np.zeros(n_events), "evtNum": np.arange(n_events)}
    return EventBatch.from_columns(np.full(n_events, N_PARTICLES), events, columns)


def bundle_of(config: ModelConfig) -> ModelBundle:
    """A network with random weights: they do not change what it costs."""
    torch.manual_seed(0)
    rule = GraphRule(token_table=getattr(config, "token_table", GraphRule().token_table))
    return ModelBundle(config, state_of(build_model(config)), rule)


def floor_of(n_nodes: int, n_events: int) -> Callable[[], None]:
    """The matrix products of GATGAP alone, by torch's BLAS, on the nodes of that many events."""
    inputs, nodes = torch.randn(n_nodes, 16), torch.randn(n_nodes, 128)
    first, others = torch.randn(16, 128), torch.randn(128, 128)
    states, to_state = torch.randn(n_events, 160), torch.randn(160, 32)
    out, out_states = torch.empty(n_nodes, 128), torch.empty(n_events, 32)

    def run() -> None:
        torch.mm(inputs, first, out=out)
        for _ in range(5):
            torch.mm(nodes, others, out=out)
        for _ in range(6):
            torch.mm(states, to_state, out=out_states)

    return run


def pyg_scorer(bundle: ModelBundle) -> Callable[[EventBatch], np.ndarray]:
    """Raw particles to scores with PyG's layers, graphs by our builder."""
    from benchmarks.pyg_gatgap import PyGGATGAP, pyg_inputs

    model = PyGGATGAP().eval()
    model.load(dict(bundle.state))

    def run(batch: EventBatch) -> np.ndarray:
        with torch.inference_mode():
            return torch.sigmoid(model(*pyg_inputs(build_graphs(batch, bundle.graph_rule)))).numpy()

    return run


def onnx_scorer(bundle: ModelBundle, threads: int) -> Scorer | None:
    """The exported model in ONNX Runtime, where it is installed."""
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return None
    from smartbkg.networks.model_file import load_scorer
    from smartbkg.networks.onnx.export import export_onnx

    folder = Path(tempfile.mkdtemp())
    export_onnx(bundle, folder / "m.onnx", folder / "m.json", is_batched=False)
    return load_scorer(folder / "m.onnx", model_config=folder / "m.json", threads=threads)


def contestants(threads: int) -> dict[str, Callable[[EventBatch], object]]:
    """Name → raw particles to scores."""
    gatgap = bundle_of(parse_config({"architecture": "gatgap"}))
    found: dict[str, Callable[[EventBatch], object]] = {}
    if HAS_PYG:
        found["GATGAP, PyG"] = pyg_scorer(gatgap)
    found["GATGAP, runtime"] = scorer_of(gatgap, threads=threads).scores
    in_operations = gatgap.build()
    in_operations.is_compiled = False
    in_torch = TorchBackend(gatgap.config, in_operations)
    found["GATGAP, torch"] = Scorer(in_torch, skims=gatgap.skims, graph_rule=gatgap.graph_rule).scores
    onnx = onnx_scorer(gatgap, threads)
    if onnx is not None:
        found["GATGAP, ONNX"] = onnx.scores
    transformer = bundle_of(parse_config({"architecture": "transformer"}))
    found["transformer, torch"] = Scorer(
        TorchBackend(transformer.config, transformer.build()),
        skims=transformer.skims,
        graph_rule=transformer.graph_rule,
    ).scores
    for name in ("transformer", "gat2", "deepset", "gcn"):
        try:
            found[name] = scorer_of(bundle_of(parse_config({"architecture": name})), threads=threads).scores
        except Exception as error:  # noqa: BLE001 - a network that is not there is a line, not a crash
            print(f"  {name}: left out: {error}")
    return found


def inference_table(threads: int) -> None:
    """Milliseconds per event for one event at a time, 64 and 1024."""
    torch.set_num_threads(threads)
    networks = contestants(threads)
    if HAS_PYG:
        events = make_events(8)
        np.testing.assert_allclose(networks["GATGAP, PyG"](events), networks["GATGAP, runtime"](events), atol=1e-5)
    columns: dict[int, dict[str, list[float]]] = {}
    for n_events, rounds in ((1, 300), (64, 20), (1024, 5)):
        batch = make_events(n_events)
        runs: dict[str, Callable[[], object]] = {
            name: lambda run=run, batch=batch: run(batch)
            for name, run in networks.items()
            if n_events < 1024 or "ONNX" not in name
        }
        runs["matrix products"] = floor_of(n_events * N_PARTICLES, n_events)
        columns[n_events] = take_turns(runs, rounds)
    print(f"\nInference, {threads} thread(s), ms per event (in brackets: PyG's over it)")
    print(f"{'':18}{'single':>16}{'p99':>9}{'batch 64':>18}{'batch 1024':>18}")
    for name in [*networks, "matrix products"]:
        line = f"{name:18}"
        for n_events, seconds in columns.items():
            if name not in seconds:
                line += f"{'-':>18}"
                continue
            cost = median(seconds[name]) / n_events
            ratio = f"({median(seconds['GATGAP, PyG']) / n_events / cost:.1f})" if HAS_PYG else ""
            line += f"{cost * 1e3:9.3f} {ratio:>7}" + (
                f"{percentile_99(seconds[name]) * 1e3:9.3f}" if n_events == 1 else ""
            )
        print(line)


def graph_table() -> None:
    """Microseconds per event to build graphs."""
    print("\nGraphs from raw particles, µs per event")
    for n_events in (1, 64, 1024):
        batch, rule = make_events(n_events), GraphRule()
        seconds = take_turns({"graphs": lambda batch=batch, rule=rule: build_graphs(batch, rule)}, 50)["graphs"]
        print(f"  {n_events:5} at once {median(seconds) / n_events * 1e6:8.1f}")


def training_table(threads: int) -> None:
    """Milliseconds per event of a step with Adam, over all weights at once, for all contestants."""
    torch.set_num_threads(threads)
    bundle = bundle_of(parse_config({"architecture": "gatgap"}))
    print(f"\nTraining step, {threads} thread(s), ms per event (in brackets: PyG's over it)")
    for n_events, rounds in ((128, 7), (1024, 3)):
        graphs = build_graphs(make_events(n_events), bundle.graph_rule)
        ours = bundle.build().train()
        plain = bundle.build().train()
        assert isinstance(plain, GATGAP)
        plain.is_compiled = False
        runs = {
            "GATGAP, compiled": training_step(ours, (collate(graphs),), n_events),
            "GATGAP, torch": training_step(plain, (collate(graphs),), n_events),
        }
        if HAS_PYG:
            from benchmarks.pyg_gatgap import PyGGATGAP, pyg_inputs

            runs["GATGAP, PyG"] = training_step(PyGGATGAP(), pyg_inputs(graphs), n_events)
        seconds = take_turns(runs, rounds)
        for name in runs:
            cost = median(seconds[name]) / n_events * 1e3
            ratio = f"({median(seconds['GATGAP, PyG']) / n_events * 1e3 / cost:.1f})" if HAS_PYG else ""
            print(f"  batch {n_events:5}  {name:18}{cost:9.3f} {ratio:>7}")


def training_step(model: torch.nn.Module, inputs: tuple[object, ...], n_events: int) -> Callable[[], None]:
    """One step of Adam on a binary cross entropy."""
    optimiser = torch.optim.Adam(model.parameters(), foreach=True)
    target = (torch.arange(n_events) % 2).float()

    def run() -> None:
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(*inputs)[:, 0], target).backward()
        optimiser.step()

    return run


_MEMORY_PROGRAM = """
from benchmarks.bench_networks import {function}
from benchmarks.memory import peak_memory
{function}()
print(peak_memory())
"""


def serve_4096_events() -> None:
    """Score without torch, as a filter job does."""
    from smartbkg.networks.gatgap.runtime import CompiledGATGAP

    bundle = bundle_of(parse_config({"architecture": "gatgap"}))
    CompiledGATGAP(bundle.config, bundle.state)(build_graphs(make_events(4096), bundle.graph_rule), np.full(4096, -1))


def train_1024_events() -> None:
    """One compiled training step."""
    bundle = bundle_of(parse_config({"architecture": "gatgap"}))
    training_step(bundle.build(), (collate(build_graphs(make_events(1024), bundle.graph_rule)),), 1024)()


def memory_table() -> None:
    """Peak resident memory, each in a process of its own."""
    print("\nPeak memory of the process, MB (this benchmark imports torch in each)")
    for function in ("bundle_of", "serve_4096_events", "train_1024_events"):
        program = _MEMORY_PROGRAM.format(function=function)
        if function == "bundle_of":
            program = program.replace("bundle_of()\n", "")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        name = {"bundle_of": "libraries alone"}.get(function, function.replace("_", " "))
        print(f"  {name:22}{float(done.stdout.split()[-1]):9.0f}")


def main() -> None:
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, numpy {np.__version__}")
    if not HAS_PYG:
        print("torch_geometric is not installed: its lines are left out (pip install torch_geometric)")
    graph_table()
    for threads in THREADS:
        if threads <= (os.cpu_count() or 1):
            inference_table(threads)
            training_table(threads)
    memory_table()
    print(f"Peak memory of this run: {peak_memory():.0f} MB")


if __name__ == "__main__":
    main()
