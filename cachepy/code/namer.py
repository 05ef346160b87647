"""Digests in which code counts by its name, and by what its closure holds."""

from __future__ import annotations

from _thread import get_ident

from cachepy.code.bytecode import code_bytes
from cachepy.code.fingerprint import cached_target
from cachepy.code.members import is_immutable
from cachepy.errors import UndigestableError, raise_users
from cachepy.values.digest import Digester, digest_bytes, name_of
from cachepy.values.references import cells_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.values.modules import Origins

LOCAL = ".<locals>"
_DEEPEST = 50  # functions that close over functions; further down all are the same


class Namer:
    """Digests in which code counts by its name, and by what tells it from other code of that name.

    Examples
    --------
    >>> from cachepy.values.modules import Origins
    >>> def timed(fn):
    ...     return lambda x: fn(x)
    >>> one, two, digest = timed(len), timed(repr), Namer(Origins()).digest
    >>> digest(one) == digest(two), digest(one) == digest(timed(len))
    (False, True)
    """

    def __init__(self, origins: Origins) -> None:
        self._digester = Digester(origins, self._own)
        self._busy: set[tuple[int, int]] = set()

    def forget(self) -> None:
        """Rules have changed."""
        self._digester.rules.clear()

    def digest(self, value: Any) -> str:
        """The digest of a value in a closure; UndigestableError if it has none."""
        return self._digester.digest(value)

    def held(self, fn: Any) -> list[str]:
        """What a function holds besides its code: closure and defaults, as far as they have digests."""
        parts = []
        for name, value in held_by(fn):
            try:
                parts.append(f"{name}={self.digest(value)}")
            except UndigestableError as error:  # what only the trace can speak of
                raise_users(error)
                continue
        return parts

    def _own(self, obj: Any) -> str:
        """The hook of the digester: what tells code from other code of its name."""
        mark = get_ident(), id(obj)
        if mark in self._busy or len(self._busy) >= _DEEPEST:
            return "again"
        self._busy.add(mark)
        try:
            target = cached_target(obj)
            return ";".join(self._parts(obj if target is None else target.fn))
        finally:
            self._busy.discard(mark)

    def _parts(self, obj: Any) -> list[str]:
        if isinstance(obj, type):
            return self._members(obj) if LOCAL in name_of(obj)[1] else []
        parts = self.held(obj) if hasattr(obj, "__code__") else []
        if "<lambda>" in getattr(obj, "__qualname__", "") and hasattr(obj, "__code__"):
            parts.append(digest_bytes(code_bytes(obj.__code__)))  # as in its identity: see `Target`
        return parts

    def _members(self, cls: type) -> list[str]:
        """A local class may be made many times, with other constants and other closures in its methods."""
        parts = []
        for name, value in sorted(vars(cls).items()):
            member = getattr(value, "__func__", value)
            if hasattr(member, "__code__"):
                parts += [f"{name}.{part}" for part in self.held(member)]
            elif name[:2] != "__" and is_immutable(value):
                parts.append(f"{name}={self.digest(value)}")
        return parts


def held_by(fn: Any) -> Iterator[tuple[str, Any]]:
    """The contents of its cells, and its defaults."""
    yield from cells_of(fn)
    for index, value in enumerate(fn.__defaults__ or ()):
        yield f"default {index}", value
    yield from (fn.__kwdefaults__ or {}).items()
