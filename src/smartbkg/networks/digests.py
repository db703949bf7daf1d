"""Digests of model files: recorded where a model is written, and compared where it is loaded.

A ``.safetensors`` model has them in its metadata (`smartbkg.networks.bundle`). An ``.onnx`` that was exported here ends
with one more entry of its metadata: the SHA-256 of all bytes before it (ONNX is a protobuf message, whose repeated
fields may be appended to). A ``.pth`` is a zip archive with a CRC-32 for each part. Any model may have a file
``<name>.sha256`` beside it (`smartbkg.storage.sidecar`).
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Final

from smartbkg.errors import ModelError
from smartbkg.storage.machine import is_of_machine
from smartbkg.storage.signatures import is_zip

#: Metadata entry of an ONNX model that says that a seal ends the file.
SEALED_KEY: Final = "smartbkg_sealed"

_KEY: Final = b"smartbkg_sha256"
_HEX_DIGITS: Final = 64
#: ModelProto.metadata_props (field 14) with StringStringEntryProto.key (field 1) and .value (field 2).
_ENTRY: Final = bytes([14 << 3 | 2, 2 + len(_KEY) + 2 + _HEX_DIGITS, 1 << 3 | 2, len(_KEY)]) + _KEY + bytes(
    [2 << 3 | 2, _HEX_DIGITS]
)  # fmt: skip
#: MS-DOS's mark of a folder in a zip archive.
_FOLDER_BIT: Final = 0x10
_SEAL_BYTES: Final = len(_ENTRY) + _HEX_DIGITS


def sealed(content: bytes) -> bytes:
    """An ONNX model with a seal at its end."""
    return content + _ENTRY + hashlib.sha256(content).hexdigest().encode()


def check_seal(content: bytes, source: str) -> bool:
    """Whether an ONNX model ends with a seal.

    Raises
    ------
    ModelError
        The seal is not that of the content.
    """
    if content[-_SEAL_BYTES:-_HEX_DIGITS] != _ENTRY:
        return False
    if content[-_HEX_DIGITS:] != hashlib.sha256(content[:-_SEAL_BYTES]).hexdigest().encode():
        raise ModelError(f"{source}: the model is not the one that was exported: the file is damaged, fetch it again")
    return True


def check_archive(path: Path) -> None:
    """Compare the parts of a ``.pth`` with their checksums, as PyTorch does not; files that are no zip have none.

    Raises
    ------
    ModelError
        A part is damaged.
    """
    if not is_zip(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_packed(archive, path)
            damaged = archive.testzip()
            # PyTorch takes an entry that is marked as a folder for an empty one, and leaves its tensor unfilled
            folders = [entry.filename for entry in archive.infolist() if entry.external_attr & _FOLDER_BIT]
            damaged = damaged or next((name for name in folders if not name.endswith("/")), None)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        if is_of_machine(error):
            raise
        raise ModelError(f"{path}: a damaged PyTorch file: {error}") from error
    if damaged is not None:
        raise ModelError(f"{path}: a damaged PyTorch file: '{damaged}' is not what its checksum (CRC-32) says")


def _refuse_packed(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse parts that are packed, or lie on each other: PyTorch writes neither, and unpacks both into memory."""
    packed = next((one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise ModelError(f"{path}: '{packed}' is packed, which PyTorch never does: refused")
    announced, found = sum(one.file_size for one in archive.infolist()), path.stat().st_size
    if announced > found:
        raise ModelError(f"{path}: a damaged PyTorch file: its parts are {announced} bytes, the file {found}")


__all__ = ["SEALED_KEY", "check_archive", "check_seal", "sealed"]
