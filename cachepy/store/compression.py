"""Stored values made smaller, for `compress=`.

What stands in the entry is a pickle that unpacks itself: it calls `unpacked` with the compressed parts, which lie
beside it as buffers do.  So an entry says how it was written, its checksums are of what lies on disk, and reading needs
no option.  `unpacked` stands in stored pickles under this module's name: who moves it says so in `addresses`.
"""

from __future__ import annotations

from importlib import import_module
from pickle import PickleBuffer, dumps

from cachepy.errors import EntryError, UsageError, UsageValueError
from cachepy.store.entryfile import load_value
from cachepy.store.payload import PROTOCOL, Payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Pair = tuple[Callable[[Any], bytes], Callable[[Any], bytes]]

CODECS = {"zstd": "zst", "lz4": "lz4", "gzip": "gz", "lzma": "xz", "zlib": "zz"}  # with the suffix of a file
LEAST = 1 << 12  # bytes; a file takes so many anyway
_WORTH = 0.95  # of the size: what stays larger is stored as it is


def check_codec(option: str, value: Any) -> str | None:
    """Complain about a codec that does not exist, or is not here."""
    if value is None:
        return None
    names = " or ".join(map(repr, CODECS))
    if not isinstance(value, str):
        raise UsageError(f"{option} must be {names}, not {value!r}")
    if value not in CODECS:
        raise UsageValueError(f"{option} must be {names}, not {value!r}")
    try:
        _codec(value)
    except ImportError:
        raise UsageError(f"{option}={value!r} cannot be used here: {_wanted(value)}") from None
    return value


def compressed(payload: Payload, name: str) -> Payload:
    """A value as it will be stored, smaller if that is worth it."""
    if payload.size < LEAST:
        return payload
    squeeze = _codec(name)[0]
    parts = [squeeze(payload.pickle), *(squeeze(buffer) for buffer in payload.buffers)]
    if sum(map(len, parts)) > payload.size * _WORTH:
        return payload
    buffers: list[memoryview] = []
    data = dumps(_Packed(name, parts), PROTOCOL, buffer_callback=lambda each: buffers.append(each.raw()))
    return Payload(data, buffers)


class _Packed:
    """Pickled, it is a call of `unpacked`."""

    def __init__(self, name: str, parts: list[bytes]) -> None:
        self.name, self.parts = name, parts

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        return unpacked, (self.name, *map(PickleBuffer, self.parts))


def unpacked(name: str, data: Any, *buffers: Any) -> Any:
    """The value; its buffers can be written to, as those of other values."""
    pickle = decompressed(name, data)
    return load_value(pickle, [memoryview(bytearray(decompressed(name, each))) for each in buffers])


def squeezed(name: str, data: bytes) -> bytes:
    """Bytes made smaller."""
    return _codec(name)[0](data)


def decompressed(name: str, data: Any) -> bytes:
    """What was compressed; EntryError if that cannot be had back here."""
    try:
        unsqueeze = _codec(name)[1]
    except (ImportError, KeyError):
        raise EntryError(f"the stored value is compressed by {name}: {_wanted(name)}") from None
    try:
        return unsqueeze(data)
    except Exception as error:  # each codec has its own
        raise EntryError(f"the stored value cannot be decompressed: {type(error).__name__}: {error}") from error


def _wanted(name: str) -> str:
    packages = {"zstd": "zstandard", "lz4": "lz4"}
    if name in packages:
        here = "Python 3.14 or the package zstandard" if name == "zstd" else "the package lz4"
        return f"it needs {here}; install it with: pip install {packages[name]}"
    return "this Python was built without it" if name in CODECS else "this cachepy does not know it"


def _codec(name: str) -> Pair:
    """What makes bytes smaller, and back; ImportError if that is not here."""
    pair: Pair = _MAKERS[name]()
    return pair


def _zstd() -> Pair:
    try:
        own = import_module("compression.zstd")  # from Python 3.14 on
    except ImportError:
        other = import_module("zstandard")
        return other.ZstdCompressor(level=3).compress, lambda data: _whole(other.ZstdDecompressor(), data)
    return own.compress, own.decompress


def _whole(decompressor: Any, data: Any) -> bytes:
    """One frame, whether or not it says how long it is."""
    unpacking = decompressor.decompressobj()
    found: bytes = unpacking.decompress(data)
    if not unpacking.eof:
        raise ValueError("it ends too early")
    return found


def _lz4() -> Pair:
    frame = import_module("lz4.frame")
    return frame.compress, frame.decompress


def _gzip() -> Pair:
    made = import_module("gzip")
    return lambda data: made.compress(data, 6, mtime=0), made.decompress


def _lzma() -> Pair:
    made = import_module("lzma")
    return lambda data: made.compress(data, preset=2), made.decompress


def _zlib() -> Pair:
    made = import_module("zlib")
    return made.compress, made.decompress


_MAKERS: dict[str, Callable[[], Pair]] = {"zstd": _zstd, "lz4": _lz4, "gzip": _gzip, "lzma": _lzma, "zlib": _zlib}
