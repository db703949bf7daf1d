"""Published data sets, as they are: nothing needs to be converted by hand to repeat a benchmark.

- SmartBKG laboratory data on Zenodo (record 15303496): Parquet, ``label`` and ``particles``, records of pdg, index,
  mother_index (the root points to itself), prodTime [ns], x, y, z [cm], px, py, pz, energy [GeV].
- Training files of basf2's smartBKG (``pp*.parquet``): ``label``, ``evtNum`` and ``particles``, records of basf2's
  variables; PDG holds *tokens* and motherIndex positions in the list.
- pd4ml's Belle data (``6_belle_selective_400k.npz``, arXiv:2107.00656): ``X_train_0`` (n, 100, 9) prodTime, energy, x,
  y, z, px, py, pz, token; ``X_train_1`` (n, 100) mother index, padded with -1; ``y_train``; the same for test.
- Its predecessor (``erum_data_classifier_comparison.npz``): ``x_feature_i`` (n, 100, 8) in the order of
  ``feature_names``, ``x_pdg_i``, ``x_adjacency_i``, ``y_i``.

They hold particles that were selected already: all count as primary.
"""

from __future__ import annotations

import math
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from smartbkg.errors import FileFormatError, nearest
from smartbkg.events import EventBatch, load_token_table
from smartbkg.events.columns import PARTICLE_DTYPES, VARIABLE_PREFIX, ParticleStatus
from smartbkg.io.parquet import open_parquet
from smartbkg.io.reader import DEFAULT_BATCH_SIZE, EventFormat, EventReader, ReadOptions
from smartbkg.io.records import assemble
from smartbkg.storage.bounds import BATCH_BYTES, rows_at_a_time
from smartbkg.storage.signatures import PARQUET_START, ZIP_START

#: Tokens in these files are positions in basf2's list of PDG codes.
_TOKEN_TABLE: Final = "gatgap-2023"
#: Bytes of the list of names in an archive.
_LARGEST_NAMES: Final = 1 << 20
_FEATURES: Final = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz")
#: Event-level numbers keep their name behind this prefix, by which a data set knows them as variables.


def codes_of_tokens(tokens: NDArray[Any], reader: EventReader) -> NDArray[np.int32]:
    """PDG codes of tokens; 0, with a warning, for tokens that are not in the table."""
    table = load_token_table(_TOKEN_TABLE)
    code_of_token = np.zeros(int(table.sorted_tokens.max()) + 1, dtype=np.int32)
    code_of_token[table.sorted_tokens] = table.sorted_codes
    wanted = np.asarray(tokens).astype(np.int64)
    is_known = (wanted >= 0) & (wanted < len(code_of_token))
    if not is_known.all():
        reader.warn(f"holds tokens that are not in the table {_TOKEN_TABLE}, for example {wanted[~is_known][0]}")
    return np.where(is_known, code_of_token[np.where(is_known, wanted, 0)], 0).astype(np.int32)


def _batch(
    reader: EventReader,
    counts: NDArray[np.int64],
    event: dict[str, Any],
    particle: dict[str, NDArray[Any]],
    first: int,
) -> EventBatch:
    """A batch of selected particles: what the files do not hold follows from what they hold."""
    n = len(counts)
    options = reader.options
    numbers = reader.place_numbers(first, first + n)
    if numbers is not None:
        event["evtNum"] = numbers
    elif "evtNum" not in event:
        reader.warn("events have no numbers: they are numbered by their position in the file, from 0")
        event["evtNum"] = np.arange(first, first + n)
    event |= {
        "experiment": np.full(n, options.experiment or 0),
        "run": np.full(n, options.run or 0),
        "process": np.full(n, options.process or ""),
    }
    if "mass" not in particle:
        squared = particle["energy"].astype(np.float64) ** 2
        for axis in ("px", "py", "pz"):
            squared -= particle[axis].astype(np.float64) ** 2
        particle["mass"] = np.sqrt(squared.clip(min=0))
    if "status" not in particle:
        particle["status"] = np.full(len(particle["PDG"]), ParticleStatus.PRIMARY)
    return assemble(reader, counts, event, particle, mother_must_exist=False)


class ParticleListReader(EventReader):
    """Parquet with one column ``particles``, a list of records: the data on Zenodo and basf2's training files."""

    def __init__(self, path: Path, options: ReadOptions | None = None) -> None:
        super().__init__(str(path), options)
        self._file = open_parquet(path)
        self.n_events = self._file.metadata.num_rows
        fields = {field.name for field in _record_type(self._file.schema_arrow)}
        self._is_basf2 = "PDG" in fields
        wanted = {"PDG", "motherIndex"} if self._is_basf2 else {"pdg", "index", "mother_index"}
        missing = sorted((wanted | set(_FEATURES)) - fields)
        if missing:
            raise FileFormatError(
                f"{self.source}: particles without {', '.join(missing)}: {nearest(missing[0], fields)}"
            )
        kind = "smartBKG training data (basf2)" if self._is_basf2 else "SmartBKG laboratory data (Zenodo)"
        self.metadata = {"format": kind}

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        first = 0
        try:
            for table in self._file.iter_batches(batch_size=size, use_threads=False):
                batch = self._read(table, first)
                first += table.num_rows
                if len(batch):
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise FileFormatError(f"{self.source}: damaged Parquet data: {str(error).splitlines()[0]}") from error

    def _read(self, table: pa.RecordBatch, first: int) -> EventBatch:
        lists = table.column("particles")
        if lists.null_count:
            raise FileFormatError(f"{self.source}: {lists.null_count} events without particles")
        counts = np.diff(lists.offsets.to_numpy()).astype(np.int64)
        records = lists.flatten()
        columns: dict[str, NDArray[Any]] = {}
        for field in records.type:
            values = records.field(field.name)
            if values.null_count or records.null_count:
                raise FileFormatError(f"{self.source}: missing values in particles.{field.name}")
            columns[field.name] = np.asarray(values.to_numpy(zero_copy_only=False))
        if self._is_basf2:
            particle = {name: column for name, column in columns.items() if name in PARTICLE_DTYPES}
            particle["PDG"] = codes_of_tokens(columns["PDG"], self)
            ends = np.cumsum(counts)
            particle["arrayIndex"] = np.arange(len(records)) - np.repeat(ends - counts, counts)
            is_root = columns["motherIndex"] == particle["arrayIndex"]
            particle["motherIndex"] = np.where(is_root, -1, columns["motherIndex"])
            for derived in ("nDaughters", "motherPDG"):
                particle.pop(derived, None)
        else:
            particle = {name: columns[name] for name in _FEATURES}
            particle["PDG"], particle["arrayIndex"] = columns["pdg"], columns["index"]
            particle["motherIndex"] = np.where(columns["mother_index"] == columns["index"], -1, columns["mother_index"])
        return _batch(self, counts, self._event_columns(table), particle, first)

    @staticmethod
    def _event_columns(table: pa.RecordBatch) -> dict[str, Any]:
        event: dict[str, Any] = {}
        for field in table.schema:
            if field.name in ("label", "evtNum"):
                event[field.name] = table.column(field.name).to_numpy(zero_copy_only=False)
            elif pa.types.is_floating(field.type):
                event[VARIABLE_PREFIX + field.name] = table.column(field.name).to_numpy(zero_copy_only=False)
        return event

    def close(self) -> None:
        self._file.close()


def _record_type(schema: pa.Schema) -> Any:
    """The type of the records in ``particles``, empty where there are none."""
    if "particles" not in schema.names:
        return pa.struct([])
    kind = schema.field("particles").type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return kind.value_type if is_list and pa.types.is_struct(kind.value_type) else pa.struct([])


class _Member:
    """An array in an ``.npz`` archive, read row by row from the beginning."""

    def __init__(self, archive: zipfile.ZipFile, name: str, source: str) -> None:
        self.source = f"{source}: {name}"
        self._stream: IO[bytes] = archive.open(f"{name}.npy")
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        version = np.lib.format.read_magic(self._stream)
        if version not in read_header:
            raise FileFormatError(f"{self.source}: array format {version}, expected 1.0 or 2.0")
        self.shape, is_fortran, self.dtype = read_header[version](self._stream)
        self.row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        if is_fortran or self.dtype.hasobject or not self.shape:
            raise FileFormatError(f"{self.source}: not an array of numbers in C order")

    def rows(self, n: int) -> NDArray[Any]:
        """The next n rows."""
        n_bytes = n * self.row_bytes
        content = self._stream.read(n_bytes)
        if len(content) != n_bytes:
            raise FileFormatError(f"{self.source}: ends too early: its header announces {self.shape[0]} rows")
        return np.frombuffer(content, dtype=self.dtype).reshape(n, *self.shape[1:])

    def end(self) -> None:
        """Refuse what is left behind the last row that the header announces."""
        if self._stream.read(1):
            raise FileFormatError(f"{self.source}: goes on behind the {self.shape[0]} rows that its header announces")


#: What archives and the texts that describe their arrays raise where they are damaged.
_NPZ_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError, EOFError, NotImplementedError, SyntaxError,
    tokenize.TokenError, TypeError,
)  # fmt: skip


class PaddedArrayReader(EventReader):
    """``.npz`` archives of arrays padded to 100 particles: pd4ml's Belle data and its predecessor."""

    def __init__(self, path: Path, options: ReadOptions | None = None) -> None:
        super().__init__(str(path), options)
        self._has_tokens: bool | None = None
        try:
            self._archive = zipfile.ZipFile(path)
            self._parts = _parts(self._archive.namelist())
            self.n_events = sum(_Member(self._archive, part["y"], self.source).shape[0] for part in self._parts)
            self._feature_names = self._names()
        except _NPZ_ERRORS as error:
            raise FileFormatError(f"{path}: damaged .npz archive: {error}") from error
        is_pd4ml = "X" in self._parts[0]
        self._has_tokens = True if is_pd4ml else None
        self.metadata = {"format": "pd4ml Belle" if is_pd4ml else "erum-data Belle"}

    def _names(self) -> tuple[str, ...]:
        """Order of the features; features that this package does not know are not used."""
        if "feature_names.npy" not in self._archive.namelist():
            return _FEATURES
        if self._archive.getinfo("feature_names.npy").file_size > _LARGEST_NAMES:
            raise FileFormatError(f"{self.source}: feature_names is larger than {_LARGEST_NAMES} bytes")
        with self._archive.open("feature_names.npy") as stream:
            names = tuple(str(name) for name in np.lib.format.read_array(stream, allow_pickle=False))
        missing = [name for name in _FEATURES if name not in names]
        if missing:
            raise FileFormatError(f"{self.source}: no feature {missing[0]}: {nearest(missing[0], names)}")
        return names

    def batches(self, size: int = DEFAULT_BATCH_SIZE) -> Iterator[EventBatch]:
        first = 0
        for part in self._parts:
            try:
                members = {key: _Member(self._archive, name, self.source) for key, name in part.items()}
                n_events = _common_length(members, self.source)
                n_bytes = sum(member.row_bytes for member in members.values())
                if n_bytes > BATCH_BYTES:
                    raise FileFormatError(f"{self.source}: an event takes {n_bytes} bytes, expected some kilobytes")
                step = rows_at_a_time(size, n_events, n_events * n_bytes)
                for start in range(0, n_events, step):
                    n = min(step, n_events - start)
                    batch = self._read({key: member.rows(n) for key, member in members.items()}, first + start)
                    if len(batch):
                        yield batch
                for member in members.values():
                    member.end()
            except _NPZ_ERRORS as error:
                raise FileFormatError(f"{self.source}: damaged .npz archive: {error}") from error
            first += n_events

    def _read(self, rows: Mapping[str, NDArray[Any]], first: int) -> EventBatch:
        if "X" in rows:
            feature, token, mother = rows["X"][:, :, :8], rows["X"][:, :, 8], rows["mother"]
        else:
            feature, token, mother = rows["feature"], rows["pdg"], _mothers(rows["adjacency"])
        if feature.ndim != 3 or feature.shape[2] < len(self._feature_names) or token.shape != feature.shape[:2]:
            raise FileFormatError(
                f"{self.source}: features {feature.shape} and PDG {token.shape}, expected (n, 100, 8) and (n, 100)"
            )
        is_there = (mother >= 0) | (token != 0) | (feature != 0).any(axis=2)
        counts = np.count_nonzero(is_there, axis=1)
        position = np.broadcast_to(np.arange(mother.shape[1]), mother.shape)
        column = {name: feature[:, :, k][is_there] for k, name in enumerate(self._feature_names)}
        particle: dict[str, NDArray[Any]] = {name: column[name] for name in _FEATURES}
        flat_mother = mother[is_there].astype(np.int64)
        particle["arrayIndex"] = position[is_there]
        particle["motherIndex"] = np.where(flat_mother == particle["arrayIndex"], -1, flat_mother)
        particle["PDG"] = self._codes(token[is_there])
        label = np.asarray(rows["y"]).reshape(len(counts), -1)[:, 0]
        return _batch(self, counts, {"label": label.astype(np.bool_)}, particle, first)

    def _codes(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """PDG codes, as such or as tokens, as the first events say: tokens are never negative, or too large."""
        if self._has_tokens is None and len(values):
            n_tokens = len(load_token_table(_TOKEN_TABLE))
            self._has_tokens = bool(values.min() >= 0 and values.max() < n_tokens)
        return codes_of_tokens(values, self) if self._has_tokens else values.astype(np.int32)

    def close(self) -> None:
        self._archive.close()


def _common_length(members: Mapping[str, _Member], source: str) -> int:
    """Rows of arrays that belong together."""
    lengths = {member.source.rsplit(" ", 1)[-1]: int(member.shape[0]) for member in members.values()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise FileFormatError(f"{source}: arrays that belong together differ in length: {told}")
    return next(iter(lengths.values()))


def _mothers(adjacency: NDArray[Any]) -> NDArray[Any]:
    """(n, 100) mother indices, as such or from adjacency matrices (n, 100, 100): mothers come before daughters."""
    if adjacency.ndim == 2:
        return adjacency
    earlier = np.tril(adjacency != 0, k=-1)
    return np.where(earlier.any(axis=2), earlier.argmax(axis=2), -1)


def _parts(names: list[str]) -> list[dict[str, str]]:
    """The arrays that belong together, in order; empty for another archive."""
    known = {name.removesuffix(".npy") for name in names}
    parts = []
    for subset in ("train", "test"):
        part = {"X": f"X_{subset}_0", "mother": f"X_{subset}_1", "y": f"y_{subset}"}
        if set(part.values()) <= known:
            parts.append(part)
    for index in sorted(int(name[2:]) for name in known if re.fullmatch(r"y_\d+", name)):
        part = {key: f"x_{key}_{index}" for key in ("feature", "pdg", "adjacency")} | {"y": f"y_{index}"}
        if set(part.values()) <= known:
            parts.append(part)
    return parts


def _is_particle_list(head: bytes, path: Path) -> bool:
    if head[:4] != PARQUET_START or not path.is_file():
        return False
    try:
        with open_parquet(path) as file:
            return len(list(_record_type(file.schema_arrow))) > 0
    except FileFormatError:
        return False


def _is_padded_array(head: bytes, path: Path) -> bool:
    if head[:4] != ZIP_START or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(_parts(archive.namelist()))
    except _NPZ_ERRORS:
        return False


PARTICLE_LIST = EventFormat(
    name="particle-list",
    description="Parquet with lists of particle records: Zenodo 15303496, basf2's training files",
    suffixes=(".parquet",),
    recognises=_is_particle_list,
    open=ParticleListReader,
)

PADDED_ARRAY = EventFormat(
    name="padded-array",
    description="NumPy archives of padded arrays: pd4ml's Belle data and its predecessor",
    suffixes=(".npz",),
    recognises=_is_padded_array,
    open=PaddedArrayReader,
)

__all__ = ["PADDED_ARRAY", "PARTICLE_LIST", "PaddedArrayReader", "ParticleListReader", "codes_of_tokens"]
