"""Small files that hold or announce gigabytes: each must end in an error that names it, long before they are unpacked.

    python bombs.py FOLDER

makes them all, in a process of its own: memory that was used to make them would hide what reading them takes.
"""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from pristine import Read, read_a_table, read_configuration, read_events, read_flags, read_model, read_onnx, read_pth

_HEPMC: Final = b"HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
_BLOCK: Final = 1 << 24
_N_BLOCKS: Final = 128  # 2 GiB
#: Bytes of a column of zeros.
_ZEROS: Final = 400_000_000

#: What a bomb is called, who makes it in a folder, and who reads it.
BOMBS: dict[str, tuple[Callable[[Path], Path], Read]] = {}


def _bomb(name: str, read: Read) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    def listed(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        BOMBS[name] = make, read
        return make

    return listed


def _zstd(content: bytes) -> bytes:
    from smartbkg.io.zstandard import zstandard

    module = zstandard()
    return bytes(module.compress(content, options={module.CompressionParameter.checksum_flag: 1}))


_PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"gz": gzip.compress, "xz": lzma.compress, "zst": _zstd}
#: Text that goes on and on: what of it → begin, and what is repeated.
_ENDLESS: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "zeros": (_HEPMC + b"E 1 0 0\n", bytes(_BLOCK)),
    "an event without end": (_HEPMC + b"E 1 0 1\nU GEV MM\n", b"P 1 0 211 0 0 0 1 1 1\n" * (_BLOCK // 22)),
    "a header of blank lines": (_HEPMC, b"\n" * _BLOCK),
    "a header in one line": (_HEPMC + b"T ", b"x" * _BLOCK),
    "an event in one line": (_HEPMC + b"E ", b"1" * _BLOCK),
}


def _packed(folder: Path, suffix: str, content: str) -> Path:
    begin, block = _ENDLESS[content]
    path, pack = folder / f"bomb.hepmc3.{suffix}", _PACKERS[suffix]
    path.write_bytes(pack(begin) + pack(block) * _N_BLOCKS)
    return path


for _suffix in _PACKERS:
    for _content in _ENDLESS if _suffix == "gz" else ("an event without end",):
        BOMBS[f"{_suffix} of {_content}"] = (
            lambda folder, suffix=_suffix, content=_content: _packed(folder, suffix, content),
            read_events,
        )


@_bomb("xz with a dictionary of 1.5 GiB", read_events)
def _dictionary(folder: Path) -> Path:
    content = bytearray(lzma.compress(_HEPMC + b"E 1 0 1\n" + bytes(_BLOCK), preset=0))
    size = (content[12] + 1) * 4  # of the block header, https://tukaani.org/xz/xz-file-format.txt 3.1
    place = content.index(b"\x21\x01", 12) + 2
    content[place] = 37
    content[12 + size - 4 : 12 + size] = zlib.crc32(content[12 : 12 + size - 4]).to_bytes(4, "little")
    path = folder / "bomb.hepmc3.xz"
    path.write_bytes(content)
    return path


@_bomb("zstd with a window of 2 GiB", read_events)
def _window(folder: Path) -> Path:
    path = folder / "bomb.hepmc3.zst"
    #: A frame header without a size: a window of 2 GiB (RFC 8878, 3.1.1.1), then a block of repeated bytes.
    path.write_bytes(b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\xfb\xff\x0f0" * 20_000)
    return path


@_bomb("Parquet with ten million particles of an event", read_events)
def _one_event(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from smartbkg.events.columns import EVENT_DTYPES, PARTICLE_DTYPES

    n = 10_000_000
    columns: dict[str, Any] = {name: np.zeros(1, kind) for name, kind in EVENT_DTYPES.items()}
    columns = {name: pa.array(one if one.dtype.kind != "U" else ["x"]) for name, one in columns.items()}
    columns |= {
        name: pa.ListArray.from_arrays([0, n], pa.array(np.zeros(n, kind))) for name, kind in PARTICLE_DTYPES.items()
    }
    pq.write_table(pa.table(columns), folder / "bomb.parquet", compression="zstd")
    return folder / "bomb.parquet"


@_bomb("Parquet table of fifty million rows", read_a_table)
def _rows(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    zeros = pa.array(np.zeros(50_000_000, dtype=np.int64))
    pq.write_table(
        pa.table(dict.fromkeys(("experiment", "run", "evtNum"), zeros)),
        folder / "bomb.parquet",
        row_group_size=50_000_000,
    )
    return folder / "bomb.parquet"


@_bomb("Parquet with a text of a megabyte in 2,000 rows", read_a_table)
def _texts(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.DictionaryArray.from_arrays(np.zeros(2000, dtype=np.int32), ["x" * 1_000_000])
    ids = {name: np.arange(2000) for name in ("experiment", "run", "evtNum")}
    pq.write_table(pa.table(ids | {"process": text}), folder / "bomb.parquet", store_schema=False)
    return folder / "bomb.parquet"


@_bomb("ROOT n-tuple of a basket of zeros", read_flags)
def _basket(folder: Path) -> Path:
    import uproot

    ids = {"__experiment__": "i1", "__run__": "i1", "__event__": "i4"}
    with uproot.recreate(folder / "bomb.root", compression=uproot.ZLIB(1)) as file:
        file["ntuple"] = {name: np.zeros(_ZEROS // 4, dtype=kind) for name, kind in ids.items()}
    return folder / "bomb.root"


@_bomb("EDM4hep with millions of particles of an event", read_events)
def _particles(folder: Path) -> Path:
    import awkward as ak
    import uproot

    from smartbkg.io.edm4hep.reader import _MEMBERS

    n = 10_000_000
    jagged = {
        kind: ak.Array(ak.contents.ListOffsetArray(ak.index.Index64([0, n]), ak.contents.NumpyArray(np.zeros(n, kind))))
        for kind in ("i4", "f4")
    }
    whole = {"PDG", "generatorStatus", "simulatorStatus", "parents_begin", "parents_end"}
    branches = {f"MCParticles.{one}": jagged["i4" if one in whole else "f4"] for one in _MEMBERS}
    branches["_MCParticles_parents.index"] = jagged["i4"]
    with uproot.recreate(folder / "bomb.edm4hep.root", compression=uproot.ZLIB(1)) as file:
        file.mktree("events", {name: one.type for name, one in branches.items()})
        file["events"].extend(branches)
    return folder / "bomb.edm4hep.root"


@_bomb("RNTuple of EDM4hep with millions of particles", read_events)
def _ntuple(folder: Path) -> Path:
    import awkward as ak
    import uproot

    from smartbkg.io.edm4hep.reader import _MEMBERS

    n = 5_000_000
    members = {name: np.zeros(n, "f4") for name in ("charge", "time", "mass", "parents_begin")}
    members |= {one: np.zeros(n, "i4") for one in _MEMBERS if "." not in one and one not in members}
    vector = ak.zip({axis: np.zeros(n, "f4") for axis in "xyz"})
    array = ak.zip({**members, "vertex": vector, "momentum": vector}, depth_limit=1)
    with uproot.recreate(folder / "bomb.edm4hep.root", compression=uproot.ZSTD(1)) as file:
        content = ak.Array(
            {
                "MCParticles": ak.unflatten(array, [n]),
                "_MCParticles_parents": ak.unflatten(ak.zip({"index": np.zeros(n, "i4")}), [n]),
            }
        )
        file.mkrntuple("events", content)
    return folder / "bomb.edm4hep.root"


def _npz(folder: Path, shape: tuple[int, ...], n_bytes: int) -> Path:
    """An archive whose first array announces a shape and holds that many zeros."""
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (its_shape, its_bytes) in {
            "X_train_0": (shape, n_bytes),
            "X_train_1": ((shape[0], 100), 2 * 100 * shape[0]),
            "y_train": ((shape[0],), shape[0]),
        }.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                kind = {"X_train_0": "<f4", "X_train_1": "<i2", "y_train": "|i1"}[name]
                header = {"descr": kind, "fortran_order": False, "shape": its_shape}
                np.lib.format.write_array_header_1_0(part, header)
                for start in range(0, its_bytes, _BLOCK):
                    part.write(bytes(min(_BLOCK, its_bytes - start)))
    return folder / "bomb.npz"


BOMBS["npz with an event of 400 megabytes"] = (
    lambda folder: _npz(folder, (1, 100, 1_000_000), 400_000_000),
    read_events,
)
BOMBS["npz that announces an event of a terabyte"] = (
    lambda folder: _npz(folder, (1, 100, 2_500_000_000), 1000),
    read_events,
)


@_bomb("safetensors with a header of a terabyte", read_model)
def _header(folder: Path) -> Path:
    path = folder / "bomb.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    return path


@_bomb("safetensors that announces a terabyte", read_model)
def _tensor(folder: Path) -> Path:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}).encode()
    path = folder / "bomb.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


@_bomb("pth with packed parts", read_pth)
def _pth(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("archive/data.pkl", "archive/data/0"):
            with archive.open(name, "w", force_zip64=True) as part:
                for _ in range(_N_BLOCKS // 8):
                    part.write(bytes(_BLOCK))
    return folder / "bomb.pth"


@_bomb("ONNX that announces a terabyte", read_onnx)
def _initializer(folder: Path) -> Path:
    import onnx

    return _onnx(folder, [], [onnx.TensorProto(name="w", data_type=1, dims=[1 << 38])])


@_bomb("ONNX that computes a gigabyte of constants", read_onnx)
def _constants(folder: Path) -> Path:
    import onnx
    from onnx import numpy_helper

    shape = numpy_helper.from_array(np.array([260_000_000], dtype=np.int64), "shape")
    big = onnx.helper.make_node("ConstantOfShape", ["shape"], ["big"])
    return _onnx(folder, [big, onnx.helper.make_node("ReduceSum", ["big"], ["w"], keepdims=0)], [shape])


def _onnx(folder: Path, nodes: list[Any], initializers: list[Any]) -> Path:
    from onnx import TensorProto, helper

    node = helper.make_node("Add", ["x", "w"], ["output"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8]) for name in ("x", "output")]
    graph = helper.make_graph([*nodes, node], "bomb", ends[:1], ends[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "bomb.onnx").write_bytes(model.SerializeToString())
    return folder / "bomb.onnx"


@_bomb("YAML of references to references", read_configuration)
def _laughs(folder: Path) -> Path:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    (folder / "bomb.yaml").write_text("\n".join([*lines, "optimiser: *a11", "network: *a11"]) + "\n")
    return folder / "bomb.yaml"


@_bomb("YAML of brackets", read_configuration)
def _brackets(folder: Path) -> Path:
    (folder / "bomb.yaml").write_text("optimiser: " + "[" * 100_000)
    return folder / "bomb.yaml"


def make_bombs(folder: Path) -> dict[str, Path]:
    """Every bomb in a folder of its own, made by a process of its own."""
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(zip(BOMBS, map(Path, done.stdout.splitlines()), strict=True))


if __name__ == "__main__":
    for number, (make, _) in enumerate(BOMBS.values()):
        own = Path(sys.argv[1]) / str(number)
        own.mkdir()
        print(make(own))
