"""Frames of podio files as they stand, so that what is written again has all collections, with their classes.

A TTree names classes in the streamers of the file, an RNTuple in its fields; both become awkward arrays whose records
have the names of the classes. Layouts: podio ``src/ROOTWriter.cc`` and ``src/RNTupleWriter.cc``. Lists of collections
without names (podio before 1.3) take them from the table of identities beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError
from smartbkg.io.edm4hep import podio
from smartbkg.io.edm4hep.header import USUAL
from smartbkg.io.edm4hep.podio import Collection, Definitions
from smartbkg.io.root import root_errors
from smartbkg.io.root_volume import Volume, is_rntuple

#: Bytes of entries that are read at a time, about.
PIECE: Final = 64 << 20
_LABELS: Final = ("Int", "Float", "Double", "String")
_PARAMETERS: Final = tuple(f"GP{label}{part}" for label in _LABELS for part in ("Keys", "Values"))
_HEADER: Final = "edm4hep::EventHeaderCollection"
_VECTOR: Final = re.compile(r"^(?:std::)?vector<(.*)>$")
_LENGTH: Final = re.compile(r"(\[\d+\])+$")


class Category:
    """The frames of one category: a tree of a file.

    Attributes
    ----------
    collections : what its list of collections says.
    versions : of the classes of its members.
    n_entries : frames.

    Raises
    ------
    FileFormatError
        Its collections are not listed as podio 1 does it, or a class is of a kind that is not known.
    """

    def __init__(self, file: Any, name: str, source: str) -> None:
        self._source, self._name, self._file = source, name, file
        self.versions: dict[str, int] = {}
        with root_errors(source, f"collections of '{name}'"):
            self._tree = file[name]
            self.n_entries = int(self._tree.num_entries)
            self._is_ntuple = is_rntuple(self._tree)
            self.collections = tuple(_collections(file, name))
            fields = self._field_identities if self._is_ntuple else {str(one.name): one for one in self._tree.branches}
            if not set(_PARAMETERS) <= set(fields):
                raise FileFormatError(f"'{name}' has no parameters as podio 1 writes them")
            self._fields = {key: one for key, one in fields.items() if key not in _PARAMETERS}
            self._volume = Volume(self._tree)

    @cached_property
    def _field_identities(self) -> dict[str, int]:
        return {
            str(one.field_name): index
            for index, one in enumerate(self._tree.field_records)
            if one.parent_field_id == index
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Fields of the collections, with those of their relations and vectors."""
        return tuple(self._fields)

    def read(self, start: int, stop: int) -> dict[str, Any]:
        """Fields of the entries ``start:stop``: (stop - start,) lists, their records named by their classes."""
        import awkward as ak

        fields: dict[str, Any] = {}
        with root_errors(self._source, f"entries {start} to {stop - 1} of '{self._name}'"):
            self._volume.check(start, stop, self._source)
        for name, place in self._fields.items():
            with root_errors(self._source, f"entries {start} to {stop - 1} of {name}"):
                if self._is_ntuple:
                    array = self._tree[name].array(entry_start=start, entry_stop=stop)
                    fields[name] = ak.Array(self._labelled(array.layout, place))
                else:
                    fields[name] = self._of_branch(place, start, stop)
        return fields

    def parameters(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Parameters of the entries by name: numpy arrays of float32 where they are of that type, else lists."""
        frames: list[dict[str, Any]] = [{} for _ in range(stop - start)]
        with root_errors(self._source, f"parameters of the entries {start} to {stop - 1} of '{self._name}'"):
            for label in _LABELS:
                keys, values = (
                    self._tree[f"GP{label}{part}"].array(entry_start=start, entry_stop=stop).to_list()
                    for part in ("Keys", "Values")
                )
                for frame, names, lists in zip(frames, keys, values, strict=True):
                    for key, one in zip(names, lists, strict=True):
                        frame[str(key)] = np.array(one, dtype=np.float32) if label == "Float" else one
        return frames

    def _labelled(self, layout: Any, place: int) -> Any:
        """A layout whose records have the names of the classes of an RNTuple's field and of the fields in it."""
        import awkward as ak

        record = self._tree.field_records[place]
        inner = [k for k, one in enumerate(self._tree.field_records) if one.parent_field_id == place and k != place]
        if layout.is_list and layout.parameter("__array__") != "string" and inner:
            if layout.is_regular:
                return ak.contents.RegularArray(self._labelled(layout.content, inner[0]), layout.size, len(layout))
            listed = layout.to_ListOffsetArray64(True)
            return ak.contents.ListOffsetArray(listed.offsets, self._labelled(listed.content, inner[0]))
        if not layout.is_record:
            return layout
        names = [str(self._tree.field_records[k].field_name) for k in inner]
        contents = [self._labelled(layout.content(name), k) for name, k in zip(names, inner, strict=True)]
        self.versions[str(record.type_name)] = int(record.type_version)
        return ak.contents.RecordArray(contents, names, parameters={"__record__": str(record.type_name)})

    def _of_branch(self, branch: Any, start: int, stop: int) -> Any:
        """A branch of a TTree; where it is split, its members are put together again."""
        import awkward as ak

        if not branch.branches:
            return branch.array(entry_start=start, entry_stop=stop)
        match = _VECTOR.match(str(branch.typename))
        if match is None:
            raise FileFormatError(f"a branch of {branch.typename}")
        members: dict[str, Any] = {}
        counts: NDArray[np.int64] | None = None
        for one in branch.branches:
            array = one.array(entry_start=start, entry_stop=stop)
            counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64) if counts is None else counts
            path = _LENGTH.sub("", str(one.name).removeprefix(f"{branch.name}."))
            _put(members, path.split("."), ak.to_layout(ak.flatten(array, axis=1)))
        records = self._structure(match[1].strip(), members)
        return podio.jagged(np.zeros(0, np.int64) if counts is None else counts, records)

    def _structure(self, kind: str, members: dict[str, Any]) -> Any:
        """Records of a class, whose members of classes are mappings themselves."""
        streamer = self._file.file.streamer_named(kind)
        if streamer is None:
            raise FileFormatError(f"no description of the class {kind}")
        self.versions[kind] = int(streamer.class_version)
        kinds = {str(one.name): str(one.typename) for one in streamer.elements}
        return podio.structure(
            kind,
            {
                name: self._structure(kinds[name], one) if isinstance(one, dict) else one
                for name, one in members.items()
            },
        )


def _put(members: dict[str, Any], path: Sequence[str], layout: Any) -> None:
    for name in path[:-1]:
        members = members.setdefault(name, {})
    members[path[-1]] = layout


def _metadata(file: Any, name: str) -> Any:
    """The first entry of a branch or a field of the file's description."""
    return file[podio.FILE_METADATA][name].array()[0]


def _texts_of_tuples(branch: Any, beside: Any) -> list[str]:
    """The texts among tuples of other types, which uproot reads when it is told that they are texts."""
    return [str(one) for one in branch.array(beside.interpretation)[0]]


def _collections(file: Any, category: str) -> Iterator[Collection]:
    """The list of collections of a category."""
    tree, name = file[podio.FILE_METADATA], f"{category}{podio.COLLECTIONS}"
    if is_rntuple(tree):
        for one in _metadata(file, name).to_list():
            yield Collection(
                one["name"], one["dataType"], one["storageType"], one["collectionID"], one["isSubset"],
                one["schemaVersion"],
            )  # fmt: skip
        return
    members = {str(one.name).rsplit(".", 1)[-1]: one for one in tree[name].branches}
    if "name" in members:
        columns = [
            members[key].array()[0].to_list()
            for key in ("name", "dataType", "storageType", "collectionID", "isSubset", "schemaVersion")
        ]
        yield from (Collection(*row) for row in zip(*columns, strict=True))
        return
    table = tree[f"{category}___idTable"]
    names = dict(zip(table["m_collectionIDs"].array()[0].to_list(), table["m_names"].array()[0].to_list(), strict=True))
    texts = next(one for one in tree[podio.DEFINITIONS].branches if str(one.name).endswith("_0"))
    kinds = _texts_of_tuples(members["_1"], texts)
    identities, subsets, schemas = (members[key].array()[0].to_list() for key in ("_0", "_2", "_3"))
    for identity, kind, is_subset, schema in zip(identities, kinds, subsets, schemas, strict=True):
        storage = f"std::vector<{kind.removesuffix('Collection')}Data>"
        yield Collection(names[identity], kind, storage, identity, is_subset, schema)


def definitions_of(file: Any, source: str) -> Definitions:
    """Names, versions and definitions of the data models of a file."""
    with root_errors(source, "data models"):
        tree = file[podio.FILE_METADATA]
        keys = sorted({str(one).rsplit("/", 1)[-1] for one in tree.keys()})  # noqa: SIM118
        versions = {key.removesuffix(podio.VERSION): _version(file, key) for key in keys if key.endswith(podio.VERSION)}
        if is_rntuple(tree):
            found = _metadata(file, podio.DEFINITIONS).to_list()
            pairs = [tuple(one.values()) if isinstance(one, dict) else one for one in found]
        else:
            parts = {str(one.name)[-1]: one.array()[0].to_list() for one in tree[podio.DEFINITIONS].branches}
            pairs = list(zip(parts["0"], parts["1"], strict=True))
        return Definitions(versions, [(str(name), str(text)) for name, text in pairs])


def _version(file: Any, key: str) -> tuple[int, int, int]:
    tree = file[podio.FILE_METADATA]
    if is_rntuple(tree):
        numbers = _metadata(file, key).to_list()
    else:
        numbers = [tree[key][part].array()[0] for part in ("major", "minor", "patch")]
    first, second, third = (int(one) for one in numbers)
    return first, second, third


class Frames:
    """All frames of a file: its events, and those of other categories.

    Raises
    ------
    FileFormatError
        See `Category`.
    """

    def __init__(self, file: Any, source: str, n_bytes: int) -> None:
        self.source = source
        if podio.FILE_METADATA not in file:
            raise FileFormatError(f"written before podio 1, '{podio.FILE_METADATA}' is missing")
        self.events = Category(file, podio.EVENTS, source)
        self.definitions = definitions_of(file, source)
        with root_errors(source, "categories of frames"):
            listed = {str(name).rsplit("/", 1)[-1] for name in file[podio.FILE_METADATA].keys()}  # noqa: SIM118
            names = {name.removesuffix(podio.COLLECTIONS) for name in listed if name.endswith(podio.COLLECTIONS)}
            further = sorted(name for name in names - {podio.EVENTS} if name in file)
        self.others = {name: Category(file, name, source) for name in further}
        headers = [one.name for one in self.events.collections if one.data_type == _HEADER]
        #: Collection of the event header, None where there is none: `smartbkg.io.edm4hep.header` has the rule.
        self.header = USUAL if USUAL in headers else next(iter(headers), None)
        #: Entries that are read at a time; five times the compressed bytes stand for those in memory.
        self.n_at_once = max(1, PIECE * max(1, self.events.n_entries) // (5 * max(1, n_bytes)))


class Original(NamedTuple):
    """An event as it stands in its file."""

    frames: Frames
    entry: int


def pieces(originals: Sequence[Original]) -> Iterator[slice]:
    """Events of one file that lie near each other: read at a time, they need bounded memory."""
    start = 0
    lowest = highest = originals[0].entry if originals else 0
    for place, (frames, entry) in enumerate(originals):
        lowest, highest = min(lowest, entry), max(highest, entry)
        if frames is not originals[start].frames or highest - lowest >= frames.n_at_once:
            yield slice(start, place)
            start, lowest, highest = place, entry, entry
    if originals:
        yield slice(start, len(originals))


__all__ = ["Category", "Frames", "Original", "definitions_of", "pieces"]
