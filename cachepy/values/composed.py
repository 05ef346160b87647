"""Digests of containers, composed from the digests of their parts.

The digests of some results tell that of a list of them, and so which call takes it, with none of them loaded (see
`Known`).  Only lists, tuples and dicts are composed, whose parts somebody may put together so.  Short parts stand in
the stream as they are, and a container that is short itself as a whole: most arguments are.
"""

from __future__ import annotations

from itertools import repeat
from marshal import dumps

from xxhash import xxh3_128_digest

from cachepy.values.flat import COMPOSED, LEAVES, MARSHAL, NUMBERS, SHORT, flat_stream, short_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.pickler import Writer
    from cachepy.values.references import References
    from cachepy.values.writing import Digester

MOST = 10_000  # parts; a longer container is pickled, which is faster, and counts as one value
_DEEPEST = 50  # levels; what is deeper, or holds itself, is pickled too
_PLAIN = LEAVES | COMPOSED
_MARKS: dict[Any, bytes] = {list: b"\x81l", tuple: b"\x81t", dict: b"\x81d"}  # no other stream starts like these


class _TooDeepError(Exception):
    """The value has more levels than are composed."""


class Known:
    """Stands for a value of which the digest is known, and that is not loaded: a result that is not short.

    digest: 32 hex digits, as `Digester.digest` gives them.
    """

    digest: str


class Composer:
    """Writes the stream of one container; each part is digested once, however often it occurs."""

    def __init__(self, value: Any, digester: Digester, found: References) -> None:
        self._value = value
        self._writer: Writer = digester.writer
        self._found = found
        self._digests: dict[int, bytes] = {}
        self._depth = 0

    def stream(self) -> bytes:
        """The canonical bytes of the value; UndigestableError if it has none."""
        value, writer = self._value, self._writer
        try:
            if not writer.is_too_deep(value) and not writer.folds(value):
                return self._stream(value)
        except _TooDeepError:
            pass
        return writer.stream(value, self._found)

    def _are_plain(self, value: Any) -> bool:
        """Whether there are short parts of numbers and texts only, as in rows of a table: those are written at once."""
        parts = (*value, *value.values()) if type(value) is dict else value
        kinds = {*map(type, parts)}
        if not kinds <= _PLAIN or (kinds & COMPOSED and not self._writer.is_plain(value)):
            return False
        return max(map(len, map(dumps, parts, repeat(MARSHAL))), default=0) <= SHORT

    def _stream(self, value: Any) -> bytes:
        """Of a container that is not short."""
        parts = (*value, *value.values()) if type(value) is dict else value
        if len(value) > MOST:
            return self._writer.stream(value, self._found)
        if self._are_plain(value):
            return self._writer.written(value, self._found)
        if self._depth == _DEEPEST:
            raise _TooDeepError
        self._depth += 1
        written = b"".join(map(self._part, parts))
        self._depth -= 1
        return _MARKS[type(value)] + written

    def _part(self, part: Any) -> bytes:
        cls = type(part)
        if cls in LEAVES:
            if cls in NUMBERS or len(part) <= SHORT:
                data = dumps(part, MARSHAL) if part == part else b"nan"
                return b"s%08x%b" % (len(data), data)
        elif cls in COMPOSED:
            short = short_stream(part)
            if short is not None:
                return b"s%08x%b" % (len(short), short)
        elif isinstance(part, Known):
            return b"d" + bytes.fromhex(part.digest)
        digest = self._digests.get(id(part))
        if digest is None:
            digest = self._digests[id(part)] = xxh3_128_digest(self._long(part, cls))
        return b"d" + digest

    def _long(self, part: Any, cls: type) -> bytes:
        """The stream of a part that is not short: what its own digest is of."""
        if cls in COMPOSED:
            return self._stream(part)
        if cls in LEAVES:
            return flat_stream(part) or self._writer.stream(part, self._found)
        try:
            return self._writer.unflat(part, self._found)
        except Exception:  # it may refer to itself, or has no digest: who takes the long way finds out
            return self._writer.stream(part, self._found)
