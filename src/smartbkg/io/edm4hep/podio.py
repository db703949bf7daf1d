"""podio's layout of RNTuples: classes that fields are named by, the parameters of a frame, and the list of collections.

Sources: podio ``src/RNTupleWriter.cc``, ``src/rootUtils.h`` and ``include/podio/utilities/RootHelpers.h``, EDM4hep
``edm4hep.yaml`` (schema 6, of EDM4hep 1.0). A reader of podio binds each field to a class by its name, which uproot
leaves out for records: it is given here by the name of the awkward record.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Version of EDM4hep's schema, which podio gives to its classes too.
SCHEMA_VERSION: Final = 6
EVENTS: Final = "events"
METADATA: Final = "metadata"
FILE_METADATA: Final = "podio_metadata"
#: Fields of it: the list of collections of a category, the definitions of data models, their versions.
COLLECTIONS: Final = "___CollectionTypeInfo"
DEFINITIONS: Final = "EDMDefinitions"
VERSION: Final = "___Version"
#: Versions that the layout is of.
_PODIO_VERSION: Final = (1, 6, 0)
_EDM4HEP_VERSION: Final = (1, 0, 0)
_OBJECT_ID: Final = "podio::ObjectID"
_KINDS: Final[Mapping[str, type[np.generic]]] = {"Int": np.int32, "Float": np.float32, "Double": np.float64}


class Collection(NamedTuple):
    """A collection as podio's list of collections describes it."""

    name: str
    data_type: str
    """Class of the collection, ``edm4hep::MCParticleCollection``."""
    storage: str
    """What its field holds, ``std::vector<edm4hep::MCParticleData>``."""
    identity: int
    """Its number in references; podio takes what the list says."""
    is_subset: bool = False
    """Whether it only refers to members of others."""
    schema: int = SCHEMA_VERSION


def own_collection(name: str, kind: str) -> Collection:
    """A collection of a class such as ``edm4hep::MCParticle`` that is not copied from another file."""
    return Collection(name, f"{kind}Collection", f"std::vector<{kind}Data>", zlib.crc32(name.encode()))


class Definitions(NamedTuple):
    """What a file says of the data model that its collections are of."""

    versions: Mapping[str, tuple[int, int, int]]
    """Of each data model."""
    texts: Sequence[tuple[str, str]] = ()
    """Name and definition of each; podio needs none to read collections of models that it was built with."""


OWN_DEFINITIONS: Final = Definitions({"edm4hep": _EDM4HEP_VERSION})


@contextlib.contextmanager
def named_classes(versions: Mapping[str, int] | None = None) -> Iterator[None]:
    """Within it, RNTuples of uproot have the names of awkward's records as the classes of their fields.

    Parameters
    ----------
    versions : of classes; those of EDM4hep that are not among them have `SCHEMA_VERSION`.
    """
    import awkward as ak
    from uproot.writing import _cascadentuple as module

    plain: Any = module._cpp_typename
    description: Any = module.NTuple_Field_Description

    def name_of(form: Any, subcall: bool = False) -> str:
        if isinstance(form, ak.forms.RecordForm) and "__record__" in form.parameters:
            return str(form.parameters["__record__"])
        if isinstance(form, ak.forms.ListOffsetForm) and form.parameters.get("__array__") != "string":
            return f"std::vector<{name_of(form.content, True)}>"
        return str(plain(form, subcall))

    def described(*arguments: Any, **further: Any) -> Any:
        field = description(*arguments, **further)
        if field.type_name.startswith("edm4hep::"):
            field.type_version = (versions or {}).get(field.type_name, SCHEMA_VERSION)
        return field

    module._cpp_typename, module.NTuple_Field_Description = name_of, described
    try:
        yield
    finally:
        module._cpp_typename, module.NTuple_Field_Description = plain, description


def jagged(counts: NDArray[np.int64], content: Any) -> Any:
    """An awkward array of lists from their lengths and their content."""
    import awkward as ak

    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(np.concatenate([[0], np.cumsum(counts)])), content))


def structure(kind: str, members: Mapping[str, Any]) -> Any:
    """A layout of records of a class; members are arrays or layouts."""
    import awkward as ak

    contents = [ak.contents.NumpyArray(one) if isinstance(one, np.ndarray) else one for one in members.values()]
    return ak.contents.RecordArray(contents, list(members), parameters={"__record__": kind})


def references(counts: NDArray[np.int64], index: NDArray[np.int64], to: Collection) -> Any:
    """Relations of each event: positions in a collection."""
    identity = np.full(len(index), to.identity, dtype=np.uint32)
    return jagged(counts, structure(_OBJECT_ID, {"index": index.astype(np.int32), "collectionID": identity}))


def parameters(frames: Sequence[Mapping[str, Sequence[Any]]]) -> dict[str, Any]:
    """The parameters of frames: the fields ``GP...Keys`` and ``GP...Values``.

    Parameters
    ----------
    frames : of each, lists of whole numbers, of numbers or of texts by name.
    """
    fields: dict[str, Any] = {}
    for label in ("Int", "Float", "Double", "String"):
        chosen = [{name: values for name, values in frame.items() if _label_of(values) == label} for frame in frames]
        fields[f"GP{label}Keys"] = _texts([list(frame) for frame in chosen])
        fields[f"GP{label}Values"] = _values([list(frame.values()) for frame in chosen], label)
    return fields


def _label_of(values: Sequence[Any]) -> str:
    if not len(values) or isinstance(values[0], str):
        return "String"
    if isinstance(values[0], np.float32):
        return "Float"
    return "Int" if isinstance(values[0], int) else "Double"


def _layout_of_texts(texts: Sequence[str]) -> Any:
    import awkward as ak

    encoded = [text.encode() for text in texts]
    letters = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    content = ak.contents.NumpyArray(letters, parameters={"__array__": "char"})
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in encoded], dtype=np.int64)])
    return ak.contents.ListOffsetArray(ak.index.Index64(offsets), content, parameters={"__array__": "string"})


def _texts(rows: Sequence[Sequence[str]]) -> Any:
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    return jagged(counts, _layout_of_texts([text for row in rows for text in row]))


def _values(rows: Sequence[Sequence[Sequence[Any]]], label: str) -> Any:
    import awkward as ak

    lists = [values for row in rows for values in row]
    flat = [value for values in lists for value in values]
    content = _layout_of_texts(flat) if label == "String" else ak.contents.NumpyArray(np.array(flat, _KINDS[label]))
    inner = jagged(np.array([len(values) for values in lists], dtype=np.int64), content)
    return jagged(np.array([len(row) for row in rows], dtype=np.int64), ak.to_layout(inner))


def file_metadata(categories: Mapping[str, Sequence[Collection]], definitions: Definitions = OWN_DEFINITIONS) -> Any:
    """The one entry of ``podio_metadata``: categories, their collections, versions."""
    import awkward as ak

    def version(numbers: Sequence[int]) -> Any:
        return jagged(np.array([len(numbers)]), ak.contents.NumpyArray(np.array(numbers, dtype=np.uint16)))

    def listed(members: Sequence[Collection]) -> Any:
        kinds = {
            "collectionID": np.array([one.identity for one in members], dtype=np.uint32),
            "dataType": _layout_of_texts([one.data_type for one in members]),
            "isSubset": np.array([one.is_subset for one in members], dtype=np.bool_),
            "schemaVersion": np.array([one.schema for one in members], dtype=np.uint32),
            "name": _layout_of_texts([one.name for one in members]),
            "storageType": _layout_of_texts([one.storage for one in members]),
        }
        return jagged(np.array([len(members)]), structure("podio::root_utils::CollectionWriteInfo", kinds))

    names, texts = ([pair[k] for pair in definitions.texts] for k in range(2))
    pairs = ak.contents.RecordArray([_layout_of_texts(names), _layout_of_texts(texts)], None, length=len(names))
    return {
        "PodioBuildVersion": version(_PODIO_VERSION),
        **{f"{name}{VERSION}": version(numbers) for name, numbers in definitions.versions.items()},
        DEFINITIONS: jagged(np.array([len(names)]), pairs),
        "availableCategories": _texts([list(categories)]),
        **{f"{name}{COLLECTIONS}": listed(members) for name, members in categories.items()},
    }


__all__ = [
    "COLLECTIONS",
    "DEFINITIONS",
    "EVENTS",
    "FILE_METADATA",
    "METADATA",
    "OWN_DEFINITIONS",
    "VERSION",
    "Collection",
    "Definitions",
    "file_metadata",
    "jagged",
    "named_classes",
    "own_collection",
    "parameters",
    "references",
    "structure",
]
