"""What a run depends on before its body runs: code, declared values, arguments and the files that they name.

Arguments are digested before the body may change them.  Afterwards `Inputs.hold` says whether all is as it was: a
result is never stored under deps that changed while it was made.
"""

from __future__ import annotations

import os

from cachepy.calls.closures import observe_anchors
from cachepy.calls.environment import counted, deps_of
from cachepy.calls.flows import SHORT, flowing, numbers_in
from cachepy.calls.given_arguments import Given
from cachepy.calls.live_world import LiveWorld, pattern
from cachepy.calls.nearest import marks
from cachepy.calls.outputs import Outputs
from cachepy.calls.taken import taken
from cachepy.code.fingerprint import UNBOUND, cached_target, identity_of
from cachepy.code.namer import LOCAL
from cachepy.code.routes import Routes
from cachepy.core.frame import LOST, UNTOLD, Frame
from cachepy.core.kind import UNASKED, is_address, is_unasked
from cachepy.core.kinds import FILES, KINDS, ROOTS, SINGLE
from cachepy.core.model import ABSENT_PATH, CODE, FILE, PACKAGE, PATTERN, Dep
from cachepy.errors import ChangedGlobalWarning, ChangedInputWarning, OpaqueGlobalWarning, UnseenInputWarning
from cachepy.graph.numbers import NUMBERS_OF, joined
from cachepy.store.stored_arguments import keep
from cachepy.values.flat import NUMBERS, TEXTS
from cachepy.values.hidden import has_secrets, hides
from cachepy.values.paths import MAGIC, could_be, path_in, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.calls.request import Request
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.core.call import Flags
    from cachepy.values.digest import References


class Inputs:
    """What is known of a run before its body; all of it is told to the frame.

    args: digests of arguments that may be results of other calls; arg_files: path -> the parameter that names it;
    given: those that the body may change; kept: what makes the call again; reaches: all code that the trace names;
    running: that of it which the body may run; routes: what it comes to;
    outputs: what earlier runs left behind; renewed: what of its arguments looks made anew.
    """

    __slots__ = (
        "_versions", "arg_files", "args", "frame", "given", "kept", "outputs", "reaches", "renewed", "request",
        "routes", "running", "session",
    )  # fmt: skip

    def __init__(self, request: Request, frame: Frame, flags: Flags) -> None:
        self.request = request
        self.session = request.session
        self.frame = frame
        self.args: dict[str, str] = {}
        self.arg_files: dict[str, str] = {}
        self.given = Given(request)
        self.kept: bytes | None = None
        self.reaches, self.running = [request.reach], [request.reach]
        self.routes = request.reach.routes
        self.renewed = marks(request)
        self._versions: dict[str, str | None] = {}
        self._observe()
        stored = request.stored or (request.look() if flags.save and not flags.may_hit else None)
        older = () if stored is None else stored.events
        self.outputs = Outputs(older, frame.cwd, self.session.files, self._known_paths())

    def _known_paths(self) -> set[str]:
        """What is known before the body to be, or perhaps to be, the path of a file."""
        known = {name for kind, name in self.frame.deps if kind in SINGLE}
        if self.request.function.binder.file_args is not None:  # the others may name what it writes
            texts = map(path_in, [value for _, value in self.request.function.binder.named(self.request.values)])
            known.update(filter(None, texts))
        return known

    def _observe(self) -> None:
        call, reach = self.request.function, self.request.reach
        self.frame.deps[CODE, self.request.own_name] = reach.digest
        if LOCAL in call.target.qualname:
            self.reaches += observe_anchors(self.session, call, self.frame)
        self.session.warner.warn_unseen(call.target.identity, reach.opaque)
        for name in self._unbound() if call.options.depends_on_vars else ():
            self.session.warn(
                OpaqueGlobalWarning,
                f"{call.fname} declares depends_on_vars=[{name!r}], but there is no such variable. Name a global of "
                f"its module, or one of another as 'module.name'",
                call.target.identity,
                name,
            )
        for path in call.options.depends_on_files:
            self._observe_declared(path)
        self._observe_arguments()
        found, reader = self.request.found, self.session.reader
        read = set[str]() if found is None else reader.variables_of(found.nameless)
        read |= set[str]().union(*(reach.variables for reach in self.reaches))
        for dep in deps_of(dict.fromkeys([*call.options.env_vars, *(counted(read) if read else ())])):
            self.frame.add(dep)

    def _observe_declared(self, path: str) -> None:
        """A declared file; a pattern or a home path as the set of files that it means now."""
        from cachepy.store import patterns

        if not is_address(path) and patterns.may_mean_files(path, is_path=True) and not os.path.lexists(path):
            self.frame.add(Dep(PATTERN, path, pattern(path, self.session.files)))
        else:
            self.frame.add(Dep(FILE, path, self.session.files.digest(path)))

    def _unbound(self) -> list[str]:
        """Declared variables that are not there: most likely their names are wrong."""
        pieces = self.request.reach.pieces
        return [p.name for p in pieces if p.cue == "declared" and p.digest == UNBOUND]

    def _observe_arguments(self) -> None:
        """The parts that may come from other calls, what makes the call again, files, code and packages."""
        request = self.request
        found = request.found
        is_short = found is None and self._are_short(request.values)
        flows = {} if is_short else self._observe_flows(found)
        if not isinstance(self.frame.parent, Frame):
            self._observe_handed()
        if request.function.options.keep_args and not has_secrets(request.function.binder.named(request.values)):
            self.kept = keep(*request.arguments, flows, is_flat=is_short and not request.function.options.ignore_args)
        self._observe_files(is_short)
        if found is None:
            return
        if found.calls:
            self.routes = self.routes.plus([Routes(frozenset(found.calls))])
        skips = getattr(request.reach.ignore, "skips", None)
        for obj in found.code if skips is None else [each for each in found.code if not skips(each)]:
            reach = self.session.reader.reach(cached_target(obj) or obj)
            self.reaches.append(reach)
            self.running.append(reach)
            self.session.warner.warn_unseen(identity_of(obj), reach.opaque)
            self.routes = self.routes.plus([reach.routes])
            self.frame.add(Dep(CODE, identity_of(obj), reach.digest))
        for package in found.packages:
            self.frame.add(Dep(PACKAGE, package, self.session.origins.version(package)))

    def _observe_handed(self) -> None:
        """What the task of this call takes from others, numbers too: a cluster knows whose they are."""
        handed = taken(self.session.hooks)
        if handed is not None:
            request, digester = self.request, self.session.digester
            named = request.function.binder.named(request.values)
            handed.note(request.id, named, self.args, lambda item: digester.digest(item, request.found))

    def _are_short(self, values: tuple[Any, ...]) -> bool:
        """Whether there are only numbers and texts, too common to say where they are from."""
        for value in values:  # on the path of each run: a generator takes three times as long
            if type(value) not in NUMBERS and (type(value) not in TEXTS or len(value) >= SHORT):
                return False
        return True

    def _observe_flows(self, found: References | None) -> dict[int, str]:
        flows: dict[int, str] = {}
        for name, value in self.request.function.binder.named(self.request.values):
            whole = self.given.digest(name, value)
            parts = list(flowing(name, value))
            for part, item in parts:
                is_known = whole is not None and item is value
                digest = (is_known and whole) or self.request.digester.digest(item, found)
                self.args[part] = digest
                if item is not value or len(parts) == 1:  # of a list of results each item is found by itself
                    flows[id(item)] = digest
            if parts:
                self._observe_numbers(name, value)
        return flows

    def _observe_numbers(self, name: str, value: Any) -> None:
        """Numbers in it that may be results of other calls, all together: one by one they tell nothing."""
        try:
            numbers = numbers_in(value)
        except Exception:  # a number that is none
            return
        digest = self.request.digester.digest
        plain = [(place, {digest(n), digest(n.item() if hasattr(n, "item") else n)}) for place, n in numbers]
        if plain:
            self.args[name + NUMBERS_OF] = joined(plain)

    def _observe_files(self, is_short: bool) -> None:
        request = self.request
        binder, fresh = request.function.binder, set[str]()
        if is_short and binder.file_args is None:
            self._observe_texts()
            return
        files = binder.files(request.values, request.digester, request.found)
        if len(files) > 1 and binder.file_args is None:
            unsure = [(path, name) for path, (name, sure) in files.items() if is_address(path) and not sure]
            self._ask_ahead([path for path, name in unsure if not hides(name, path)])
        for path, (name, sure) in files.items():
            self._observe_path(path, name, fresh, is_sure=sure, is_path=sure or binder.file_args is not None)

    def _observe_path(self, path: str, name: str, fresh: set[str], *, is_sure: bool, is_path: bool) -> None:
        """What an argument may name; name: of the argument; fresh: folders that have been asked for in this look."""
        if not is_sure and hides(name, path) and not self.session.mounts.exists(path, fresh):
            return  # its text is kept nowhere
        self.arg_files[path] = name
        if "://" in path and self._observe_address(path, is_path=is_path):
            return
        if is_sure or self.session.mounts.exists(path, fresh):
            digest = self.session.files.digest(path, fresh)
            self.frame.add(Dep(FILE if digest is not None or is_sure else ABSENT_PATH, path, digest))
        else:
            self.frame.deps[ABSENT_PATH, path] = None
        if path[:1] == "~" or not MAGIC.isdisjoint(path):
            self._observe_pattern(path, name, fresh, is_path=is_path)

    def _ask_ahead(self, addresses: list[str]) -> None:
        """Ask for several side by side: waiting for one is waiting for all."""
        if addresses:
            far = self.session.files.far
            names = list(filter(far.counts, addresses))
            self._versions = dict(zip(names, far.versions(names), strict=True))

    def _observe_address(self, path: str, *, is_path: bool) -> bool:
        """A file elsewhere, if the text means one and it can be asked for. is_path: somebody says that it is one."""
        if not is_address(path):
            return False
        far = self.session.files.far
        if not is_path and not far.counts(path):
            if far.lacks(path):
                self._warn_unasked(path, far.lacks(path))
            return False
        ask = far.digest if is_path else far.version
        digest = self._versions[path] if path in self._versions else ask(path)
        if digest != "":
            self.frame.add(Dep(FILE, path, digest))
        return True

    def _warn_unasked(self, path: str, package: str) -> None:
        """Of files elsewhere that cannot be asked for, since nothing is there to ask with."""
        name = self.arg_files[path]
        self.session.warn(
            UnseenInputWarning,
            f"{self.request.function.fname} is given {path!r}, and a change of that file goes unseen: to look at it, "
            f"cachepy needs {package}. Install it, or leave {name!r} out of file_args=[...] if it names no file",
            self.request.function.target.identity,
            path.partition("://")[0],
        )

    def _observe_pattern(self, pattern: str, name: str, fresh: set[str], *, is_path: bool) -> None:
        """The files that a text means: the set of them, and, for whoever asks of files, each."""
        from cachepy.store import patterns

        if not patterns.may_mean_files(pattern, is_path=is_path):
            return
        try:
            found = patterns.matches(pattern)
            digest = patterns.digest_of_matches(pattern, found, self.session.files)
        except patterns.TooManyError:
            self.session.warn(
                OpaqueGlobalWarning,
                f"{self.request.function.fname} is given {pattern!r}, which matches too many files to check: "
                f"changes of them go unseen. Narrow it, or leave {name!r} out of file_args=[...] if it names no files",
                self.request.function.target.identity,
                pattern,
            )
            found, digest = [], patterns.TOO_MANY
        for path in found[: patterns.MOST]:
            self.arg_files[path] = name
            self.frame.add(Dep(FILE, path, self.session.files.digest(path, fresh)))
        self.frame.add(Dep(PATTERN, pattern, digest))  # behind its files, which say more

    def _observe_texts(self) -> None:
        """What short arguments may name."""
        fresh = set[str]()
        for name, value in self.request.function.binder.named(self.request.values):
            text = text_of(value) if type(value) is bytes else value
            if type(text) is str and could_be(text) and text not in self.arg_files:
                self._observe_path(text, name, fresh, is_sure=False, is_path=False)

    def hold(self) -> bool:
        """Whether all of it is as it was; warns of what is not."""
        return self._deps_hold() and self._globals_hold()

    def _deps_hold(self) -> bool:
        """Whether each file, environment variable and the like is as it was when it was digested."""
        changed, now = list(self.frame.changed), LiveWorld(self.session)
        now.ask_ahead([name for kind, name in self.frame.deps if kind in FILES and is_address(name)])
        for (word, name), before in list(self.frame.deps.items()):
            if not KINDS[word].stayed(name, before, now):
                changed.append(KINDS[word].title(name))
        for name in changed:
            if name == UNTOLD:  # said already
                continue
            if name == LOST and self.frame.unwritten is not None:
                self.request.cannot_write(self.frame.unwritten)
            else:
                self._warn_changed(name)
        return not changed

    def _warn_changed(self, name: str) -> None:
        fname = self.request.function.fname
        now = self.frame.deps.get((FILE, name)) or ""
        if is_unasked(now):
            text = (
                f"{name!r} could not be asked for ({now.removeprefix(UNASKED)}), so the result of {fname} was not "
                f"stored; it will run again. If that is no file that it reads, leave it out by file_args=[...]"
            )
        elif name in self.arg_files:
            given = self.arg_files[name]
            text = (
                f"{fname} changed the file {name!r} that its argument {given!r} names, so its result was not stored. "
                f"If the file is an output, say outputs=[{given.partition('[')[0]!r}] (ignore_args would leave out "
                f"which file it is)"
            )
        elif name in self.frame.calls:
            name = LiveWorld(self.session).title(name, [n for kind, n in self.frame.deps if kind in ROOTS])
            text = (
                f"{name} gave two results during one run of {fname} (it was made again, and something may remember the "
                f"first), so the result was not stored; it will run again"
            )
        else:
            text = f"{name} changed while {fname} ran, so the result was not stored; it will run again"
        self.session.warn(ChangedInputWarning, text, self.request.function.target.identity, name)

    def _globals_hold(self) -> bool:
        """Whether the code and the globals it reads are as they were."""
        before = self.request.reach
        if before.guard():
            return True
        return self.are_as_before([(before, self.session.reader.reach(self.request.function.target))])

    def are_as_before(self, pairs: Iterable[tuple[CodeFingerprint, CodeFingerprint]]) -> bool:
        """Whether code has the digest that it had before it ran; warns of the first that has not."""
        return all(before.digest == after.digest or self._warn_global(before, after) for before, after in pairs)

    def _warn_global(self, before: CodeFingerprint, after: CodeFingerprint) -> bool:
        pieces = set(before.pieces) ^ set(after.pieces)
        written = {piece.name for piece in pieces if piece.cue != "package"}  # by the user
        changed = sorted(written or {piece.name for piece in pieces}) or ["what its code asks of objects"]
        self.session.warn(
            ChangedGlobalWarning,
            f"{', '.join(changed)} changed while {self.request.function.fname} ran, so the result was not stored and "
            f"every such call runs again. If the value does not matter to the result, name it in ignore_globals=[...]",
            self.request.function.target.identity,
            *changed,
        )
        return False
