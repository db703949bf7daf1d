"""HepMC3 in ROOT: the tree of HepMC3's ``WriterRootTree``, ``.hepmc3.tree.root``, read with uproot.

An entry is a ``GenEventData`` with its ``GenRunInfoData`` (HepMC3: ``include/HepMC3/Data``, ``rootIO/src``), in split
branches. Each becomes the text that HepMC3's own writer of Asciiv3 would make of it, numbers with all their digits, and
goes through the one parser of the text: weights, units, positions, attributes and runs mean the same in both forms.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.io.hepmc.formatting import cut, joined, lines_of, placed
from smartbkg.io.hepmc.reader import HepMCReader
from smartbkg.io.reader import EventFormat, ReadOptions
from smartbkg.io.root import check_entries, open_root, read_ranges, root_errors, root_recogniser
from smartbkg.io.root_volume import Volume

_START: Final = b"HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
_END: Final = b"HepMC::Asciiv3-END_EVENT_LISTING\n\n"
#: Values of HepMC3::Units::MomentumUnit and LengthUnit.
_MOMENTUM_UNITS: Final = (b"MEV", b"GEV")
_LENGTH_UNITS: Final = (b"MM", b"CM")
#: Branches by which the tree is known, whatever it and the branch of its events are called.
_NEEDED: Final = ("event_number", "particles.pid", "particles.momentum.m_v4", "vertices.status", "links1", "links2")
_RUN: Final = ("weight_names", "tool_name", "tool_version", "tool_description", "attribute_name", "attribute_string")
_RUN_OBJECT: Final = "GenRunInfo"
#: Bytes of length and version before a vector; the length of a text that says that four bytes of length follow.
_HEAD_BYTES: Final = 6
_LONG: Final = 255
#: Entries that are made text together.
_STEP: Final = 500


class _Run(NamedTuple):
    """One ``GenRunInfoData``."""

    names: tuple[str, ...]
    tools: tuple[tuple[str, str, str], ...]
    attributes: tuple[tuple[str, str], ...]

    def header(self) -> bytes:
        """The lines that begin its listing."""
        lines = [f"W {_escaped(chr(10).join(self.names))}"] if self.names else []
        lines += [f"A {name} {_escaped(content)}" for name, content in self.attributes]
        lines += [f"T {_escaped(chr(10).join(tool))}" for tool in self.tools]
        return _START + "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\|")


def _texts_of(raw: bytes) -> list[str]:
    """A ``std::vector<std::string>`` as ROOT writes it: a head, the number of texts, and each after its length.

    Raises
    ------
    ValueError
        It is cut short, or longer than it says.
    """
    n_texts = int.from_bytes(raw[_HEAD_BYTES : _HEAD_BYTES + 4])
    texts, at = [], _HEAD_BYTES + 4
    for _ in range(n_texts):
        size, at = raw[at], at + 1
        if size == _LONG:
            size, at = int.from_bytes(raw[at : at + 4]), at + 4
        texts.append(raw[at : at + size].decode(errors="surrogateescape"))
        at += size
    if at != len(raw):
        raise ValueError(f"a list of {n_texts} texts takes {len(raw)} bytes, expected {at}")
    return texts


def _tree_of(file: Any) -> Any | None:
    """The first tree that has the branches of HepMC3's events."""
    for name in file.keys(filter_classname="TTree", cycle=False):
        known = {str(branch).rsplit("/", 1)[-1] for branch in file[name].keys()}  # noqa: SIM118
        if known.issuperset(_NEEDED):
            return file[name]
    return None


class _Entries:
    """The entries of the tree of a file, as text."""

    def __init__(self, path: Path) -> None:
        self._source = str(path)
        self._file = open_root(path)
        with root_errors(self._source, "tree of HepMC3"):
            tree = _tree_of(self._file)
            if tree is None:
                raise FileFormatError(f"{path}: no tree of HepMC3 events")
            self._tree: Any = tree
            self.n_entries = int(tree.num_entries)
            names = [str(name) for name in tree.keys()]  # noqa: SIM118
        of_run = [name for name in names if name.startswith(f"{_RUN_OBJECT}/")]
        self._run_branches = {name.rsplit("/", 1)[-1]: name for name in of_run}
        self._branches = {name.rsplit("/", 1)[-1]: name for name in names if name not in of_run}
        self.says_runs = bool(of_run)

    def close(self) -> None:
        self._file.close()

    def volume(self) -> Volume:
        """Of all its branches."""
        with root_errors(self._source, "list of branches"):
            return Volume(self._tree)

    def read(self, start: int, stop: int) -> list[tuple[_Run, bytes]]:
        """The run and the text of some entries.

        Raises
        ------
        FileFormatError
            They cannot be read, or contradict themselves.
        """
        with root_errors(self._source, f"entries {start} to {stop - 1}"):
            return list(zip(self._runs(start, stop), self._events(start, stop), strict=True))

    def _array(self, name: str, start: int, stop: int) -> Any:
        branch = self._tree[name]
        check_entries(branch, self.n_entries)
        return branch.array(library="ak", entry_start=start, entry_stop=stop)

    def _of_event(self, name: str, start: int, stop: int) -> Any:
        return self._array(self._branches[name], start, stop)

    def _runs(self, start: int, stop: int) -> list[_Run]:
        if not self.says_runs:
            return [_Run((), (), ())] * (stop - start)
        columns = [self._raw_texts(self._run_branches[name], start, stop) for name in _RUN]
        known: dict[tuple[bytes, ...], _Run] = {}
        runs = []
        for raw in zip(*columns, strict=True):
            if raw not in known:
                names, *tools, keys, values = map(_texts_of, raw)
                known[raw] = _Run(tuple(names), tuple(zip(*tools, strict=True)), tuple(zip(keys, values, strict=True)))
            runs.append(known[raw])
        return runs

    def _raw_texts(self, name: str, start: int, stop: int) -> list[bytes]:
        """What stands in the file for each entry's vector of texts: uproot's own objects take most of the time."""
        import awkward as ak
        import uproot

        branch = self._tree[name]
        check_entries(branch, self.n_entries)
        raw = uproot.AsJagged(uproot.AsDtype("u1"))
        array = branch.array(raw, library="ak", entry_start=start, entry_stop=stop)
        content = ak.to_numpy(ak.flatten(array)).tobytes()
        ends = np.cumsum(ak.to_numpy(ak.num(array))).tolist()
        return [content[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _flat(self, name: str, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        import awkward as ak

        array = self._of_event(name, start, stop)
        return ak.to_numpy(ak.num(array)).astype(np.int64), np.asarray(ak.to_numpy(ak.flatten(array)))

    def _events(self, start: int, stop: int) -> list[bytes]:
        numbers = np.asarray(self._of_event("event_number", start, stop))
        counts, code = self._flat("particles.pid", start, stop)
        n_vertices, vertex_status = self._flat("vertices.status", start, stop)
        made_in, incoming = self._links(counts, n_vertices, start, stop)
        bodies = self._bodies(counts, code, n_vertices, vertex_status, made_in, incoming, start, stop)
        position = np.stack([np.asarray(self._of_event(f"event_pos.m_v{k}", start, stop)) for k in range(1, 5)], axis=1)
        places = joined(*position.T, by=" ").to_pylist()
        momentum_unit, length_unit = (
            np.asarray(self._of_event(name, start, stop)) for name in ("momentum_unit", "length_unit")
        )
        if not (np.isin(momentum_unit, (0, 1)) & np.isin(length_unit, (0, 1))).all():
            raise ValueError("units are not MEV or GEV and MM or CM")
        weight_counts, weights = self._flat("weights", start, stop)
        weight_lines = cut(joined(" ", weights), weight_counts)
        attributes = self._attributes(start, stop)
        texts = []
        for k, number in enumerate(numbers.tolist()):
            at = b" @ " + places[k].encode() if position[k].any() else b""
            head = b"E %d %d %d%s\n" % (number, n_vertices[k], counts[k], at)
            head += b"U %s %s\n" % (_MOMENTUM_UNITS[momentum_unit[k]], _LENGTH_UNITS[length_unit[k]])
            if weight_counts[k]:
                head += b"W" + weight_lines[k] + b"\n"
            texts.append(head + attributes[k] + bodies[k])
        return texts

    def _links(
        self, counts: NDArray[np.int64], n_vertices: NDArray[np.int64], start: int, stop: int
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Number of the vertex that each particle is made in, 0 for none, and the particles that enter each vertex.

        A link is (particle, vertex) for a particle that enters, (vertex, particle) for one that leaves; vertices have
        negative numbers.
        """
        n_links, one = self._flat("links1", start, stop)
        n_others, other = self._flat("links2", start, stop)
        if not np.array_equal(n_links, n_others):
            raise ValueError("links1 and links2 differ in length")
        event = np.repeat(np.arange(len(n_links)), n_links)
        is_in = one > 0
        particle, vertex = np.where(is_in, one, other), -np.where(is_in, other, one)
        if not ((particle > 0) & (particle <= counts[event]) & (vertex > 0) & (vertex <= n_vertices[event])).all():
            wrong = int(
                event[(particle < 1) | (particle > counts[event]) | (vertex < 1) | (vertex > n_vertices[event])][0]
            )
            raise ValueError(f"a link of entry {start + wrong} is to a particle or vertex that is not in the event")
        first_particle, first_vertex = np.cumsum(counts) - counts, np.cumsum(n_vertices) - n_vertices
        made_in = np.zeros(int(counts.sum()), dtype=np.int64)
        made_in[(first_particle[event] + particle - 1)[~is_in]] = -vertex[~is_in]
        entering: list[list[str]] = [[] for _ in range(int(n_vertices.sum()))]
        places = (first_vertex[event] + vertex - 1)[is_in].tolist()
        for place, number in zip(places, particle[is_in].tolist(), strict=True):
            entering[place].append(str(number))
        return made_in, [",".join(one) or "0" for one in entering]

    def _bodies(
        self,
        counts: NDArray[np.int64],
        code: NDArray[np.int32],
        n_vertices: NDArray[np.int64],
        vertex_status: NDArray[np.int32],
        made_in: NDArray[np.int64],
        incoming: list[str],
        start: int,
        stop: int,
    ) -> list[bytes]:
        """Lines of particles and vertices of each event, each vertex before the first particle that it makes."""
        import pyarrow as pa

        columns = {
            name: self._flat(f"particles.{name}", start, stop)[1]
            for name in ("status", "is_mass_set", "mass", *(f"momentum.m_v{k}" for k in range(1, 5)))
        }
        momentum = [columns[f"momentum.m_v{k}"] for k in range(1, 5)]
        mass = np.where(columns["is_mass_set"], columns["mass"], _invariant_mass(momentum))
        event = np.repeat(np.arange(len(counts)), counts)
        first_particle, first_vertex = np.cumsum(counts) - counts, np.cumsum(n_vertices) - n_vertices
        number = np.arange(len(code)) - first_particle[event] + 1
        particles = lines_of("P", number, made_in, code, *momentum, mass, columns["status"])
        place = np.stack([self._flat(f"vertices.position.m_v{k}", start, stop)[1] for k in range(1, 5)], axis=1)
        vertex_event = np.repeat(np.arange(len(counts)), n_vertices)
        identity = first_vertex[vertex_event] - np.arange(len(vertex_status)) - 1
        at = joined(" @ ", joined(*place.T, by=" "))
        has_place = np.flatnonzero((place != 0).any(axis=1))
        vertices = joined(
            joined("V", identity, vertex_status, joined("[", pa.array(incoming, pa.large_string()), "]"), by=" "),
            placed(at.take(pa.array(has_place)), has_place, len(identity)),
            "\n",
        )
        has_vertex = np.flatnonzero(made_in < 0)
        used, first = np.unique(first_vertex[event[has_vertex]] - made_in[has_vertex] - 1, return_index=True)
        before = placed(vertices.take(pa.array(used)), has_vertex[first], len(code))
        bodies = cut(joined(before, particles), counts)
        idle = np.setdiff1d(np.arange(len(identity)), used)
        behind = cut(vertices.take(pa.array(idle)), np.bincount(vertex_event[idle], minlength=len(counts)))
        return [body + rest for body, rest in zip(bodies, behind, strict=True)]

    def _attributes(self, start: int, stop: int) -> list[bytes]:
        identities = self._of_event("attribute_id", start, stop).to_list()
        columns = [
            map(_texts_of, self._raw_texts(self._branches[f"attribute_{name}"], start, stop))
            for name in ("name", "string")
        ]
        return [
            "".join(
                f"A {identity} {name} {_escaped(content)}\n"
                for identity, name, content in zip(owners, names, contents, strict=True)
                if name
            ).encode(errors="surrogateescape")
            for owners, names, contents in zip(identities, *columns, strict=True)
        ]


def _invariant_mass(momentum: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(n,) mass, negative where energy² is less than momentum², as HepMC3's ``FourVector::m``."""
    x, y, z, energy = momentum
    squared = energy * energy - (x * x + y * y + z * z)
    return np.copysign(np.sqrt(np.abs(squared)), np.where(squared > 0, 1.0, -1.0))


class _Text(io.RawIOBase):
    """Pieces of text as a stream, from the entries of a file that it closes."""

    def __init__(self, entries: _Entries, pieces: Iterator[bytes]) -> None:
        self._entries = entries
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        self._entries.close()
        super().close()


class HepMCRootReader(HepMCReader):
    """Streams the entries of the tree."""

    def __init__(self, path: Path, options: ReadOptions | None = None) -> None:
        super().__init__(self._open_text, str(path), 3, options)
        self._path = path
        self.metadata = {"format": "HepMC3 in ROOT"}
        entries = _Entries(path)
        self.n_events = entries.n_entries
        if not entries.says_runs:
            self.warn("its run information is an object of HepMC3 3.0, which is not read: weights have no names")
        entries.close()
        self.look_at_header()

    def _open_text(self) -> IO[bytes]:
        entries = _Entries(self._path)
        return cast(IO[bytes], io.BufferedReader(_Text(entries, self._pieces(entries))))

    def _pieces(self, entries: _Entries) -> Iterator[bytes]:
        last: _Run | None = None
        for events in read_ranges(self, entries.n_entries, _STEP, entries.read, entries.volume()):
            for run, text in events:
                if run != last:
                    yield (_END if last is not None else b"") + run.header()
                    last = run
                yield text
        yield _END if last is not None else _START + _END


HEPMC3_ROOT = EventFormat(
    name="hepmc3-root",
    description="HepMC3 in a ROOT tree (WriterRootTree)",
    suffixes=(".hepmc3.tree.root",),
    recognises=root_recogniser("tree of HepMC3", lambda file, _: _tree_of(file) is not None),
    open=HepMCRootReader,
)

__all__ = ["HEPMC3_ROOT", "HepMCRootReader"]
