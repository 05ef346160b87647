"""What a local function holds: by name it says which function it is, by code what has to be as it was.

Functions behind one decorator that hides their names (``timed.<locals>.inner``) are told apart by what their closures
hold: data by value, code by name, down through the closures of that code (see `namer`).
"""

from __future__ import annotations

from cachepy.code.fingerprint import cached_target, resolve
from cachepy.code.members import FUNCTION, MODULE, is_immutable
from cachepy.code.namer import LOCAL, held_by
from cachepy.core.model import ENCLOSING_CODE, PACKAGE, Dep
from cachepy.errors import UndigestableError, raise_users
from cachepy.values.digest import Digester, References, name_of
from cachepy.values.references import cells_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CellType, CodeType
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.code.namer import Namer
    from cachepy.core.frame import Frame
    from cachepy.core.ports import Function

    Cells = list[tuple[CellType, Any]]

MARK = "@"  # stands in the name of a code dep between the function and the digest of what its closure holds
_MOST = 1000  # pieces of code in one closure that are looked for by their names


def closure_of(fn: Any, namer: Namer, ignore: frozenset[str]) -> bytes:
    """What the closure of a function holds: ``make(1)`` and ``make(2)`` are two functions."""
    parts = []
    for name, content in cells_of(fn):
        try:
            if name not in ignore:
                parts.append(f"{name}={namer.digest(content)}")
        except UndigestableError as error:  # what only the trace can speak of
            raise_users(error)
            continue
    return ";".join(parts).encode()


def steady_cells(fn: Any) -> Cells | None:
    """All cells that `closure_of` looks into, if as long as they hold the same objects it gives the same."""
    cells: Cells = []
    todo, seen = [fn], {id(fn)}
    while todo:
        function = todo.pop()
        for cell in function.__closure__ or ():
            content = getattr(cell, "cell_contents", None)
            cells.append((cell, content))
            target = cached_target(content)
            inner = content if target is None else target.fn
            if type(inner) is FUNCTION and id(inner) not in seen:
                seen.add(id(inner))
                todo.append(inner)
            elif type(inner) is not FUNCTION and not is_immutable(content):
                return None
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        if function is not fn and not all(map(is_immutable, defaults)):
            return None
    return cells


def anchors(session: State, fn: Any) -> Iterator[tuple[Dep, Any]]:
    """The code that speaks for a local function where it is not live, each with what it was found as.

    The function around it covers its own code; what its closure and its defaults hold may come from elsewhere, and has
    to be found by a name, too. A dep without a digest: some of it cannot.
    """
    named: dict[str, Any] = {}
    for obj in _code_behind(session, fn):
        if isinstance(obj, Dep):
            yield obj, None
            continue
        name, found = _covering(obj)
        if named.setdefault(name, found) is found and found is not None:
            continue
        named[name] = None  # two of that name, or none that can be found
    for name, found in named.items():
        reach = None if found is None else session.reader.reach(cached_target(found) or found)
        yield Dep(ENCLOSING_CODE, name, None if reach is None else reach.digest), reach


def observe_anchors(session: State, call: Function, frame: Frame) -> list[CodeFingerprint]:
    """Tell a frame what speaks for its local function, and all code that is named thereby."""
    found = []
    for dep, reach in anchors(session, call.fn):
        frame.add(dep)
        if reach is not None:
            found.append(reach)
    return found


def _code_behind(session: State, fn: Any) -> Iterator[Any]:
    """The function and all user code that it holds, however deep; what has no digest, and packages, as deps."""
    todo, seen = [fn], {id(fn): fn}
    while todo:
        obj = todo.pop()
        yield obj
        for each in _inside(obj):
            met: list[Any] = []
            found = References()
            try:
                Digester(session.origins, _noting(met)).digest(each, found)
            except UndigestableError:
                yield Dep(ENCLOSING_CODE, f"a value of {type(each).__qualname__}", None)
            for package in found.packages:
                yield Dep(PACKAGE, package, session.origins.version(package))
            for code in (*met, *found.code):
                target = cached_target(code)
                inner = code if target is None else target.fn
                if id(inner) not in seen and len(seen) < _MOST:
                    seen[id(inner)] = inner
                    todo.append(inner)


def _noting(met: list[Any]) -> Callable[[Any], str]:
    def note(obj: Any) -> str:
        met.append(obj)
        return ""

    return note


def _inside(obj: Any) -> list[Any]:
    """The values that a piece of code holds, where code from elsewhere may be."""
    if type(obj) is MODULE:
        return []
    members = [getattr(m, "__func__", m) for m in vars(obj).values()] if isinstance(obj, type) else [obj]
    is_held = not isinstance(obj, type) or LOCAL in name_of(obj)[1]
    return [value for f in members if is_held and type(f) is FUNCTION for _, value in held_by(f)]


def _covering(obj: Any) -> tuple[str, Any]:
    """The name of the code around a piece of code, and what another process will find by that name, if it covers it."""
    module, qualname = name_of(obj)
    outer = qualname.partition(LOCAL)[0] or "*"
    found = resolve(module, outer)
    name = f"{module}:{outer}"
    target = cached_target(found)
    if target is not None and target.identity != name:  # by that name a verification finds another function
        return name, None
    is_code = isinstance(found, (type, MODULE)) or hasattr(found, "__code__")
    return name, found if is_code and _covers(found, obj) else None


def _covers(found: Any, obj: Any) -> bool:
    """Whether the code of one object holds that of another, behind the decorators that are around it."""
    todo, seen = [found], {id(found)}
    code = getattr(obj, "__code__", None)
    while todo and len(seen) < _MOST:
        at = todo.pop()
        if at is obj or (code is not None and hasattr(at, "__code__") and _holds(at.__code__, code)):
            return True
        target = cached_target(at)
        inner = [target.fn] if target is not None else [getattr(at, "__wrapped__", None)]
        if type(at) is FUNCTION:
            inner += [value for _, value in held_by(at)]
        if isinstance(obj, type) and LOCAL in name_of(obj)[1] and type(at) is FUNCTION:
            return True  # the body of a local class stands in the function around it
        for each in inner:
            if type(each) is FUNCTION and id(each) not in seen:
                seen.add(id(each))
                todo.append(each)
    return False


def _holds(code: CodeType, wanted: CodeType) -> bool:
    """Whether a code object is another one, or has it somewhere inside."""
    todo = [code]
    while todo:
        at = todo.pop()
        if at is wanted or at == wanted:
            return True
        todo += [each for each in at.co_consts if isinstance(each, type(code))]
    return False

