"""Answers a verification with the world as it is now, each thing looked at once."""

from __future__ import annotations

import os

from cachepy.code.fingerprint import IN_TEXT, Target, cached_target, resolve
from cachepy.core.kind import is_address
from cachepy.core.kinds import AGES, EXACTS, FILES, ROOTS, reason
from cachepy.core.model import AGE, Dep, Trace
from cachepy.errors import RefusedCallError
from cachepy.values.digest import env_digest
from cachepy.values.modules import PYTHON, find, scope_of

ModuleType = type(os)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.code.pieces import Piece
    from cachepy.core.model import Event
    from cachepy.core.reasons import Reason
    from cachepy.store.files import Files

_MOST = 10_000  # calls whose addresses are looked for


class LiveWorld:
    """Answers what a verification asks; looks at each thing once.

    own: the identity and digest of the function that is called, which is known already;
    known: code by identity that is at hand, because it came as an argument; border: the cached functions at the
    border of the code that is called;
    opaque: code that was asked for, of whose values not all can be seen.
    """

    def __init__(
        self,
        session: State,
        own: tuple[str, str] | None = None,
        known: dict[str, Any] | None = None,
        border: Iterable[Target] = (),
        opaque: dict[str, CodeFingerprint] | None = None,
    ) -> None:
        self.session = session
        self.known = known or {}
        self.opaque = {} if opaque is None else opaque
        self._border = border
        self._by_value: dict[str, list[Target]] | None = None
        self._own = own
        self.tree: Trace | None = None  # what is verified, with all below it
        self._files: dict[str, str | None] = {}
        self._fresh: set[str] = set()  # folders that a network mount has been asked for
        self._exists: dict[str, bool] = {}
        self._patterns: dict[str, str | None] = {}
        self._names: dict[tuple[str, str], str | None] = {}
        self._valid: dict[str | None, bool] = {}
        self._codes: dict[str, list[str]] = {}
        self._exact: dict[tuple[str, str | None], bool] = {}
        self.reaches: list[CodeFingerprint] = []  # of the code that was looked at
        self.several: set[str] = set()
        self.function: Function | None = None  # the one that is called

    def file(self, path: str) -> str | None:
        if path not in self._files:
            if "://" in path and is_address(path):
                self.ask_ahead([path, *self._addresses()])
            else:
                self._files[path] = self.session.files.digest(path, self._fresh)
        return self._files[path]

    def ask_ahead(self, addresses: Iterable[str]) -> None:
        """Ask for files elsewhere side by side: waiting for one is waiting for all."""
        names = [name for name in dict.fromkeys(addresses) if name not in self._files]
        if names:
            self._files.update(zip(names, self.session.files.far.digests(names), strict=True))

    def _addresses(self) -> Iterator[str]:
        """All that will be asked for in this verification, as far as the runs say that are its first choice."""
        todo, known = [] if self.tree is None else [self.tree], set[str]()
        self.tree = None
        while todo and len(known) < _MOST:
            trace = todo.pop()
            yield from (dep.name for dep in trace.deps if dep.kind in FILES and is_address(dep.name))
            roots = [dep.name for dep in trace.deps if dep.kind in ROOTS]
            for call in [each for each in trace.calls if each.name not in known]:
                known.add(call.name)
                runs = (e.trace for e in self.events(call.name, roots) if e.trace.effect == call.digest)
                todo += [*runs][:1]

    def lets_pass(self, name: str, digest: str | None, now: str) -> bool:
        return False

    def exists(self, path: str) -> bool:
        if path not in self._exists:
            self._exists[path] = self.session.files.exists(path, self._fresh)
        return self._exists[path]

    def pattern(self, text: str) -> str | None:
        if text not in self._patterns:
            self._patterns[text] = pattern(text, self.session.files)
        return self._patterns[text]

    def names_in(self, folder: str) -> str | None:
        return self._named(folder, "digest_of_listing")

    def names_of(self, pattern: str) -> str | None:
        return self._named(pattern, "digest_of_named")

    def _named(self, name: str, ask: str) -> str | None:
        """What names there are below a folder, or for a pattern."""
        from cachepy.store import listings  # few programs look

        if (ask, name) not in self._names:
            is_far = is_address(name)
            self._names[ask, name] = self.session.files.far.names(name) if is_far else getattr(listings, ask)(name)
        return self._names[ask, name]

    def present(self, path: str, like: str | None) -> str | None:
        if is_address(path):
            if ("look", path) not in self._names:
                self._names["look", path] = self.session.files.far.look(path)
            return self._names["look", path]
        from cachepy.store.listings import what_is_there

        return what_is_there(path, like, lambda each: self.session.mounts.stat(each, self._fresh))

    def env(self, name: str) -> str | None:
        return env_digest(os.environ.get(name))

    def env_in(self, dep: Dep, trace: Trace) -> str | None:
        return self.env(dep.name)

    def own_env(self, dep: Dep, trace: Trace) -> str | None:
        return self.env(dep.name)

    def package(self, name: str) -> str:
        return self.session.origins.version(name)

    def code(self, identity: str, recorded: str | None) -> str | None:
        """The digest of the code of that name now; of several live ones the recorded, if one has it."""
        own = self._own[1] if self._own is not None and identity == self._own[0] else None
        if own is not None and (recorded == own or not self._is_shared(identity)):
            return own
        if identity not in self._codes:
            reaches = [self.session.reader.reach(o) for o in self.found(identity)]
            self.opaque.update((identity, reach) for reach in reaches if reach.opaque)
            self.reaches += reaches
            self._codes[identity] = [reach.digest for reach in reaches]
        digests = self._codes[identity]
        return recorded if recorded in digests else next(iter(digests), None)

    def code_that_ran(self, dep: Dep, exact: Dep) -> bool:
        if self.code(dep.name, dep.digest) == dep.digest:
            return True
        key = exact.name, exact.digest
        if key not in self._exact:
            from cachepy.calls.closed_code import reaches_of  # few functions ask for that

            reaches = reaches_of(self.session, exact, self._called_by(exact.name))
            found = [reach for reach in reaches if reach.digest == exact.digest]
            self.reaches += found
            self._exact[key] = bool(found)
        return self._exact[key]

    def _called_by(self, identity: str) -> list[Any]:
        """The targets of an identity; of the function that is called, this very one."""
        is_own = self._own is not None and identity == self._own[0] and self.function is not None
        return [self.function.target] if is_own and self.function is not None else self.found(identity)

    def is_young(self, dep: Dep, trace: Trace) -> bool:
        created, _, recorded = (dep.digest or "").partition(" ")
        return self._is_young(float(created), self.max_age(dep.name, recorded))

    def is_valid(self, dep: Dep, trace: Trace) -> bool:
        if dep.digest not in self._valid:
            from cachepy.calls.own_tests import accepts  # few functions have a test

            self._valid[dep.digest] = accepts(self, dep)
        return self._valid[dep.digest]

    def _has_test(self, function: str) -> bool:
        """Whether its decorator names a test for stored results now."""
        if self.function is not None and self.function.target.identity == function:
            return self.function.options.valid is not None
        calls = self.session.functions.live_calls(function)
        return bool(calls) and calls[0].options.valid is not None

    def moment(self) -> float:
        return self.session.clock()

    def _is_young(self, created: float, limit: str | None) -> bool:
        from cachepy.calls.ages import until  # where results grow old

        return limit is None or self.session.clock() < until(limit, created)

    def max_age(self, function: str, recorded: str) -> str | None:
        """As the decorator says now; the newest of several is what a program would call."""
        if self.function is not None and self.function.target.identity == function:
            return self.function.options.max_age
        calls = self.session.functions.live_calls(function)
        limit: str | None = calls[0].options.max_age if calls else recorded
        return limit

    def dated(self, event: Event) -> Event:
        if not self.session.functions.has_ages:
            return event
        name = f"{event.module}:{event.qualname}"
        return self.to_test(dated(event, self.max_age(name, "")))

    def to_test(self, event: Event) -> Event:
        """The same, with a dep for the test that its function has now."""
        if not self._has_test(f"{event.module}:{event.qualname}"):
            return event
        from cachepy.calls.own_tests import tested  # likewise

        return tested(event)

    def may_import(self) -> bool:
        """Whether the module of a function below may be imported, as running it would."""
        return self.session.import_code

    def found(self, identity: str) -> list[Any]:
        """The targets, functions or classes of an identity."""
        if identity in self.known:
            return [self.known[identity]]
        if identity.endswith(IN_TEXT):
            return self._in_text(identity.removesuffix(IN_TEXT))
        arrived = self.by_value().get(identity)
        if arrived is not None:  # others of that name are those of older tasks, or of this process's own script
            return list(arrived)
        if "<" in identity:
            return self._live(identity)
        module, _, qualname = identity.partition(":")
        live = self.session.functions.live(identity)
        obj = resolve(module, qualname)
        if obj is None and not live and self.may_import():
            obj = _import(self.session, module, qualname)
        named = _unwrapped(obj, identity)
        if isinstance(named, Target):  # an older one may live on in a variable, but is not what a call would find
            return [named, *(self._held_by(named, live) if len(live) > 1 else ())]
        own = [t for t in live if t.fn is named]
        return own or (list(live) if named is None else [*live, named])

    def _in_text(self, identity: str) -> list[Any]:
        """The functions of that name in the source file of their module."""
        module, _, qualname = identity.partition(":")
        if find(module) is None and self.may_import():
            _import(self.session, module, "*")
        scope = scope_of(find(module))
        path = scope.get("__file__")
        return list(self.session.texts.functions(path, qualname, scope)) if type(path) is str else []

    def source(self, path: str, *, is_whole: bool) -> str | None:
        return source(self.session, path, is_whole=is_whole)

    def _held_by(self, named: Target, live: list[Target]) -> list[Target]:
        """Those of the same name that its code leads to, as when one is put around the other."""
        names = {piece.digest for piece in self.session.reader.reach(named).pieces}
        reaches = ((t, self.session.reader.reach(t)) for t in live if t is not named)
        return [t for t, reach in reaches if f"=cached {t.identity} {reach.digest}" in names]

    def _is_shared(self, identity: str) -> bool:
        """Whether other cached functions may have the identity of the one that is called."""
        return "<" in identity or len(self.session.functions.live(identity)) > 1

    def _live(self, identity: str) -> list[Target]:
        """Local functions and lambdas, which no name leads to: those that exist, after their module has run."""
        name, mark, _ = identity.partition("@")
        module = name.partition(":")[0]
        if not self.session.functions.live_calls(name) and self.may_import() and find(module) is None:
            _import(self.session, module, "*")
        calls = self.session.functions.live_calls(name)
        if mark:  # the newest is what the program would call: an older one may live on in a variable
            calls = [call for call in calls if call.code_name(self.session) == identity][:1]
        return [call.target for call in calls]

    def by_value(self) -> dict[str, list[Target]]:
        """The cached functions that the called code leads to, and a name would not: they came with it to a worker."""
        if self._by_value is None:
            self._by_value = {}
            for target in self.session.reader.below(self._border, lambda each: _named_by(each) is not each):
                self._by_value.setdefault(target.identity, []).append(target)
        return self._by_value

    def events(self, call: str, roots: Sequence[str]) -> Iterable[Event]:
        for root in roots:
            self.session.store(root)
        events = self.session.stores.events(call)
        if len(events) > 1:
            self.several.add(call)
        return events

    def elsewhere(self, call: str) -> Iterable[Event]:
        return self.session.stores.elsewhere(call)

    def last_valid(self, events: Sequence[Event]) -> Event:
        """Of some runs of a call the one that was last seen to hold."""
        return self.session.store(events[0].root).last_valid(events)

    def title(self, call: str, roots: Sequence[str]) -> str:
        """The call for people; without its arguments if nothing is known of it any more."""
        event = next(iter(self.events(call, roots)), None)
        return call.rpartition(":")[0] if event is None else event.title

    def code_reasons(self, dep: Dep) -> list[Reason]:
        found, name = self.found(dep.name), dep.name.partition("@")[0]
        if not found:
            return [reason("unknown", name, dep.digest, None)]
        reach = self._reach_of(dep, found[0])
        return self.changes_of(dep, reach.digest, reach.pieces)

    def _reach_of(self, dep: Dep, found: Any) -> CodeFingerprint:
        if dep.kind in EXACTS:
            from cachepy.calls.closed_code import reaches_of  # few functions ask for that

            for reach in reaches_of(self.session, dep, self._called_by(dep.name)):
                return reach
        return self.session.reader.reach(found)

    def changes_of(self, dep: Dep, digest: str, pieces: tuple[Piece, ...]) -> list[Reason]:
        """Why code with this digest, made of these pieces, is not what it was."""
        from cachepy.code.changes import is_same_text, reasons_of, where_in
        from cachepy.code.source import loaded_files

        name = dep.name.partition("@")[0]
        old, data = self.record_of(dep)
        python = loaded_files(data).get("python") or PYTHON
        if python != PYTHON and is_same_text(old, pieces, self.session.sources):
            return [reason("package", "python", *(each.rpartition("-")[2] for each in (python, PYTHON)))]
        reasons = reasons_of(name, old, pieces, self.session.sources) if old else []
        return reasons or [reason("code", name, dep.digest, digest, where=where_in(pieces, name))]

    def record_of(self, dep: Dep) -> tuple[list[tuple[Piece, str]], bytes]:
        """What its code digest was made of, each piece with its source, and the record; nothing if nobody knows."""
        from cachepy.code.source import best_first

        datas = [data for store in self.session.stores for data in store.codes(dep.digest or "")]
        return next(iter(best_first(datas, dep.name.partition("@")[0])), ([], b""))


def dated(event: Event, limit: str | None) -> Event:
    """The same, with its age among its deps if results of its function may not be older than that, and it has none."""
    name, trace = f"{event.module}:{event.qualname}", event.trace
    if not limit or any(dep.kind in AGES and dep.name == name for dep in trace.deps):
        return event
    deps = (*trace.deps, Dep(AGE, name, f"{event.created!r} {limit}"))
    return event.replace(trace=Trace(deps, trace.calls, trace.result))


def pattern(text: str, files: Files) -> str | None:
    """The digest of all files that a pattern or a home path means; None if it means none."""
    from cachepy.store.patterns import digest_of  # most programs have none

    return digest_of(text, files)


def source(session: State, path: str, *, is_whole: bool) -> str | None:
    """The digest of a source file as code; of what does not compile that of its bytes."""
    return session.texts.digest(path, is_whole=is_whole) or session.files.digest(path)


def _named_by(target: Target) -> Target | None:
    """The cached function that the name of one leads to."""
    return None if "<" in target.qualname else cached_target(resolve(target.module, target.qualname))


def _unwrapped(obj: Any, identity: str) -> Any:
    """The target behind decorators that were put on top of it; other code as it stands under its name."""
    inner = obj
    while inner is not None:
        target = cached_target(inner)
        if target is not None:
            return target if target.identity == identity else None
        inner = None if isinstance(inner, type) else getattr(inner, "__wrapped__", None)
    return obj if isinstance(obj, (type, ModuleType)) or hasattr(obj, "__code__") else None


def _import(session: State, module: str, qualname: str) -> Any:
    """Import the module of a function below a call, as running the call would; but nothing that it calls runs."""
    from cachepy.calls.import_refusal import import_refusing

    try:
        import_refusing(session, module)
    except (Exception, SystemExit, RefusedCallError):
        return None
    return resolve(module, qualname)
