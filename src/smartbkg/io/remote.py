"""Files elsewhere: addresses such as ``root://host//path``, ``https://...`` or ``s3://...``, read through fsspec.

Text is read as it comes. Formats that are read at any place (ROOT, Parquet, .npz) are copied to the temporary folder
first; a copy is read as often as it is needed, and removed at the end of the process, or for others' room before.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import quote

from smartbkg.errors import FileFormatError, MissingDependencyError, SmartBKGError
from smartbkg.storage.machine import MachineError

#: Bytes of copies that are kept, beyond the newest.
MOST_COPIES: Final = 8 << 30
_ADDRESS: Final = re.compile(r"^([a-z][a-z0-9+.-]+):/+([^/].*)$", re.DOTALL)
_XROOTD: Final = ("root", "roots", "xroot", "xroots")
#: Libraries of protocols that fsspec does not bring itself.
_LIBRARIES: Final = {**dict.fromkeys(_XROOTD, "fsspec-xrootd"), "http": "aiohttp", "https": "aiohttp"}


#: Answers of HTTP that there is no such file.
_GONE: Final = (404, 410)
#: What XRootD says then (kXR_NotFound, ``XProtocol/XProtocol.hh``); its errors have no class for it.
_XROOTD_GONE: Final = "[3011]"


def address_of(path: str | Path) -> str | None:
    """The address that a path is, None where it is one of this machine.

    A `Path` has lost the second of two slashes: they are put back, for XRootD also those before an absolute path.

    >>> address_of(Path("https://host/run1.hepmc3"))
    'https://host/run1.hepmc3'
    >>> address_of(Path("root://host:1094//store/run1.root"))
    'root://host:1094//store/run1.root'
    >>> address_of("run1.hepmc3") is None
    True
    """
    match = _ADDRESS.match(str(path))
    if match is None:
        return None
    protocol, rest = match[1], match[2]
    if protocol == "file":
        return f"file:///{rest}"
    if protocol in _XROOTD:
        host, _, name = rest.partition("/")
        return f"{protocol}://{host}//{name.lstrip('/')}"
    return f"{protocol}://{rest}"


@contextlib.contextmanager
def _errors(address: str) -> Iterator[None]:
    """Turn whatever a protocol raises into one line; a network that fails is no damage of a file."""
    protocol = address.partition(":")[0]
    try:
        yield
    except SmartBKGError:
        raise
    except FileNotFoundError as error:
        cause = error.__cause__  # fsspec calls a server that does not answer a missing file
        if (
            cause is not None
            and getattr(cause, "status", None) not in _GONE
            and not isinstance(cause, FileNotFoundError)
        ):
            raise MachineError(f"{address}: cannot read: {_first_line(cause)}") from error
        raise FileFormatError(f"{address}: no such file") from error
    except ImportError as error:
        raise MissingDependencyError(_LIBRARIES.get(protocol, protocol), "remote", f"{protocol}://") from error
    except ValueError as error:
        raise FileFormatError(f"{address}: {_first_line(error)}") from error
    except Exception as error:  # each protocol has errors of its own
        if protocol in _XROOTD and _XROOTD_GONE in str(error):
            raise FileFormatError(f"{address}: no such file") from error
        raise MachineError(f"{address}: cannot read: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address and the name in it; S3 by pyarrow where fsspec's own library is missing."""
    try:
        import fsspec.core
    except ImportError as error:
        raise MissingDependencyError("fsspec", "remote", "a file elsewhere") from error
    try:
        system, name = fsspec.core.url_to_fs(address)
    except ImportError:
        if not address.startswith("s3://"):
            raise
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow.fs import FileSystem

        path, *query = address.split("?", 1)  # pyarrow reads addresses whose blanks are written as %20
        arrow, name = FileSystem.from_uri("?".join([quote(path, safe=":/"), *query]))
        system = ArrowFSWrapper(arrow)
    return system, name


def expand_address(address: str) -> list[str]:
    """The addresses that a pattern with ``*`` stands for, in the order of their names; without one, the address.

    Raises
    ------
    FileFormatError
        Nothing matches, or the protocol cannot list.
    """
    if "*" not in address:
        return [address]
    with _errors(address):
        system, pattern = _system(address)
        names = sorted(str(name) for name in system.glob(pattern))
        found = [_like(address, name) for name in names]
    if not found:
        raise FileFormatError(f"{address}: no file matches this pattern")
    return found


def _like(pattern: str, name: str) -> str:
    """The address of a file that a pattern found: what names leave out, its server or its query, is the pattern's."""
    if "://" in name:
        return str(address_of(name))
    protocol, _, rest = pattern.partition("://")
    if protocol in _XROOTD:
        return f"{protocol}://{rest.split('/')[0]}//{name.lstrip('/')}"
    query = rest.partition("?")[1:]
    return f"{address_of(f'{protocol}://' + name.lstrip('/'))}{''.join(query)}"


class _Stream:
    """A stream of a protocol, whose errors are ours."""

    def __init__(self, stream: Any, address: str) -> None:
        self._stream = stream
        self._address = address

    def read(self, size: int = -1) -> bytes:
        with _errors(self._address):
            return bytes(self._stream.read(size))

    def close(self) -> None:
        with contextlib.suppress(Exception):  # what was read is read
            self._stream.close()


def open_address(address: str) -> IO[bytes]:
    """The bytes of a file elsewhere, from its beginning.

    Raises
    ------
    FileFormatError, MissingDependencyError, MachineError
        There is no such file, a library is missing, or the other side does not answer.
    """
    with _errors(address):
        system, name = _system(address)
        return cast(IO[bytes], _Stream(system.open(name, "rb"), address))


class _Copies:
    """Copies of files elsewhere in one temporary folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="smartbkg-remote-"))
        self._process = os.getpid()
        self._known: dict[str, Path] = {}
        atexit.register(self.remove)

    def remove(self) -> None:
        """Remove the folder, in the process that made it."""
        if os.getpid() == self._process:
            shutil.rmtree(self._folder, ignore_errors=True)

    def of(self, address: str) -> Path:
        known = self._known.pop(address, None)
        if known is None or not known.exists():
            known = self._fetch(address)
        self._known[address] = known  # the newest comes last
        self._make_room()
        return known

    def _fetch(self, address: str) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        with _errors(address):
            system, name = _system(address)
            copy = folder / (name.rstrip("/").rsplit("/", 1)[-1].partition("?")[0] or "file")
            system.get_file(name, str(copy))
            expected = system.size(name)
            found = copy.stat().st_size
        if expected is not None and found != expected:
            raise MachineError(f"{address}: cannot read: {found} of {expected} bytes came")
        return copy

    def _make_room(self) -> None:
        sizes = {address: path.stat().st_size for address, path in self._known.items() if path.exists()}
        while len(sizes) > 1 and sum(sizes.values()) > MOST_COPIES:
            oldest = next(iter(sizes))
            del sizes[oldest]
            shutil.rmtree(self._known.pop(oldest).parent, ignore_errors=True)  # who reads it still can


@functools.cache
def _copies() -> _Copies:
    return _Copies()


def local_copy(address: str) -> Path:
    """A copy of a file elsewhere on this machine. Raises what `open_address` raises."""
    return _copies().of(address)


__all__ = ["address_of", "expand_address", "local_copy", "open_address"]
