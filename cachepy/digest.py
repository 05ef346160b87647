"""Digests of values: equal values have equal digests, in every process.

The value is run through the C pickler in ``fast`` mode: without a memo, object identity leaves no
mark in the stream.  What pickle would write differently for equal values (sets, nan, arrays,
frames, functions, classes, paths) is intercepted by `reducer_override`.  The stream is never
loaded again: it only has to be canonical.

Imports errors, modules, rules, sharing.
"""

from __future__ import annotations

import io
import sys
from _pickle import Pickler

from xxhash import xxh3_128_hexdigest

from cachepy.errors import UndigestableError
from cachepy.modules import Origins
from cachepy.rules import Found, digest_bytes, find_rule, form, mark, name_of
from cachepy.sharing import LARGE, Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.rules import Rule

__all__ = ["Digester", "Found", "ValuePickler", "digest_bytes", "form", "name_of"]

_PROTOCOL = 3  # spells sets by name, so that one set anywhere is noticed, and has no framing
_NAN = (b"G\x7f\xf8", b"G\xff\xf8")
_FLAT = frozenset({int, float, complex, bool, str, bytes, type(None)})
_FEW = 16
_DEEPEST = 5000  # levels; with more, pickling may need more than a thread's stack of 8 MB
_SORTABLE = frozenset({int, str, bytes})


class Digester:
    """Digests values with the rules of one session.

    Parameters
    ----------
    origins : Origins
        Tells user code from packages.
    code_of : callable
        ``code_of(function_or_class) -> str | None``: the digest of code that has no name by which
        another process could find it (lambdas, local functions), None for code that has, and the
        empty text for what need not be followed (cached functions).

    Examples
    --------
    >>> d = Digester(Origins(), lambda obj: None)
    >>> d.digest({1, 2, 3}) == d.digest({3, 2, 1})
    True
    >>> d.digest(1) == d.digest(True)
    False
    """

    def __init__(self, origins: Origins, code_of: Callable[[Any], str | None]) -> None:
        self.origins = origins
        self.code_of = code_of
        self.rules: dict[type, tuple[Rule | None, str | None]] = {}

    def digest(self, value: object, found: Found | None = None) -> str:
        """The digest of any value; UndigestableError if it has none."""
        return xxh3_128_hexdigest(self.stream(value, found))

    def stream(self, value: object, found: Found | None = None) -> bytes:
        """The canonical bytes of a value; with the `found` of an earlier pass nothing large is read again."""
        found = found if found is not None else Found()
        if self.is_too_deep(value):
            raise _no_digest(value, RecursionError(f"it is more than {_DEEPEST} levels deep"))
        try:
            return self._plain_stream(value if _is_flat(value) else self._folded(value, found), found)
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
        return sys.getrecursionlimit() > _DEEPEST and not _is_flat(value) and self._folder().is_deep(value, _DEEPEST)

    def _is_deep_here(self, value: object) -> bool:
        """Whether it is the calls around this one that are deep, not the value: it would have a digest elsewhere."""
        limit = sys.getrecursionlimit()
        frame, depth = sys._getframe(), 0
        while frame.f_back is not None:
            frame, depth = frame.f_back, depth + 1
        return depth > limit // 2 and not self._folder().is_deep(value, limit // 8)

    def _looped(self, value: object, found: Found) -> bytes:
        """A value that may refer to itself: with a memo, in which object identity shows."""
        file = io.BytesIO()
        pickler = CanonicalPickler(file, self, found)
        pickler.fast = False
        try:
            pickler.dump(value)
        except (UndigestableError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, RecursionError) and self._is_deep_here(value):
                raise
            raise _no_digest(value, error) from error
        return b"looped" + file.getvalue()

    def _stream(self, value: object, found: Found) -> bytes:
        return self._plain_stream(value if _is_flat(value) else self._folded(value, found), found)

    def _folded(self, value: object, found: Found) -> Any:
        """The value, or if it is too large to be written out, a copy with digests in place of its parts."""
        folder = self._folder(found)
        if folder.spread(value) <= LARGE:
            return value
        found.hidden = True
        return folder.fold(value)

    def _folder(self, found: Found | None = None) -> Folder:
        found = found if found is not None else Found()
        return Folder(self.rule_for, lambda part: xxh3_128_hexdigest(self._plain_stream(part, found)))

    def _plain_stream(self, value: object, found: Found) -> bytes:
        file = io.BytesIO()
        pickler = ValuePickler(file, self, found)
        pickler.dump(value)
        data = file.getvalue()
        if pickler.has_set or _NAN[0] in data or _NAN[1] in data:
            file = io.BytesIO()
            CanonicalPickler(file, self, found).dump(value)
            data = file.getvalue()
        return data

    def rule_for(self, cls: type) -> tuple[Rule | None, str | None]:
        """The rule for instances of a class (None: as pickle does it), and the package it is of."""
        try:
            return self.rules[cls]
        except KeyError:
            found = self.rules[cls] = find_rule(cls), self.origins.package(cls.__module__)
            return found


def _is_flat(value: Any) -> bool:
    """Surely without parts that are large: most values are."""
    cls = type(value)
    return cls in _FLAT or (cls is tuple and len(value) < _FEW and _FLAT.issuperset(map(type, value)))


def _no_digest(value: object, error: Exception) -> UndigestableError:
    try:
        why = str(error)
    except Exception:
        why = ""
    return UndigestableError(f"a value of type {type(value).__name__} has no digest: {why or type(error).__name__}")


class ValuePickler(Pickler):
    """Writes the canonical stream of a value without sets and nan; notices if it has them."""

    def __init__(self, file: io.BytesIO, digester: Digester, found: Found) -> None:
        super().__init__(file, _PROTOCOL)
        self.fast = True
        self.digester = digester
        self.found = found
        self.has_set = False

    def reducer_override(self, obj: Any) -> Any:
        if obj is mark:
            return NotImplemented
        if obj is set or obj is frozenset:
            self.has_set = True
            return NotImplemented
        rule, package = self.digester.rule_for(type(obj))
        if package is not None:
            self.found.packages.add(package)
        return NotImplemented if rule is None else rule(obj, self)


class CanonicalPickler(ValuePickler):
    """The slower form, for values that hold a set or a nan: looks at every single object."""

    def persistent_id(self, obj: Any) -> Any:
        cls = type(obj)
        if cls is set or cls is frozenset:
            return cls.__name__, self._ordered(obj)
        if cls is float and obj != obj:
            return "nan"
        return None

    def _ordered(self, items: Any) -> Any:
        kinds = set(map(type, items))
        if len(kinds) == 1 and kinds <= _SORTABLE:
            return self.digester._stream(sorted(items), self.found)
        if kinds <= _FLAT:
            return sorted(self.digester._plain_stream(item, self.found) for item in items)
        rows = []
        for item in items:
            flat = _is_flat(item)
            found = self.found if flat else Found()
            write = self.digester._plain_stream if flat else self.digester._stream
            rows.append((write(item, found), found))
        rows.sort(key=lambda row: row[0])
        for _, found in rows:  # in an order that does not depend on hashes
            if found is not self.found:
                self.found.merge(found)
        return [stream for stream, _ in rows]
