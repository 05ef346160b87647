"""The stream of a value that is not flat, by the C pickler in ``fast`` mode.

Without a memo object identity leaves no mark in the stream.  What pickle would write differently for equal values
(sets, nan, arrays, frames, functions, classes, paths) is intercepted by `reducer_override`.
"""

from __future__ import annotations

import sys
from _pickle import Pickler
from marshal import dumps

from xxhash import xxh3_128_hexdigest

from cachepy.errors import UndigestableError, UsageError
from cachepy.values.flat import LEAVES, MARSHAL, flat_stream, has_no_nan, may_have_nan
from cachepy.values.references import References, mark
from cachepy.values.sharing import LARGE, Folder, is_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.values.writing import Digester

_PROTOCOL = 3  # spells sets by name, so that one set anywhere is noticed, and has no framing
_DEEPEST = 5000  # levels; with more, pickling may need more than a thread's stack of 8 MB
_MOST_PARTS = 10_000  # objects in a value of which some part has no digest
_STR = {str}
_SORTABLE = frozenset({int, str, bytes})
_BY_LOOK = frozenset({set, frozenset, float})
_LOOPED = b"\x80looped"  # no stream of `flat` starts like it
_PARTS = b"\x80parts"
_AGAIN = b"\x80again"


class Writer:
    """Writes the streams of one digester."""

    def __init__(self, digester: Digester) -> None:
        self.digester = digester
        self._idle: list[ValuePickler] = []

    def stream(self, value: object, found: References) -> bytes:
        """The canonical bytes of a value; UndigestableError if it has none."""
        try:
            return self._pickled_whole(value, found)
        except UndigestableError as error:
            if found.unseen is None or isinstance(error, UsageError):
                raise
            return self.by_parts(value, found)

    def by_parts(self, value: object, found: References) -> bytes:
        """A value of which a part has no digest."""
        found.parted = True
        for fast in (True, False):
            try:
                return _PARTS + _dump(PartsPickler, value, self.digester, found, fast=fast)
            except (UndigestableError, MemoryError):
                raise
            except Exception as error:
                if isinstance(error, RecursionError) and self._is_deep_here(value):
                    raise
                why = error
        raise _no_digest(value, why) from why

    def _pickled_whole(self, value: object, found: References) -> bytes:
        if self.is_too_deep(value):
            raise _no_digest(value, RecursionError(f"it is more than {_DEEPEST} levels deep"))
        try:
            return self.written(self.folded(value, found), found)
        except (UndigestableError, MemoryError):
            raise
        except RecursionError:
            if self._is_deep_here(value):
                raise
            return self._looped(value, found)
        except ValueError:
            return self._looped(value, found)
        except Exception as error:
            raise _no_digest(value, error) from error

    def is_too_deep(self, value: object) -> bool:
        """Whether pickling would overflow the stack: a program may have raised the limit that Python keeps."""
        return sys.getrecursionlimit() > _DEEPEST and self._folder(References()).is_deep(value, _DEEPEST)

    def _is_deep_here(self, value: object) -> bool:
        """Whether it is the calls around this one that are deep, not the value: it would have a digest elsewhere."""
        limit = sys.getrecursionlimit()
        frame, depth = sys._getframe(), 0
        while frame.f_back is not None:
            frame, depth = frame.f_back, depth + 1
        return depth > limit // 2 and not self._folder(References()).is_deep(value, limit // 8)

    def _looped(self, value: object, found: References) -> bytes:
        """A value that may refer to itself: with a memo, in which object identity shows."""
        found.altering.add(type(value))
        try:
            return _LOOPED + _dump(LoopedPickler, value, self.digester, found, fast=False)
        except (UndigestableError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, RecursionError) and self._is_deep_here(value):
                raise
            raise _no_digest(value, error) from error

    def folded(self, value: object, found: References) -> Any:
        """The value, or if it is too large to be written out, a copy with digests in place of its parts."""
        if is_small(value, self.digester.rule_for):
            return value
        folder = self._folder(found)
        if folder.spread(value) <= LARGE:
            return value
        found.hidden = True
        return folder.fold(value)

    def folds(self, value: object) -> bool:
        """Whether a value may be too large to be written out; what cannot be looked into may be."""
        try:
            return not is_small(value, self.digester.rule_for) and self._folder(References()).spread(value) > LARGE
        except Exception:  # an object that cannot be pickled
            return True

    def is_plain(self, value: object) -> bool:
        """Whether there are only numbers, texts and plain containers in a value."""
        try:
            return self._quick(value, References())[1]
        except Exception:  # a set, or something without a digest
            return False

    def _folder(self, found: References) -> Folder:
        return Folder(self.digester.rule_for, lambda part: xxh3_128_hexdigest(self.written(part, found)))

    def written(self, value: object, found: References) -> bytes:
        """The stream of a value, folded or not."""
        flat = flat_stream(value)
        return self.unflat(value, found) if flat is None else flat

    def unflat(self, value: object, found: References) -> bytes:
        """The stream of a value that is not flat."""
        try:
            data, is_plain = self._quick(value, found)
        except _SetMetError:
            return _dump(CanonicalPickler, value, self.digester, found)
        if may_have_nan(data) and not (is_plain and has_no_nan(value)):
            return _dump(CanonicalPickler, value, self.digester, found)
        return data

    def _quick(self, value: object, found: References) -> tuple[bytes, bool]:
        """The stream, and whether there are only numbers, texts and plain containers in it."""
        try:
            pickler = self._idle.pop()
        except IndexError:  # all are at work, in other threads or further up
            pickler = _pickler(ValuePickler, self.digester, fast=True)
        data = pickler.written(value, found)
        is_plain = pickler.is_plain
        self._idle.append(pickler)  # after an error it is left to go
        return data, is_plain


def _no_digest(value: object, error: Exception) -> UndigestableError:
    try:
        why = str(error)
    except Exception:
        why = ""
    return UndigestableError(f"a value of type {type(value).__name__} has no digest: {why or type(error).__name__}")


class _Sink:
    """All that a pickler needs of a file."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[Any], Any]) -> None:
        self.write = write


def _dump(cls: type[ValuePickler], value: object, digester: Digester, found: References, *, fast: bool = True) -> bytes:
    return _pickler(cls, digester, fast=fast).written(value, found)


def _pickler(cls: type[ValuePickler], digester: Digester, *, fast: bool) -> ValuePickler:
    chunks: list[bytes] = []
    pickler = cls(_Sink(chunks.append), _PROTOCOL)
    pickler.memo = _MARKED
    pickler.fast = fast
    pickler.chunks = chunks
    pickler.digester = digester
    pickler.renamed = []
    return pickler


def _marked() -> Any:
    """A memo in which `mark` is known: a form begins with two bytes instead of the search for its name."""
    pickler = Pickler(_Sink(len), _PROTOCOL)
    pickler.memo = {id(mark): (0, mark)}
    return pickler.memo


_MARKED = _marked()


class _SetMetError(Exception):
    """The value holds a set: it has to be written in the slower form."""


class ValuePickler(Pickler):
    """Writes the canonical stream of a value without sets and nan; stops at the first set."""

    chunks: list[bytes]
    digester: Digester
    found: References
    is_plain: bool
    renamed: list[tuple[str, str]]  # how names of code were written, and how they are to be
    orders = False  # whether it writes sets in order

    def written(self, value: object, found: References) -> bytes:
        """In ``fast`` mode nothing stays behind: the same pickler can write the next value."""
        self.found, self.is_plain = found, True
        self.dump(value)
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        del self.found
        return self._with_names(data) if self.renamed else data

    def _with_names(self, data: bytes) -> bytes:
        """What stands for a function is found by a name of its own, and counts by that of the function."""
        for written, meant in self.renamed:
            data = data.replace(written.encode(), meant.encode())
        self.renamed.clear()
        return data

    def reducer_override(self, obj: Any) -> Any:
        self.is_plain = False
        if obj is mark:
            return NotImplemented
        if obj is set or obj is frozenset:
            if self.orders:
                return NotImplemented
            raise _SetMetError
        cls = type(obj)
        rule, package, may_alter = self.digester.rule_for(cls)
        if package is not None:
            self.found.packages.add(package)
        if may_alter:
            self.found.altering.add(cls)
        return NotImplemented if rule is None else rule(obj, self)


class CanonicalPickler(ValuePickler):
    """The slower form, for values that hold a set or a nan: looks at every single object."""

    orders = True

    def persistent_id(self, obj: Any) -> Any:
        cls = type(obj)
        if cls not in _BY_LOOK:
            return None
        if cls is float:
            return "nan" if obj != obj else None
        return self._ordered(cls.__name__, obj)

    def _ordered(self, name: str, items: Any) -> Any:
        items = list(items)
        kinds = {*map(type, items)}
        if kinds == _STR:
            items.sort()
            text = "\0".join(items)
            if text.count("\0") == len(items) - 1:
                return f"{name} {text}"
        if len(kinds) == 1 and kinds <= _SORTABLE:
            return name, dumps(sorted(items), MARSHAL)
        if kinds <= LEAVES:
            return name, sorted(self._stream(item, self.found) for item in items)
        rows = sorted(map(self._row, items), key=lambda row: row[0])
        for _, found in rows:  # in an order that does not depend on hashes
            self.found.merge(found)
        return name, [stream for stream, _ in rows]

    def _row(self, item: Any) -> tuple[bytes, References]:
        found = References(by_parts=self.found.unseen is not None)
        return self._stream(item, found), found

    def _stream(self, item: Any, found: References) -> bytes:
        writer = self.digester.writer
        data: bytes = writer.written(writer.folded(item, found), found)
        return data


class LoopedPickler(CanonicalPickler):
    """With a memo, but for texts and bytes: which of them are one object is told by nobody who loads them."""

    def persistent_id(self, obj: Any) -> Any:
        cls = type(obj)
        if cls is str:
            return f"str {obj}"  # made anew each time, or the memo would know it
        if cls is bytes:
            return b"bytes " + obj
        return super().persistent_id(obj)


class PartsPickler(CanonicalPickler):
    """The slowest form, for values of which a part has no digest: that part goes by its type, the others count.

    It ends where there are too many parts: such a value holds half of the program, and is digested anew at each hit.
    """

    parts = 0

    def reducer_override(self, obj: Any) -> Any:
        from cachepy.values import unpicklable

        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise UndigestableError(f"it has more than {_MOST_PARTS:,} parts")
        if obj is mark or obj is set or obj is frozenset or issubclass(type(obj), type):
            return super().reducer_override(obj)
        self.found.kinds.add(type(obj))
        beside = unpicklable.form_beside(obj, self)
        if beside is not None:
            return beside
        try:
            written = super().reducer_override(obj)
            return unpicklable.reduced(obj) if written is NotImplemented else written
        except (RecursionError, MemoryError, UsageError):  # the last of a digest function of the user's
            raise
        except Exception:
            return unpicklable.form_of_parts(obj, self)

    def _stream(self, item: Any, found: References) -> bytes:
        busy = found.known = self.found.known
        place = -id(item)
        if place in busy:  # it holds itself, by way of a set
            return _AGAIN
        busy[place] = item, None
        try:
            return self.digester.stream(item, found)
        finally:
            del busy[place]
