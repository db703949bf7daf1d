"""EDM4hep: ROOT files of podio, as TTree or RNTuple, with a collection of ``edm4hep::MCParticle``.

Layout: https://edm4hep.web.cern.ch. Units GeV, mm, ns. Parents are indices in a relation beside the collection, called
``<collection>#0`` by older podio and ``_<collection>_parents`` by podio 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError, nearest
from smartbkg.events import EventBatch
from smartbkg.events.columns import EVENT_NUMBER, ParticleStatus
from smartbkg.io.ancestry import nearest_mothers
from smartbkg.io.edm4hep.frames import Frames, Original
from smartbkg.io.edm4hep.header import EventHeaders, header_of
from smartbkg.io.edm4hep.parameters import file_parameters, own_parameters
from smartbkg.io.edm4hep.writer import WEIGHT_NAMES, create
from smartbkg.io.hepmc.tree import status_bits
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventFormat, EventReader, ReadOptions
from smartbkg.io.records import assemble
from smartbkg.io.root import check_entries, open_root, read_ranges, root_errors, root_recogniser
from smartbkg.io.root_volume import Volume, is_rntuple
from smartbkg.storage.json_content import from_json
from smartbkg.storage.provenance import METADATA_KEY

FORMAT: Final = "edm4hep"
TREE: Final = "events"
_SUBSET: Final = "_objIdx"
_VECTOR_OF_PODIO_0: Final = re.compile(r"_\d+$")
#: Collections taken without being asked for, in this order, where a file holds several.
_USUAL: Final = ("MCParticles", "MCParticle", "Particle", "GenParticles")
_MM: Final = 0.1  # cm
#: What uproot before 5.6.4 puts into the names of members of an RNTuple's lists.
_ITEM: Final = "._0"
_CROSS_SECTIONS: Final = ".crossSections_begin"
#: Bit of ``simulatorStatus``: made by the detector simulation.
_CREATED_IN_SIMULATION: Final = 1 << 30

_MEMBERS: Final = (
    "PDG", "generatorStatus", "simulatorStatus", "charge", "time", "mass", "vertex.x", "vertex.y", "vertex.z",
    "momentum.x", "momentum.y", "momentum.z", "parents_begin", "parents_end",
)  # fmt: skip


class _Columns:
    """Members of a collection, the same for both kinds of file: dotted names, lists flat."""

    def __init__(self, tree: Any, source: str) -> None:
        self.tree = tree
        self.source = source
        self.is_ntuple = is_rntuple(tree)
        counters = _counters(tree)
        found = [str(name).split("/")[-1] for name in tree.keys() if str(name).split("/")[-1] not in counters]  # noqa: SIM118
        #: Names of branches in the order of the file, counters of lists left out.
        #: Older uproot names the items of an RNTuple's lists on the way to their members.
        self._stored = {name.replace(_ITEM, "") if self.is_ntuple else name: name for name in found}
        self.names = list(self._stored)
        #: Of such a file: the collection and entries that were read last, for one member after the other is asked for.
        self._whole: tuple[tuple[str, int, int], Any] | None = None
        self._known = set(self.names)

    def has(self, collection: str, member: str) -> bool:
        return f"{collection}.{member}" in self._known

    def read(self, collection: str, member: str, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Lengths of the lists and their values one after the other."""
        return self.read_vector(f"{collection}.{member}", start, stop)

    def read_vector(self, name: str, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The same of a branch that is no member of a collection."""
        import awkward as ak

        if start == stop:  # uproot before 5.7 fails at a file without entries
            return np.empty(0, dtype=np.int64), np.empty(0)
        with root_errors(self.source, f"entries {start} to {stop - 1} of {name}"):
            if not self.is_ntuple:
                check_entries(self.tree[name], int(self.tree.num_entries))
            array = self._array(name, start, stop)
            if array.ndim == 1:
                array = ak.unflatten(array, 1)
            counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64)
            return counts, np.asarray(ak.to_numpy(ak.flatten(array, axis=1)))

    def volume(self, names: Sequence[str]) -> Volume:
        """Of some branches; an RNTuple counts whole."""
        known = [name for name in names if name in self._known]
        return Volume(self.tree, None if self.is_ntuple else [self.tree[self._stored[name]] for name in known])

    def _array(self, name: str, start: int, stop: int) -> Any:
        """A field of the entries, from its whole collection where uproot loses the lists of a member read alone."""
        stored = self._stored.get(name, name)
        if _ITEM not in stored:
            return self.tree[stored].array(entry_start=start, entry_stop=stop)
        collection, *members = name.split(".")
        if self._whole is None or self._whole[0] != (collection, start, stop):
            array = self.tree[collection].array(entry_start=start, entry_stop=stop)
            self._whole = (collection, start, stop), array
        array = self._whole[1]
        for member in members:
            array = array[member]
        return array


def _counters(tree: Any) -> set[str]:
    """Names of the branches that only say how long others are."""
    branches = getattr(tree, "itervalues", None)
    if is_rntuple(tree) or branches is None:
        return set()
    counting = (getattr(branch, "count_branch", None) for branch in branches(recursive=True))
    # uproot names a list of a split branch as the counter of the others: a counter holds no lists itself
    return {str(one.name) for one in counting if one is not None and getattr(one, "count_branch", None) is None}


def collections_of(columns: _Columns) -> list[str]:
    """Names of the particle collections."""
    found = {name.removesuffix(".generatorStatus") for name in columns.names if name.endswith(".generatorStatus")}
    return sorted(name for name in found if columns.has(name, "PDG") and columns.has(name, "parents_begin"))


class Edm4hepReader(EventReader):
    """Streams the entries of the tree ``events``."""

    def __init__(self, path: Path, options: ReadOptions | None = None) -> None:
        super().__init__(str(path), options)
        self._file = open_root(path)
        with root_errors(self.source, "tree 'events'"):
            self._columns = _Columns(self._file[TREE], self.source)
            self.n_events = int(self._columns.tree.num_entries)
        self._collection = self._choose()
        names = (f"{self._collection}#0", f"_{self._collection}_parents")
        self._parents = next((name for name in names if self._columns.has(name, "index")), None)
        if self._parents is None:
            raise FileFormatError(f"{self.source}: no parents of '{self._collection}': neither {' nor '.join(names)}")
        self._parameters = file_parameters(self._file, self.source)
        weight_names = self._parameters.get(WEIGHT_NAMES, [])
        self._headers = EventHeaders(self._columns, self.n_events, self.warn, weight_names)
        self.metadata = {**self._record(), "format": "EDM4hep", "collection": self._collection}
        self._frames = self._whole(path) if self.options.written_as else None

    @property
    def other_collections(self) -> list[str]:
        """Names of the collections beside the particles and the header."""
        found = {name.split(".")[0].split("#")[0].removesuffix(_SUBSET) for name in self._columns.names}
        known = {self._collection, header_of(self._columns), "PARAMETERS"}
        vectors = {name for name in found if _VECTOR_OF_PODIO_0.sub("", name) in found - {name}}
        return sorted(name for name in found - known - vectors if not name.startswith(("_", "GP")))

    def _whole(self, path: Path) -> Frames | None:
        """The frames of the file for its own format; elsewhere, and of podio 0, the user is told what is lost."""
        others, reason = self.other_collections, f"{self.options.written_as} holds none"
        if self.options.written_as == FORMAT:
            try:
                return Frames(self._file, self.source, path.stat().st_size)
            except FileFormatError as error:
                reason = str(error).removeprefix(f"{self.source}: ")
        if others:
            self.warn(f"its other collections are not kept ({', '.join(others)}): {reason}")
        return None

    def _record(self) -> dict[str, Any]:
        """The provenance record of our writer, empty where another program wrote the file."""
        stated = self._parameters.get(METADATA_KEY)
        if not stated:
            return {}
        try:
            content = from_json(stated[0])
        except ValueError:
            self.warn(f"its record '{METADATA_KEY}' cannot be read")
            return {}
        return content if isinstance(content, dict) else {}

    def _choose(self) -> str:
        found = collections_of(self._columns)
        wanted = self.options.collection
        if wanted is not None:
            if wanted not in found:
                raise FileFormatError(f"{self.source}: no collection '{wanted}': {nearest(wanted, found)}")
            return wanted
        usual = [name for name in _USUAL if name in found] or found
        if not usual:
            raise FileFormatError(f"{self.source}: no collection of MCParticles")
        if len(found) > 1 and usual[0] not in _USUAL:
            raise FileFormatError(f"{self.source}: several collections, choose one: {', '.join(found)}")
        return usual[0]

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        return read_ranges(self, self.n_events or 0, size, self._read, self._volume())

    def _volume(self) -> Volume:
        """Of the members that are read; of an RNTuple, of all."""
        with root_errors(self.source, "list of branches"):
            return self._columns.volume([*(f"{self._collection}.{one}" for one in _MEMBERS), f"{self._parents}.index"])

    def _read(self, start: int, stop: int) -> EventBatch:
        values: dict[str, NDArray[Any]] = {}
        counts: NDArray[np.int64] | None = None
        for member in _MEMBERS:
            counts_here, values[member] = self._columns.read(self._collection, member, start, stop)
            if counts is not None and not np.array_equal(counts, counts_here):
                raise FileFormatError(f"{self.source}: {self._collection}.{member} and .PDG differ in length")
            counts = counts_here
        if counts is None or len(counts) != stop - start:
            raise FileFormatError(f"{self.source}: entries {start} to {stop - 1} are incomplete")
        code, generator_status = values["PDG"].astype(np.int64), values["generatorStatus"].astype(np.int64)
        status = status_bits(code, generator_status)
        status[values["simulatorStatus"].astype(np.int64) & _CREATED_IN_SIMULATION != 0] = 0
        own, bits = own_parameters(self._columns, start, stop) if METADATA_KEY in self._parameters else ({}, {})
        self._restore(status, bits, counts, start)
        momentum = [values[f"momentum.{axis}"].astype(np.float64) for axis in "xyz"]
        mass = values["mass"].astype(np.float64)
        ends = np.cumsum(counts)
        particle: dict[str, NDArray[Any]] = {
            "arrayIndex": np.arange(len(code)) - np.repeat(ends - counts, counts),
            "PDG": code, "status": status, "mass": mass, "charge": values["charge"], "prodTime": values["time"],
            "motherIndex": self._mothers(counts, values, status, start, stop),
            "energy": np.sqrt(mass**2 + momentum[0] ** 2 + momentum[1] ** 2 + momentum[2] ** 2),
        }  # fmt: skip
        particle |= {f"p{axis}": component for axis, component in zip("xyz", momentum, strict=True)}
        particle |= {axis: values[f"vertex.{axis}"].astype(np.float64) * _MM for axis in "xyz"}
        frames = self._frames
        originals = None if frames is None else [Original(frames, entry) for entry in range(start, stop)]
        return assemble(self, counts, self._event_columns(start, stop, own), particle, originals=originals)

    def _restore(
        self, status: NDArray[np.int32], bits: dict[int, list[int]], counts: NDArray[np.int64], start: int
    ) -> None:
        """Put the status bits that our writer kept in their place."""
        ends = np.cumsum(counts)
        for index, stated in bits.items():
            if len(stated) != counts[index]:
                raise FileFormatError(
                    f"{self.source}: entry {start + index}: status bits of {len(stated)} particles, not {counts[index]}"
                )
            status[ends[index] - counts[index] : ends[index]] = stated

    def _mothers(
        self,
        counts: NDArray[np.int64],
        values: dict[str, NDArray[Any]],
        status: NDArray[np.int32],
        start: int,
        stop: int,
    ) -> NDArray[np.int32]:
        """Indices of the mothers, from the ranges of the parents' relation."""
        n_related, related = self._columns.read(str(self._parents), "index", start, stop)
        first, last = (values[f"parents_{end}"].astype(np.int64) for end in ("begin", "end"))
        available = np.repeat(n_related, counts)
        is_wrong = (first > last) | (last > available)
        if is_wrong.any():
            event = int(np.searchsorted(np.cumsum(counts), np.flatnonzero(is_wrong)[0], side="right"))
            raise FileFormatError(f"{self.source}: parents of entry {start + event} reach beyond {self._parents}")
        n_parents = last - first
        offset = np.repeat(np.cumsum(n_related) - n_related, counts) + first
        ends = np.cumsum(n_parents)
        index = np.arange(ends[-1] if len(ends) else 0) + np.repeat(offset - (ends - n_parents), n_parents)
        is_documentation = status & ParticleStatus.VIRTUAL != 0
        return nearest_mothers(counts, n_parents, related[index].astype(np.int64), is_documentation)

    def _event_columns(self, start: int, stop: int, own: dict[str, NDArray[Any]]) -> dict[str, Any]:
        n = stop - start
        event: dict[str, Any] = {
            "experiment": np.full(n, self.options.experiment or 0),
            "run": np.full(n, self.options.run or 0),
            "process": np.full(n, self.options.process or ""),
        }
        numbers = self.place_numbers(start, stop)
        stated = self._headers.columns(start, stop, is_numbered=numbers is None)
        stated |= own
        stated |= {} if numbers is None else {EVENT_NUMBER: numbers}
        self._note_cross_section(start, stop)
        for name in ("experiment", "run", "process"):
            if getattr(self.options, name) is not None:
                stated.pop(name, None)
        return event | stated

    def _note_cross_section(self, start: int, stop: int) -> None:
        """Remember what the generator states last: the first of its cross-sections, in pb."""
        found = [name.removesuffix(_CROSS_SECTIONS) for name in self._columns.names if name.endswith(_CROSS_SECTIONS)]
        if not found or stop == start:
            return
        name = found[0].removesuffix(".")
        both = (f"_{name}_crossSections", f"_{name}_crossSectionErrors")
        if not all(one in self._columns.names for one in both):
            return
        values = [self._columns.read_vector(one, stop - 1, stop)[1] for one in both]
        if all(len(one) for one in values) and np.isfinite([one[0] for one in values]).all():
            self.cross_section = float(values[0][0]), float(values[1][0])

    def close(self) -> None:
        self._file.close()


def _is_edm4hep(file: Any, source: str) -> bool:
    return TREE in file and bool(collections_of(_Columns(file[TREE], source)))


EDM4HEP = EventFormat(
    name=FORMAT,
    keeps_originals=True,
    description="EDM4hep (podio) with MCParticles, TTree or RNTuple",
    suffixes=(".edm4hep.root",),
    recognises=root_recogniser("tree 'events'", _is_edm4hep),
    open=Edm4hepReader,
    create=create,
)

__all__ = ["EDM4HEP", "Edm4hepReader", "collections_of"]
