"""Digests of containers, composed from the digests of their parts.

The digests of some results tell that of a list of them, and so which call takes it, with none of them loaded (see
`Known`).  Only lists, tuples and dicts are composed, whose parts somebody may put together so.  Short parts stand in
the stream as they are, and a container that is short itself as a whole: most arguments are.
"""

from __future__ import annotations

from xxhash import xxh3_128_digest

from cachepy.values.flat import LEAVES, SHORT, TEXTS, short_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cachepy.values.references import References
    from cachepy.values.writing import Digester

MOST = 10_000  # parts; a longer container is pickled, which is faster, and counts as one value
_DEEPEST = 50  # levels; what is deeper, or holds itself, is pickled too
_MARKS: dict[Any, bytes] = {list: b"\x81l", tuple: b"\x81t", dict: b"\x81d"}  # no other stream starts like these


class _TooDeepError(Exception):
    """The value has more levels than are composed."""


class Known:
    """Stands for a value of which the digest is known, and that is not loaded: a result that is not short.

    digest: 32 hex digits, as `Digester.digest` gives them.
    """

    digest: str


class Composer:
    """Writes the stream of one value; each part is digested once, however often it occurs."""

    def __init__(self, digester: Digester, found: References) -> None:
        self._pickled: Callable[[Any, References], bytes] = digester.writer.stream
        self._found = found
        self._digests: dict[int, bytes] = {}
        self._depth = 0

    def stream(self, value: Any) -> bytes:
        """The canonical bytes of a value; UndigestableError if it has none."""
        try:
            return self._stream(value)
        except _TooDeepError:
            return self._pickled(value, self._found)

    def _stream(self, value: Any) -> bytes:
        short = short_stream(value)
        if short is not None:
            return short
        parts = _parts_of(value)
        if parts is None:
            return self._pickled(value, self._found)
        if self._depth == _DEEPEST:
            raise _TooDeepError
        self._depth += 1
        written = b"".join(map(self._part, parts))
        self._depth -= 1
        return _MARKS[type(value)] + written

    def _part(self, part: Any) -> bytes:
        short = short_stream(part)
        if short is not None and len(short) <= SHORT:
            return b"s%08x%b" % (len(short), short)
        if isinstance(part, Known):
            return b"d" + bytes.fromhex(part.digest)
        digest = self._digests.get(id(part))
        if digest is None:
            digest = self._digests[id(part)] = xxh3_128_digest(self._stream(part))
        return b"d" + digest


def _parts_of(value: Any) -> Sequence[Any] | None:
    """The parts of a container that is composed; None of any other value."""
    cls = type(value)
    if cls not in _MARKS or len(value) > MOST:
        return None
    parts = [*value, *value.values()] if cls is dict else value
    kinds = {*map(type, parts)}
    if kinds <= LEAVES and not (kinds & TEXTS and any(type(p) in TEXTS and len(p) > SHORT for p in parts)):
        return None
    return parts
