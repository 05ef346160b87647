"""The arguments of a run as they were given, and which of them its body changed.

A hit does not run the body: what that changed would stay as it was.  So an argument is digested again after the body if
that is cheap against it; of what is too large for that, a sketch is compared.
"""

from __future__ import annotations

from collections import defaultdict
from time import thread_time

from cachepy.errors import ChangedArgumentWarning, UndigestableError, UsageError
from cachepy.store.stored_arguments import load
from cachepy.values.builtin_normalizers import attributes_of
from cachepy.values.digest import References, is_cache
from cachepy.values.flat import LEAVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.calls.request import Request
    from cachepy.store.changed_arguments import Part

_SHARE = 0.02  # of the time of the body
_SMALL = 0.001  # s that are spent in any case
_BYTE = 1e-10  # s for each byte of an array: 10 GB a second, while other code runs beside
_MISSING = object()
_FIXED = LEAVES | {type, type(lambda: None), type(len), range}


class Given:
    """What the arguments of one run were before its body; those that no body can change are left out."""

    __slots__ = ("_request", "_rows", "parts")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._rows: list[tuple[float, str, Any, str, Any]] = []  # s to digest it again, name, value, digest, sketch
        self.parts: Sequence[Part] = ()  # whose states are stored with the result
        if request.function.options.changes:
            self._check()

    def digest(self, name: str, value: Any) -> str | None:
        """The digest of an argument, from now on watched; None if it cannot be changed."""
        if type(value) in _FIXED:
            return None
        found, began = self._request.found, thread_time()
        if found is not None:
            found.again = 0
        digest = self._request.digester.digest(value, found)
        took = thread_time() - began + (0 if found is None else found.again * _BYTE)
        self._rows.append((took, name, value, digest, None if took < _SMALL else self._sketch(value)))
        return digest

    def _sketch(self, value: Any) -> Any:
        """For what may take too long to be digested again."""
        from cachepy.values.sketch import sketch

        try:
            return sketch(value, self._request.digester.digest)
        except Exception:  # looking at an object of the user's runs its code
            return None

    def may_store(self, result: Any, elapsed: float, kept: bytes | None) -> bool:
        """Whether a hit can do what this run did; warns if it cannot.  Sets `parts`.

        kept: the arguments as they were, if they were kept.
        """
        declared_ = self._declared()
        stored = {id(value): value for value in declared_.values()}
        lost: dict[str, tuple[Any, str]] = {}
        for name, value in self._changed(elapsed, declared_):
            if id(value) in stored:
                continue
            where = self._where(name, value, kept)
            if where is None:
                continue
            if value is result and self._can_put(value):
                stored[id(value)] = value
            else:
                lost[name] = value, where
        for name, (value, where) in lost.items():
            self._warn(name, value, where, is_result=value is result)
        self.parts = [] if lost else [(self._names(value), value) for value in stored.values()]
        return not lost

    def told(self, result: Any) -> tuple[Any, int]:
        """As `told` of this run."""
        return told(result, [value for _, value in self.parts])

    def _changed(self, elapsed: float, declared: dict[str, Any]) -> list[tuple[str, Any]]:
        """Names and values of those that changed, as far as it is cheap to know."""
        left = max(_SMALL, _SHARE * elapsed)
        found = []
        for cost, name, value, before, sketched in sorted(self._rows, key=lambda row: row[0]):
            if name in declared:
                continue
            left -= cost
            is_cheap = left >= 0 or cost < _SMALL  # of a small one there is no sketch
            look, then = (self._digest_now, before) if is_cheap else (self._sketch, sketched)
            now = None if then is None else look(value)
            if now == then or now != look(value):  # the same, or never the same twice, which is told otherwise
                continue
            if is_cheap or self._digest_now(value) != before:  # a sketch shows caches too, which do not count
                found.append((name, value))
        return found

    def _digest_now(self, value: Any) -> str | None:
        try:
            return self._request.digester.digest(value, References())
        except (UndigestableError, RecursionError):  # it had a digest before
            return None

    def _declared(self) -> dict[str, Any]:
        return declared(self._request.function, self._request.values)

    def _check(self) -> None:
        for name, value in self._declared().items():
            if not self._can_put(value):
                call = self._request.function
                raise UsageError(
                    f"{call.fname} says changes={list(call.options.changes)!r}, but its argument {name!r} is of type "
                    f"{type(value).__name__}, which cannot be changed in place at a hit. Return the new value, and "
                    f"leave {name!r} out of changes"
                )

    def _can_put(self, value: Any) -> bool:
        from cachepy.store.changed_arguments import kind_of

        return kind_of(value) is not None

    def _names(self, value: Any) -> tuple[str, ...]:
        return tuple(name for name, each in self._request.function.binder.named(self._request.values) if each is value)

    def _where(self, name: str, value: Any, kept: bytes | None) -> str | None:
        """Which part of an argument is another, as far as that can be told; None: only what is called a cache."""
        if kept is None:
            return name
        binder, digest = self._request.function.binder, self._request.digester.digest
        try:
            args, kwargs = load(kept, _lost)
            return difference(dict(binder.named(binder.bind(*args, **kwargs)))[name], value, digest, name)
        except Exception:  # of any class code runs here
            return name

    def _warn(self, name: str, value: Any, where: str, *, is_result: bool) -> None:
        call, first = self._request.function, name.partition("[")[0]
        part = "" if where == name else f" (at {where})"
        if hasattr(type(value), "__next__"):
            way = "Pass a list, or what it is made from"
        elif not self._can_put(value):
            way = "Change a copy, and return that"
        elif is_result:
            way = f"Change a copy, or say changes=[{first!r}]"
        else:
            way = f"Change a copy and return that, return {name!r} itself, or say changes=[{first!r}]"
        self._request.session.warn(
            ChangedArgumentWarning,
            f"{call.fname} changed its argument {name!r}{part}, so its result was not stored and every such call runs "
            f"again: at a hit {name!r} would stay as it was. {way}",
            call.target.identity,
            name,
        )


def _lost(_: str) -> Any:
    raise LookupError


def difference(before: Any, after: Any, digest: Callable[[Any], str], name: str, depth: int = 4) -> str | None:
    """Where two states of an object differ; None: only in attributes that are called a cache, and in defaults."""
    rows = _parts(name, before), _parts(name, after)
    if type(before) is not type(after) or not any(rows) or not depth:
        return name
    filled = getattr(after, "default_factory", None)  # of a defaultdict, which looking for a key fills
    is_only_cache = False
    for where in sorted({**rows[0], **rows[1]}, key=lambda each: type(rows[1].get(each)) not in LEAVES):
        old, new = (each.get(where, _MISSING) for each in rows)
        is_both = old is not _MISSING and new is not _MISSING
        if is_both and digest(old) == digest(new):
            continue
        if is_cache(where.rpartition(".")[2]) or (old is _MISSING and filled and digest(new) == digest(filled())):
            is_only_cache = True
            continue
        inside = difference(old, new, digest, where, depth - 1) if is_both else where
        if inside is not None:
            return inside
        is_only_cache = True
    return None if is_only_cache else name


def _parts(name: str, obj: Any) -> dict[str, Any]:
    from cachepy.store.changed_arguments import kind_of

    if type(obj) in (dict, defaultdict):
        return {f"{name}[{key!r}]": value for key, value in obj.items()}
    if kind_of(obj) == "instance":
        return {f"{name}.{key}": value for key, value in attributes_of(obj)}
    return {}


def declared(call: Function, values: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments that a body is said to change, but for those that nothing can change."""
    names = {*call.options.changes}
    if not names:
        return {}
    signature = call.binder.signature
    if signature.var_keyword in names:
        names.update(name for name, _ in call.binder.named(values) if name not in signature.names)
    rows = call.binder.named(values)
    return {name: each for name, each in rows if type(each) not in _FIXED and name.partition("[")[0] in names}


def told(result: Any, changed: list[Any]) -> tuple[Any, int]:
    """What the digest of a result is of, if the body changed some arguments; and the number of one that is all of it.

    The number is -1 if it is another value.
    """
    if len(changed) == 1 and (result is None or result is changed[0]):
        return changed[0], 0
    more = [value for value in changed if value is not result]
    return ((result, more) if more else result), -1
