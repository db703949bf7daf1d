"""Files of every format that is read, undamaged, and how each is read: what `fuzzing` mutates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

#: Reads a file: how many events (or what else it lists), and a digest of all of it.
Read = Callable[[Path], tuple[int, str]]


class Format(NamedTuple):
    """A file to mutate, and how it is read."""

    name: str
    content: bytes
    suffix: str
    read: Read
    is_proven: bool
    """Whether every byte is covered by a checksum."""
    is_counted: bool = True
    """Whether the file says how many events it has."""


def _digest(columns: Mapping[str, Any], digest: Any) -> None:
    for name in sorted(columns):
        digest.update(f"{name} {columns[name].dtype} {columns[name].shape}".encode())
        digest.update(np.ascontiguousarray(columns[name]).tobytes())


def read_events(path: Path) -> tuple[int, str]:
    """Digest of all events of a file; one that comes twice is an error, as in every verb that draws."""
    from smartbkg.events.identity import unique_events
    from smartbkg.io import open_events

    digest, n_events = hashlib.sha256(), 0
    with open_events(path) as reader:
        for batch in unique_events(reader.batches(1000)):
            n_events += len(batch)
            _digest(batch.event, digest)
            _digest(batch.particle, digest)
            digest.update(batch.offsets.tobytes())
    return n_events, digest.hexdigest()


def read_flags(path: Path) -> tuple[int, str]:
    """Digest of the flags that are made of a table."""
    from smartbkg.datasets.make_flags import make_flags

    output = path.with_name("flags-of-mutated.parquet")
    make_flags([path], output, "skim")
    return read_a_table(output)


def read_a_table(path: Path) -> tuple[int, str]:
    """Digest of a table."""
    from smartbkg.io.tables import read_table

    digest, table = hashlib.sha256(), read_table(path)
    _digest(table.columns, digest)
    return len(table), digest.hexdigest()


def read_model(path: Path) -> tuple[int, str]:
    """Digest of a model."""
    from smartbkg.networks.bundle import load_bundle

    bundle = load_bundle(path)
    digest = hashlib.sha256(repr((bundle.calibration, bundle.policy, bundle.config, bundle.skims)).encode())
    _digest(bundle.state, digest)
    return len(bundle.state), digest.hexdigest()


def read_pth(path: Path) -> tuple[int, str]:
    """Digest of a model of upstream's format."""
    from smartbkg.networks.upstream import load_state_dict_file

    digest = hashlib.sha256()
    bundle = load_state_dict_file(path, model_config={"units": 8, "attention_heads": 2, "n_layers": 2})
    _digest(bundle.state, digest)
    return len(bundle.state), digest.hexdigest()


def read_onnx(path: Path) -> tuple[int, str]:
    """Digest of an exported ONNX model that ONNX Runtime takes."""
    from smartbkg.networks.onnx.backend import OnnxBackend

    content = path.read_bytes()
    OnnxBackend(content, str(path))
    return 1, hashlib.sha256(content).hexdigest()


def read_configuration(path: Path) -> tuple[int, str]:
    """A configuration of a training."""
    from smartbkg.training.config import read_config

    return 1, repr(read_config(path))


def read_store(path: Path) -> tuple[int, str]:
    """What a conditions store says."""
    from smartbkg.conditions import ConditionsStore

    store = ConditionsStore(path)
    found = [(tag, store.payloads(tag.name)) for tag in store.tags()]
    return len(found), repr(found)


#: Made by ROOT with HepMC3's own classes: `io/files/make_hepmc3_tree.py`.
_HEPMC3_TREE: Final = Path(__file__).parent / "io" / "files" / "two_runs.hepmc3.tree.root"
_FEATURES: Final = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz")


def make_formats(folder: Path, n_events: int) -> list[Format]:
    """A pristine file of each format."""
    makers = (_own_events, _others_hepmc, _root_events, _open_data, _tables, _models, _records)
    return [known for make in makers for known in make(folder, n_events)]


def _format(name: str, path: Path, suffix: str, read: Read, *, proven: bool = False, counted: bool = True) -> Format:
    return Format(name, path.read_bytes(), suffix, read, proven, counted)


def _own_events(folder: Path, n_events: int) -> Iterator[Format]:
    from synthetic import random_events

    from smartbkg.io import create_events
    from smartbkg.storage.provenance import record

    batch = random_events(n_events, seed=1)
    for suffix in (".parquet", ".hepmc3", ".hepmc3.gz", ".hepmc3.xz", ".hepmc3.zst", ".edm4hep.root"):
        with create_events(folder / f"e{suffix}", record("events", 1, {})) as writer:
            writer.write(batch)
        is_proven = suffix not in (".hepmc3", ".edm4hep.root")
        yield _format(f"events{suffix}", folder / f"e{suffix}", suffix, read_events, proven=is_proven)


def _others_hepmc(folder: Path, n_events: int) -> Iterator[Format]:
    from io_events import decay_event, hepmc_text

    (folder / "e.hepmc2").write_bytes(hepmc_text([decay_event(number) for number in range(1, n_events + 1)], 2))
    yield _format("events.hepmc2", folder / "e.hepmc2", ".hepmc2", read_events)
    yield _format("HepMC3 in ROOT", _HEPMC3_TREE, ".hepmc3.tree.root", read_events)


def _root_events(folder: Path, n_events: int) -> Iterator[Format]:
    from io_events import write_mdst

    ids = [(1, 1, number) for number in range(n_events)]
    write_mdst(folder / "e.root", ids)
    yield _format("mDST", folder / "e.root", ".root", read_events)
    write_mdst(folder / "u.root", ids, with_particles=False)
    yield _format("uDST without particles", folder / "u.root", ".root", read_flags)
    _edm4hep_tree(folder / "t.edm4hep.root", n_events)
    yield _format("EDM4hep in a TTree", folder / "t.edm4hep.root", ".edm4hep.root", read_events)


def _edm4hep_tree(path: Path, n_events: int) -> None:
    """Branches of members side by side, as podio's frames have them: an Υ(4S) that decays into B+ B-."""
    import awkward as ak
    import uproot

    from smartbkg.io.edm4hep.reader import _MEMBERS

    whole = {"PDG", "generatorStatus", "simulatorStatus", "parents_begin", "parents_end"}
    values = {"PDG": [300553, 521, -521], "generatorStatus": [2, 1, 1], "parents_begin": [0, 0, 1],
              "parents_end": [0, 1, 2], "mass": [10.58, 5.28, 5.28], "momentum.z": [0.3, 0.2, 0.1]}  # fmt: skip
    columns = {f"MCParticles.{one}": (values.get(one, [0, 0, 0]), "i4" if one in whole else "f4") for one in _MEMBERS}
    columns |= {"_MCParticles_parents.index": ([0, 0], "i4"), "EventHeader.runNumber": ([7], "i4"),
                "EventHeader.weight": ([0.5], "f8")}  # fmt: skip
    branches = {
        name: ak.from_regular(ak.Array(np.tile(np.array(one, dtype=kind), (n_events, 1))))
        for name, (one, kind) in columns.items()
    }
    branches["EventHeader.eventNumber"] = ak.from_regular(ak.Array(np.arange(1, n_events + 1, dtype=np.int32)[:, None]))
    with uproot.recreate(path) as file:
        file.mktree("events", {name: column.type for name, column in branches.items()})
        file["events"].extend(branches)


def _open_data(folder: Path, n_events: int) -> Iterator[Format]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from synthetic import random_events

    from smartbkg.io.parquet import batch_to_arrow

    batch = random_events(n_events, seed=1)
    pq.write_table(pa.Table.from_batches([batch_to_arrow(batch)]), folder / "foreign.parquet")
    yield _format("events.parquet of others", folder / "foreign.parquet", ".parquet", read_events)
    random = np.random.default_rng(1)
    particles = [
        [
            {"pdg": code, "index": k, "mother_index": k // 2, **dict(zip(_FEATURES, random.random(8), strict=True))}
            for k, code in enumerate((300553, 521, -521))
        ]
        for _ in range(n_events)
    ]
    table = pa.table({"label": np.arange(n_events) % 2 == 0, "particles": particles})
    pq.write_table(table, folder / "list.parquet", write_page_checksum=True)
    yield _format("lists of particles", folder / "list.parquet", ".parquet", read_events)
    feature, mother = np.zeros((n_events, 100, 9), dtype=np.float32), np.full((n_events, 100), -1, dtype=np.int16)
    feature[:, :3] = random.random((n_events, 3, 9))
    feature[:, :3, 8], mother[:, :3] = [1, 2, 3], [0, 0, 0]
    arrays = {"X_train_0": feature, "X_train_1": mother, "y_train": np.arange(n_events) % 2}
    np.savez_compressed(folder / "padded.npz", **arrays)
    yield _format("padded arrays", folder / "padded.npz", ".npz", read_events)


def _tables(folder: Path, n_events: int) -> Iterator[Format]:
    import uproot

    from smartbkg.io.tables import write_table
    from smartbkg.storage.provenance import record

    numbers = np.arange(n_events)
    ids = {"experiment": 0 * numbers, "run": 0 * numbers + 1, "evtNum": numbers}
    write_table(folder / "t.parquet", {**ids, "passes_skim": numbers % 2 == 0}, record("flags", 1, {}))
    yield _format("flags.parquet", folder / "t.parquet", ".parquet", read_a_table, proven=True)
    rows = "\n".join(f"0,1,{number}" for number in range(n_events))
    (folder / "t.csv").write_text(f"experiment,run,evtNum\n{rows}\n")
    yield _format("flags.csv", folder / "t.csv", ".csv", read_flags, counted=False)
    with uproot.recreate(folder / "n.root") as file:
        file["ntuple"] = {
            f"__{name}__": ids[part] for name, part in zip(("experiment", "run", "event"), ids, strict=True)
        }
    yield _format("n-tuple.root", folder / "n.root", ".root", read_flags)


def _models(folder: Path, _n_events: int) -> Iterator[Format]:
    import onnx
    from networks.onnx.test_export import upstream_like

    from smartbkg.networks import ModelBundle, build_model, parse_config, save_bundle
    from smartbkg.networks.bundle import state_of
    from smartbkg.networks.digests import SEALED_KEY, sealed
    from smartbkg.networks.upstream import save_state_dict_file

    config = parse_config({"architecture": "gatgap", "units": 8, "attention_heads": 2, "n_layers": 2})
    bundle = ModelBundle(config, state_of(build_model(config)))
    save_bundle(folder / "m.safetensors", bundle)
    yield _format("model.safetensors", folder / "m.safetensors", ".safetensors", read_model, proven=True)
    save_state_dict_file(folder / "m.pth", bundle)
    yield _format("model.pth", folder / "m.pth", ".pth", read_pth, proven=True)
    upstream_like(folder / "u.onnx", 3)
    model = onnx.load(folder / "u.onnx")
    onnx.helper.set_model_props(model, {SEALED_KEY: "1"})
    (folder / "m.onnx").write_bytes(sealed(model.SerializeToString()))
    yield _format("model.onnx", folder / "m.onnx", ".onnx", read_onnx, proven=True)


def _records(folder: Path, _n_events: int) -> Iterator[Format]:
    from smartbkg.conditions import ALWAYS, ConditionsStore
    from smartbkg.storage.configuration import as_yaml
    from smartbkg.training.config import TrainingConfig

    (folder / "payload").write_bytes(bytes(range(256)))
    store = ConditionsStore(folder / "store")
    for number in range(3):
        store.put("Main", f"payload{number}", folder / "payload", ALWAYS, is_new=number == 0)
    yield _format("store.sqlite", store.database, ".sqlite", read_store, proven=True)
    (folder / "c.yaml").write_text(as_yaml(TrainingConfig()))
    yield _format("configuration.yaml", folder / "c.yaml", ".yaml", read_configuration)
