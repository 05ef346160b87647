"""The world as `survey` sees it: from where each call ran, and code that is not loaded here by its source files."""

from __future__ import annotations

from os.path import isdir

from cachepy.calls.closed_code import with_closed
from cachepy.calls.import_refusal import WAY_OUT
from cachepy.calls.live_world import LiveWorld, dated
from cachepy.core.call import UsersError
from cachepy.core.kind import UNASKED, is_address
from cachepy.core.kinds import AGES, CHEAP, CODES, ENVS, EXACTS, KINDS, OWN_ASKED, PATHS
from cachepy.core.model import Dep, Event, Trace
from cachepy.core.reasons import Reason
from cachepy.core.verify import Verifier
from cachepy.staleness.sources import CHANGED, SAME, UNCLEAR, SourceLook
from cachepy.store.codec import deps_in, unpack
from cachepy.store.value_files import are_there
from cachepy.values.modules import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cachepy.calls.state import State
    from cachepy.core.ports import Refused, Store
    from cachepy.staleness.imported_code import Codes, Imports
    from cachepy.staleness.max_ages import Told
    from cachepy.store.codec import Row


class AskedWorld(LiveWorld):
    """Looks from where each call ran, and at code that is not loaded here by its source files.

    The graph's own record of a call comes first: it costs nothing more.
    """

    def __init__(
        self, session: State, rows: dict[str, Row], imports: Imports | None = None, *, look_at_code: bool = True
    ) -> None:
        super().__init__(session)
        self.imports = imports
        self._looks_at_code = look_at_code
        self.unclear: dict[tuple[str, str], tuple[Reason, ...]] = {}  # code that could not be looked at
        self.edited: set[str] = set()  # identities of code that is as it was, in a file that is not
        self._sources = SourceLook(session)
        self._rows = rows
        self._recorded: dict[str, Event] = {}
        self._listed: dict[str, set[str]] = {}
        self._refused: dict[str, Refused] = {}
        self._ages: dict[tuple[str, bool], Told] = {}  # what source files say of functions that are not loaded here
        self._has_asked_far = False
        self._set: dict[str, str | None] = {}  # variables that programs set to something else now

    def recorded(self, call: str) -> Event | None:
        """What the graph has of a call."""
        event = self._recorded.get(call)
        if event is None and call in self._rows:
            event = self._recorded[call] = unpack(self._rows[call])
        return event

    def listing(self, root: str, origin: str | None = None) -> set[str]:
        """The entries of a cache directory that would be loaded, by one listing of each folder.

        origin: the process that made one of them.
        """
        if root not in self._listed:
            store: Store = self.session.store(root)
            names = self._listed[root] = store.listing()
            self._refused[root] = store.refused(names)
            names |= self._elsewhere(root)
        if origin is not None:
            self._refused[root].made_by(origin)
        return self._listed[root]

    def _elsewhere(self, root: str) -> set[str]:
        """The entries that the far part of a directory has; of one on another host, that of any directory here."""
        stores = [self.session.store(root)] if isdir(root) else [*self.session.stores]
        return {name for store in stores if store.far is not None for name in store.far.listing()}

    def why_missing(self, event: Event) -> Reason:
        """Why a call has no value that would be loaded."""
        refusal = self._refused[event.root].why.get(event.outfile or "")
        return Reason("value", event.title, event.id, None) if refusal is None else Reason(*refusal, None, None)

    def loads(self, event: Event) -> bool:
        """Whether the value of a stored run, be it an older one, would be loaded."""
        self.listing(event.root)
        refused = self._refused[event.root].why
        stored = self.session.store(event.root).look(event.id) if refused else None
        if stored is None:
            return True
        at = next((i for i, each in enumerate(stored.events) if each.run == event.run), 0)
        return f"entries/{event.hash[:2]}/{stored.files[at]}" not in refused

    def is_stored(self, event: Event) -> bool:
        """Whether the entry of a call is on disk."""
        return event.outfile in self.listing(event.root) and are_there(event.root, event)

    def events(self, call: str, roots: Sequence[str]) -> Iterator[Event]:
        recorded = self.recorded(call)
        if recorded is not None:
            if not self.is_stored(recorded):
                return
            yield placed(recorded)
        for event in super().events(call, roots):
            if recorded is None or event.run != recorded.run:
                yield placed(event)

    def title(self, call: str, roots: Sequence[str]) -> str:
        recorded = self.recorded(call)
        return super().title(call, roots) if recorded is None else recorded.title

    def code(self, identity: str, recorded: str | None) -> str | None:
        """Of what is not loaded here, by its source files; what they do not tell counts as it was, and is `unclear`."""
        if not self._looks_at_code:
            return recorded
        now = super().code(identity, recorded)
        if now is not None or recorded is None:
            return now
        seen = self._sources.at(identity, recorded)
        if seen.state == UNCLEAR and self.imports is not None and self.imports.codes(identity) is not None:
            return self.imports.digest(identity, recorded)
        if seen.state == CHANGED or ("<locals>" in identity and seen.state != SAME):
            return None  # of a local function its anchors speak
        if seen.state == UNCLEAR:
            self.unclear[identity, recorded] = seen.reasons
        elif seen.is_edited:
            self.edited.add(identity)
            self._check_import(identity, recorded)
        return recorded

    def _addresses(self) -> Iterator[str]:
        """All that the graph knows of: a survey asks for each of them."""
        has_asked, self._has_asked_far = self._has_asked_far, True
        return filter(is_address, () if has_asked else self.session.graph.files())

    def lets_pass(self, name: str, digest: str | None, now: str) -> bool:
        """What could not be asked for counts as it was, and is `unclear`."""
        self.unclear[name, digest or ""] = (Reason("unseen", f"file {name}", None, now.removeprefix(UNASKED)),)
        return True

    def code_that_ran(self, dep: Dep, exact: Dep) -> bool:
        """All of the code first, since then nobody has to know what ran."""
        if not self._looks_at_code or super().code(dep.name, dep.digest) is not None:
            return not self._looks_at_code or super().code_that_ran(dep, exact)
        if self._sources.at(dep.name, dep.digest or "").state == SAME:
            return self.code(dep.name, dep.digest) == dep.digest
        seen, codes = self._sources.at(exact.name, exact.digest or ""), self._imported(exact)
        if seen.state == UNCLEAR and codes is not None:
            return exact.digest in dict(codes)
        if seen.state == UNCLEAR:
            self.unclear[exact.name, exact.digest or ""] = seen.reasons
        elif seen.state == SAME and seen.is_edited:
            self.edited.add(exact.name)
            self._check_import(exact.name, exact.digest or "")
        return seen.state != CHANGED

    def _imported(self, dep: Dep) -> Codes | None:
        """What stands under a name in a process that imports, if its files do not tell; None if nobody knows."""
        if self.imports is None or self._sources.at(dep.name, dep.digest or "").state != UNCLEAR:
            return None
        return self.imports.codes(dep.name if dep.kind not in EXACTS else with_closed(self.session, dep))

    def env(self, name: str) -> str | None:
        return self._set[name] if name in self._set else super().env(name)

    def env_in(self, dep: Dep, trace: Trace) -> str | None:
        """A program that was changed may set it itself, whatever it is for whoever asks.

        As long as it was not, nobody knows whether it was this program: code is recorded once, and many may call it.
        """
        codes = [each for each in trace.deps if each.kind in CODES and each.digest] if self._looks_at_code else []
        told = [(each, self._sources.sets(each.name, each.digest or "").get(dep.name)) for each in codes]
        for code, value in told:
            if value is not None and value.is_edited and value.digests != {dep.digest}:
                if len(value.digests) == 1 and value.is_plain:
                    self._set[dep.name] = next(iter(value.digests))
                    return self._set[dep.name]
                why = "its program sets it, and changed"
                doubt = Reason("unseen", f"environment variable {dep.name}", None, why)
                self.unclear[code.name, code.digest or ""] = (doubt,)
                return dep.digest
        return super().env(dep.name)

    def own_env(self, dep: Dep, trace: Trace) -> str | None:
        """What the program sets it to, as far as its text tells; a program that is as it was sets what it set.

        A process that has the function is a program itself: what counts is what a call would find in it now.
        """
        codes = [each for each in trace.deps if each.kind in CODES and each.digest] if self._looks_at_code else []
        if any(self.found(code.name) for code in codes):
            return super().own_env(dep, trace)
        for code in codes:
            if self._sources.at(code.name, code.digest or "").is_edited:
                value = self._sources.sets(code.name, code.digest or "").get(dep.name)
                if value is not None and value.is_plain and len(value.digests) == 1:
                    self._set[dep.name] = next(iter(value.digests))
                    return self._set[dep.name]
                if value is None and super().env(dep.name) == dep.digest:  # it sets it no more
                    continue
                why = "its program sets it, and changed"
                doubt = Reason("unseen", f"environment variable {dep.name}", None, why)
                self.unclear[code.name, code.digest or ""] = (doubt,)
        return dep.digest

    def is_young(self, dep: Dep, trace: Trace) -> bool:
        codes = [code for code in trace.deps if code.kind in CODES and code.name.partition("@")[0] == dep.name]
        if codes:
            self.grows_old(codes[0].name, codes[0].digest, is_recorded=True)
        return super().is_young(dep, trace)

    def is_valid(self, dep: Dep, trace: Trace) -> bool:
        """A test is asked where its function is at hand; else nobody knows."""
        why = "only its program can ask it"
        if self.session.functions.live_calls(dep.name):
            try:
                return super().is_valid(dep, trace)
            except UsersError as error:
                why = f"it raised {type(error.error).__name__}"
        for code in (each for each in trace.deps if each.kind in CODES and each.name.partition("@")[0] == dep.name):
            self._doubt_test(code.name, code.digest, why)
        return True

    def _doubt_test(self, code: str, digest: str | None, why: str) -> None:
        if self._looks_at_code:
            name = code.partition("@")[0]
            self.unclear[code, digest or ""] = (Reason("unseen", f"valid of {name}", None, why),)

    def max_age(self, function: str, recorded: str) -> str | None:
        told = self._ages.get((function, bool(recorded)))
        return super().max_age(function, recorded if told is None or not told.is_clear else told.limit or "") or None

    def dated(self, event: Event) -> Event:
        name = f"{event.module}:{event.qualname}"
        codes = [code for code in event.trace.deps if code.kind in CODES and code.name.partition("@")[0] == name]
        grows_old = bool(codes) and self.grows_old(name, codes[0].digest)
        return self.to_test(dated(event, self.max_age(name, "")) if grows_old else event)

    def grows_old(self, code: str, digest: str | None, *, is_recorded: bool = False) -> bool:
        """Whether results of a function with this code may not be of any age now; what cannot be told is `unclear`."""
        key = name, _ = code.partition("@")[0], is_recorded
        if self._looks_at_code and key not in self._ages and not self.session.functions.live_calls(name):
            told = self._ages[key] = self._sources.max_age(name, digest or "", is_recorded=is_recorded)
            if not told.is_clear:
                why = "its decorator cannot be read as it stands in the source file"
                self.unclear[code, digest or ""] = (Reason("unseen", f"max_age of {name}", None, why),)
            elif told.tests:
                self._doubt_test(code, digest, "only its program can ask it")
        return bool(self.max_age(name, ""))

    def _check_import(self, identity: str, recorded: str) -> None:
        """Code that is as it was in a module that cannot be imported any more is none that the program comes to."""
        module, _, name = identity.partition(":")
        why = self.imports.found.failed.get(module) if self.imports is not None and module not in MAIN else None
        if why is not None and not why.endswith(WAY_OUT):  # what calls at import was refused here, not there
            self.unclear[identity, recorded] = (Reason("unseen", f"code of {module}:{name}", None, why),)

    def code_reasons(self, dep: Dep) -> list[Reason]:
        if self.found(dep.name):
            return super().code_reasons(dep)
        name, seen = dep.name.partition("@")[0], self._sources.at(dep.name, dep.digest or "")
        codes = self._imported(dep)
        if codes is None:
            return list(seen.reasons) or [Reason("code", name, dep.digest, None)]
        return self.changes_of(dep, *codes[0]) if codes else [Reason("gone", name, dep.digest, None)]

    def may_import(self) -> bool:
        return False


class AskingVerifier(Verifier):
    """Looks at each dep once, however many calls have it."""

    def __init__(self, world: AskedWorld) -> None:
        super().__init__(world)
        self._grows_old = world.grows_old
        self._known: dict[tuple[str, str, str | None], bool] = {}

    def part_holds(self, part: bytes) -> bool:
        """Whether the deps in the second part of a row hold; most are a file and code that was looked at before."""
        deps = deps_in(part)
        if not OWN_ASKED.isdisjoint([kind for kind, _, _ in deps]):
            return False  # who asks for the call itself looks
        code = next(((name, digest) for kind, name, digest in deps if kind in CODES), None)  # the function's own
        if code is not None and AGES.isdisjoint(kind for kind, _, _ in deps) and self._grows_old(*code):
            return False  # when each of them ran is not among its deps
        for kind, name, digest in deps:
            if kind in CHEAP:
                if not KINDS[kind].same(name, digest, self.world):
                    return False
            elif not self._known.get((kind, name, digest)):
                return self.own_holds(Trace(tuple(Dep(*each) for each in deps_in(part)), (), ""))
        return True

    def take(self, effects: dict[str, str]) -> None:
        """Take it that these calls hold, and gave that."""
        self._calls.update(dict.fromkeys(effects.items(), True))

    def own_holds(self, trace: Trace) -> bool:
        return all(self._dep_holds(dep, trace) for dep in trace.deps)

    def _dep_holds(self, dep: Dep, trace: Trace) -> bool:
        exact = trace.exact_of(dep) if dep.kind in CODES else None
        if exact is not None:
            return self.world.code_that_ran(dep, exact)
        key = dep.kind, dep.name, dep.digest
        known = self._known.get(key)
        if known is None:
            known = super()._dep_holds(dep, trace)
            if "<locals>" not in dep.name and dep.kind not in ENVS:  # which may hold by another dep of the trace
                self._known[key] = known
        return known


def placed(event: Event) -> Event:
    """The event with the files of its trace as absolute paths: it may have run elsewhere."""
    for dep in event.trace.deps:
        if dep.name[:1] != "/" and dep.kind in PATHS:
            break
    else:
        return event
    cwd, known = event.cwd, event.trace.deps
    deps = [Dep(d.kind, KINDS[d.kind].located(cwd, d.name), d.digest) if d.kind in PATHS else d for d in known]
    return event.replace(trace=Trace(tuple(deps), event.trace.calls, event.trace.result))
