"""Code that ran in a body though the function's own code does not lead to it: found by a text, a registry, a pickle.

It counts by the name that leads to it, or to its class; where none does, by its place in its source file; where that is
no module that can be imported by its name, by all of the file.  Each is looked at when it is about to run for the first
time, so that what it changes itself is seen.  What runs while a module is imported counts by what it left in modules.
"""

from __future__ import annotations

import os
import sys
from types import FunctionType

from cachepy.calls.code_events import events
from cachepy.calls.environment import counted, deps_of
from cachepy.calls.options import EXACTLY
from cachepy.code.fingerprint import IN_TEXT, cached_target, identity_of, resolve
from cachepy.code.members import codes_in, with_inner
from cachepy.core.bodies import bodies, threads
from cachepy.core.frame import leave_in_doubt
from cachepy.core.kinds import EDITED
from cachepy.core.model import IMPORTED, RAN, SOURCE, Dep
from cachepy.errors import OpaqueGlobalWarning, UncachedCallWarning
from cachepy.values.modules import USER, absolute_name, find, home_in, scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

    from cachepy.calls.exact_code import Exact
    from cachepy.calls.function import Function
    from cachepy.calls.inputs import Inputs
    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.code.source_texts import Taken
    from cachepy.core.bodies import Body
    from cachepy.core.frame import Caller, Frame

_OWN = "cachepy.core.call"
_TAKEN = (
    "other tools have all numbers of sys.monitoring, so code that runs is not observed: what is found by a text goes "
    "unseen. Stop a debugger or profiler, or say observe_code=False"
)


class RanCode:
    """What is noted of one body (see `code_events`)."""

    __slots__ = (
        "_body", "_fname", "_found", "_implied", "_imported", "_loading", "_missed", "_own", "_session", "_skips",
        "_sources", "beside", "changed", "covered", "exact", "frame", "is_blind", "taken",
    )  # fmt: skip

    def __init__(self, session: State, frame: Any, fname: str, covered: frozenset[int] = frozenset()) -> None:
        self._session = session
        self.frame = frame
        self.covered = covered
        self.taken = set[int]()
        self.beside: Any = ()
        self.is_blind = False
        self._fname = fname
        self._body: Body | None = None  # of a call that runs here
        self._own: CodeFingerprint | None = None  # likewise: its own code
        self._skips: Any = None  # tells of code whether it does not count
        self.changed: list[tuple[CodeFingerprint, CodeFingerprint]] = []
        self._found: dict[str, tuple[Any, CodeFingerprint]] = {}
        self._sources: dict[str, Dep] = {}
        self._imported: dict[str, None] = {}  # modules that were asked for by a computed name
        self._implied: dict[str, str] = {}  # source file -> module: of those that no name was computed for
        self.exact: Exact | None = None  # what did not run, if that does not count
        self._missed: tuple[str, Exception] | None = None
        self._loading = set[int]()  # the code of modules that began to be loaded

    @property
    def is_alone(self) -> bool:
        """Whether nobody runs code for it while it waits: it began no thread, and has nobody who takes its work."""
        body = self._body
        return body is not None and not body.is_async and not self._hands_on(body) and threads() <= body.before

    def _hands_on(self, body: Body) -> bool:
        """Whether its code, or some that ran for it, has an object that takes work for threads of before."""
        return body.hands_on or any(reach.routes.hands_on for reach in self.reaches)

    def may_own(self, thread: int) -> bool:
        """Whether a thread without a caller may work for it: not one of before, unless its code hands work on."""
        body = self._body
        if body is None or self._hands_on(body):
            return True
        return not any(each.ident == thread for each in body.before)

    def lacks(self, key: int) -> bool:
        return key not in self.covered and key not in self.taken and not self.is_blind

    def take(self, code: CodeType, at: Any) -> bool:
        """Note code that starts; False if it runs for an import, so that it may count when it starts again."""
        if self.is_blind:
            return True
        is_module = code.co_name == "<module>"
        if not is_module and self._is_import(at.f_back):
            return False
        try:
            if is_module:
                self._take_module(code, at)
            else:
                self._add(code, at)
        except Exception as error:  # it must not come out of the user's function
            self._missed = code.co_qualname, error
        self.taken.add(id(code))
        return True

    def _add(self, code: CodeType, at: Any) -> None:
        home = home_in(at.f_globals)
        if self._skips is not None and self._skips(home, code.co_qualname):
            return
        reader, texts, file = self._session.reader, self._session.texts, code.co_filename
        named = _named(code, home, at)
        if named is not None:
            reach = reader.reach(named[1])
            if id(code) in reach.inside():
                self._note(*named, reach)
                return
        if not os.path.isfile(file):  # made from a text, mostly by the body itself
            return
        if not texts.is_importable(home, file):
            self._add_source(file, None)
            return
        fn = texts.function(code, at.f_globals)
        self._note(f"{home}:{code.co_qualname}{IN_TEXT}", fn, reader.reach(fn))
        if code.co_freevars:  # what it holds was made by other code of the file
            self._add_source(file, None)

    def _note(self, identity: str, obj: Any, reach: CodeFingerprint) -> None:
        self._found.setdefault(identity, (obj, reach))
        self.taken |= reach.inside()

    # -- modules

    def take_import(self, name: object, package: Any, at: Any) -> None:
        """A module is asked for by a name; one that the code or a global of it spells out counts already."""
        if self.is_blind or at is None or self._is_import(at):
            return
        code = at.f_code
        if type(name) is not str or name in code.co_consts or name in map(at.f_globals.get, code.co_names):
            return
        if name[:1] == ".":
            from importlib.util import resolve_name

            try:
                name = resolve_name(name, package)
            except (ImportError, ValueError):  # nor will it be imported
                return
        self._imported.setdefault(name)

    def _take_module(self, code: CodeType, at: Any) -> None:
        """A module is loaded, by an import in a body; what that imports in turn counts by what is used of it."""
        self._loading.add(id(code))
        back = at.f_back
        while back is not None and back.f_code.co_filename[:8] == "<frozen ":
            back = back.f_back
        file, scope = code.co_filename, at.f_globals
        if back is None or self._is_import(back) or not os.path.isfile(file):
            return
        name = scope.get("__name__")
        if back.f_code.co_name == "import_module" or name in self._imported:
            return
        if scope.get("__file__") == file and scope_of(sys.modules.get(name)) is scope:
            self._implied[file] = home_in(scope)
        else:
            self._add_source(file, code)

    def _add_source(self, path: str, code: CodeType | None) -> None:
        if path not in self._sources:
            self._sources[path] = self._file(path, code, is_whole=True)

    def _file(self, path: str, code: CodeType | None = None, *, is_whole: bool) -> Dep:
        """A source file as a dep, by its digest if it is what was loaded."""
        texts, cwd = self._session.texts, getattr(self.frame, "cwd", "")
        is_same = texts.is_as_loaded(path, code or events.loaded.get(path))
        digest = (texts.digest(path, is_whole=is_whole) if is_same else None) or EDITED
        name = path.removeprefix(os.path.join(cwd, "")) if cwd else path
        return Dep(SOURCE if is_whole else IMPORTED, name, digest)

    # -- when the body has ended

    def add(self) -> None:
        """Tell the frame of what counts; it has to be open still."""
        self._look_again()
        for dep in self.deps():
            self.frame.add(dep)
        if self._missed is not None:
            name, error = self._missed
            leave_in_doubt(self.frame)
            self._session.warn(
                UncachedCallWarning,
                f"the result of {self._fname} was not stored: it ran {name}, of whose code no digest can be made "
                f"({type(error).__name__}: {error}). Name it in the function's code, or say observe_code=False",
                self._fname,
                name,
            )

    def deps(self) -> Iterator[Dep]:
        """What counts."""
        for identity, (_, reach) in list(self._found.items()):
            yield Dep(RAN, identity, reach.digest)
        read = set[str]().union(*(reach.variables for reach in self.reaches))
        yield from deps_of(counted(read) if read else ())
        yield from list(self._sources.values())
        yield from self._values_of([(name, False) for name in self._imported])
        homes = {identity.partition(":")[0] for identity in self._found}
        for path, home in list(self._implied.items()):
            if home not in homes:
                yield self._file(path, is_whole=False)

    def _is_import(self, at: Any) -> bool:
        """Whether a module is being loaded between a place on the stack and the body."""
        while at is not None and at.f_globals.get("__name__") != _OWN:
            if id(at.f_code) in self._loading:
                return True
            at = at.f_back
        return False

    def end(self) -> None:
        """The body has ended; also if it never began."""
        events.end(self)

    def _values_of(self, todo: list[tuple[str, bool]]) -> Iterator[Dep]:
        """Modules that were imported under computed names, and those from which their values come, maybe whole."""
        seen = set[tuple[str, bool]]()
        while todo:
            name, is_whole = todo.pop()
            module = sys.modules.get(name)
            path = scope_of(module).get("__file__")
            if type(path) is not str or (path, is_whole) in seen or self._session.origins.of_module(module) != USER:
                continue
            seen.add((path, is_whole))
            yield self._file(path, is_whole=is_whole)
            for each in self._session.texts.taken(path):
                todo += _values_from(scope_of(module), each)

    @property
    def reaches(self) -> list[CodeFingerprint]:
        return [reach for _, reach in self._found.values()]

    def _look_again(self) -> None:
        """What is not as it was when it began to run, is noted, then and now.

        What the function's own code reaches too is as it was before the body, or that says so: code may have begun to
        run in the midst of a change.
        """
        moved = [(identity, *row) for identity, row in list(self._found.items()) if not row[1].guard()]
        own = {piece.name for piece in self._own.pieces} if moved and self._own is not None else set[str]()
        for identity, obj, before in moved:
            now = self._session.reader.reach(obj)
            if {piece.name for piece in {*before.pieces} ^ {*now.pieces}} <= own:
                self._found[identity] = obj, now
            elif now.digest != before.digest:
                self.changed.append((before, now))


def _values_from(scope: dict[str, Any], each: Taken) -> Iterator[tuple[str, bool]]:
    """The module that a module takes a value from, if it does, and whether all of its code may have made that."""
    module = absolute_name(each.module, each.level, scope)
    is_code = isinstance(scope.get(each.bound), (type, FunctionType, type(sys)))
    if module is not None and (each.is_used or (each.name and not is_code)):
        yield module, each.is_used
        if each.name:
            yield f"{module}.{each.name}", each.is_used  # it may be a module itself


def _named(code: CodeType, home: str, at: Any) -> tuple[str, Any] | None:
    """The name that leads to this code, and to what: a function, a cached one's target, or the class of a method."""
    if "<" in code.co_qualname or find(home) is None:
        return None
    outer, _, _ = code.co_qualname.rpartition(".")
    cls = resolve(home, outer) if outer else None
    if isinstance(cls, type):
        kind = _class_of(cls, at, code)
        return (f"{home}:{outer}" if kind is cls else identity_of(kind)), kind
    obj = resolve(home, code.co_qualname)
    target = cached_target(obj)
    if target is not None:
        return target.identity, target
    return (f"{home}:{code.co_qualname}", obj) if type(obj) is FunctionType else None


def _class_of(cls: type, at: Any, code: CodeType) -> Any:
    """The class on whose object a method runs, if a name leads to it; else the one that it was written in."""
    first = at.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    kind: Any = first if issubclass(type(first), type) else type(first)
    if not issubclass(kind, cls):
        return cls
    module, _, name = identity_of(kind).partition(":")
    return kind if "<" not in name and resolve(module, name) is kind else cls


def watched(session: State, call: Function, frame: Frame, inputs: Inputs) -> RanCode | None:
    """Begin to note the code that runs for a body; None if the interpreter tells us nothing."""
    if not call.options.observe_code and not events.is_on:  # nobody has wanted to know so far
        return None
    inside = [reach.inside() for reach in inputs.reaches]
    if inputs.request.found is not None and inputs.request.found.nameless:
        inside.append(frozenset(map(id, with_inner(codes_in(inputs.request.found.nameless)))))
    ran = RanCode(session, frame, call.fname, inside[0] if len(inside) == 1 else frozenset().union(*inside))
    ran.is_blind = not call.options.observe_code
    ran._own, ran._body = inputs.request.reach, bodies[id(frame)]
    ran._body.ran, ran._skips = ran, getattr(ran._own.ignore, "has", None)
    if not _begins(session, ran):
        return None
    if call.options.observe_code == EXACTLY:
        from cachepy.calls.exact_code import Exact  # few functions ask for that

        ran.exact = Exact()
    return ran


def _begins(session: State, ran: RanCode) -> bool:
    try:
        events.begin(ran, session.origins.owners)
    except RuntimeError:
        session.warn(OpaqueGlobalWarning, _TAKEN, "monitoring")
        return False
    return True


class RemoteCode:
    """Notes the code that runs here for a call in another process, and tells it at the end; of a cached call nothing.

    frame: stands for that call.
    """

    def __init__(self, session: State, frame: Caller, fn: Any) -> None:
        known = events.of(frame)  # the same work may be done in several threads
        self._ran = known if isinstance(known, RanCode) else RanCode(session, frame, getattr(fn, "__name__", "?"))
        self._is_first = known is None and _begins(session, self._ran)

    def tell(self) -> None:
        if self._is_first:
            self._ran.end()
        self._ran.add()
