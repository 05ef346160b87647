"""What code stands under which name, asked of a process that imports the modules: asking runs nothing here.

Cached calls that would run are refused in that process (see `import_refusal`).  All modules are imported in one first;
where it ends or hangs, what is not answered yet is asked of another, so that one bad module does not hide the others.
"""

from __future__ import annotations

import os
import sys
from time import monotonic

from cachepy.calls.import_refusal import WAY_OUT
from cachepy.code.pieces import Piece
from cachepy.core.model import Record
from cachepy.staleness import importer
from cachepy.staleness.folders import code_in, folders_of, roots_in
from cachepy.staleness.import_process import LIMIT, Child, limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cachepy.calls.state import State
    from cachepy.staleness.folders import Code
    from cachepy.staleness.import_process import Group
    from cachepy.store.codec import Row

    Codes = list[tuple[str, tuple[Piece, ...]]]

_NO_FILE = "it cannot be imported: it is a prompt, python -c, a notebook, or the __main__.py of a folder or zip"


class Imported(Record):
    """What was found.

    codes: identity -> digest and pieces of each object that stands there, none if nothing does; cached: those that are
    cached functions; failed: module -> why nothing is known of it; printed: the last lines that such modules printed.
    """

    __slots__ = ("codes", "cached", "failed", "printed")
    codes: dict[str, Codes]
    cached: set[str]
    failed: dict[str, str]
    printed: dict[str, list[str]]


def ask(
    session: State,
    wanted: Mapping[str, Iterable[str]],
    folders: Mapping[str, Sequence[str]] | Sequence[str] = (),
    roots: Iterable[str] = (),
) -> Imported:
    """Import modules in processes of their own, and say what stands under identities.

    wanted: canonical names of modules, each with the identities that are asked for; folders: where modules are looked
    for first, for all or for each module; roots: cache directories, whose memos of files are used.
    """
    found = Imported({}, set(), {}, {})
    groups: dict[tuple[str, ...], Group] = {}
    for module, identities in sorted(wanted.items()):
        own = folders.get(module, ()) if isinstance(folders, dict) else folders
        if module in ("__main__", "?", ""):
            found.failed[module] = _NO_FILE
        else:
            groups.setdefault(tuple(own), {})[module] = sorted(set(identities))
    memos = [session.store(root).memo_file for root in roots]
    ends = monotonic() + limit()
    for own, group in groups.items():
        _Asking(found, (_way(own), memos), ends).run(group)
    return found


def _way(folders: Sequence[str]) -> list[str]:
    """Where the process looks for modules: in these folders, here, and where this one does."""
    every = [*folders, "", *sys.path]
    return list(dict.fromkeys(os.path.abspath(folder) for folder in every))


class _Asking:
    """The modules that are looked for in the same folders."""

    def __init__(self, found: Imported, place: tuple[list[str], list[str]], ends: float) -> None:
        self.found = found
        self.place = place
        self.ends = ends
        self.answered: set[str] = set()

    def run(self, group: Group) -> None:
        """Ask for all at once; then again without a module that ended the process, and for that one alone."""
        todo = [group]
        while todo:
            asked = todo.pop()
            try:
                blamed = self._round(asked)
            except OSError as error:
                self._fail(asked, f"no process can be started to import it: {error}")
                continue
            left = {m: i for m, i in asked.items() if m != blamed and m not in self.answered}
            if left:
                todo.append(left)
            if blamed:  # first: it has ended a process soon, and the others may take all the time that there is
                todo.append({blamed: asked[blamed]})

    def _round(self, asked: Group) -> str:
        """One process, to its end; the module that is to be asked for alone, since it may have ended it."""
        if self.ends <= monotonic():
            self._fail(asked, f"no time was left for its import ({LIMIT} sets the seconds for all imports)")
            return ""
        with Child(asked, *self.place, self.ends) as process:
            for kind, module, *rest in process.answers():
                if kind == importer.FAILED:
                    self._fail([module], rest[0], process.printed())
                elif kind == importer.CODES:
                    self._take(module, rest[0])
            if process.has_died and process.module and len(asked) > 1:
                return process.module
            if process.why:
                bad = [process.module] if process.module else asked.keys() - self.answered
                self._fail(bad, process.why, process.printed())
        return ""

    def _take(self, module: str, codes: Iterable[tuple[str, bool, list[tuple[str, list[tuple[str, ...]]]]]]) -> None:
        self.answered.add(module)
        for identity, is_cached, found in codes:
            self.found.codes[identity] = [(digest, tuple(Piece(*p) for p in pieces)) for digest, pieces in found]
            if is_cached:
                self.found.cached.add(identity)

    def _fail(self, modules: Iterable[str], why: str, printed: list[str] | None = None) -> None:
        for module in modules:
            self.answered.add(module)
            self.found.failed[module] = why
            self.found.printed[module] = [] if why.endswith(WAY_OUT) else printed or []  # that says all there is


class Imports:
    """The code of modules that are not loaded here, asked for once, for all calls that a question is about.

    is_asked: whether an identity is one that is asked about; others are asked for when they are needed.
    """

    def __init__(self, session: State, rows: Iterable[Row], is_asked: Callable[[str], bool]) -> None:
        self.session = session
        self._rows = rows
        self._is_asked = is_asked
        self._code: Code = {}
        self._roots: list[str] = []
        self._found: Imported | None = None

    @property
    def found(self) -> Imported:
        """What is known of all of them."""
        if self._found is None:
            self._code = code_in(self._rows)
            self._roots = roots_in(self._rows)
            for root in self._roots:
                self.session.store(root)
            wanted = {m: [i for i in identities if self._is_asked(i)] for m, identities in self._code.items()}
            self._found = self._ask({module: identities for module, identities in wanted.items() if identities})
        return self._found

    def folders(self, module: str) -> tuple[str, ...]:
        """Where a module was found when it ran."""
        return folders_of(self.session, {module: self._code.get(module, {})})[module]

    def _ask(self, wanted: dict[str, list[str]]) -> Imported:
        folders = folders_of(self.session, {m: self._code.get(m, {}) for m in wanted})
        return ask(self.session, wanted, folders, self._roots)

    def codes(self, identity: str) -> Codes | None:
        """What stands there; None if that is not known, or not asked."""
        module = identity.partition(":")[0]
        if module not in self.found.failed and identity not in self.found.codes and module in self._code:
            more = self._ask({module: [identity]})  # of an older run
            self.found.codes.update(more.codes)
            self.found.failed.update(more.failed)
        return None if module in self.found.failed else self.found.codes.get(identity)

    def digest(self, identity: str, recorded: str | None) -> str | None:
        """The digest of that code now, of several the recorded one; None if that is not known, empty if it is gone."""
        codes = self.codes(identity)
        if codes is None or (not codes and "<locals>" in identity):  # the code around it speaks for that
            return None
        digests = [digest for digest, _ in codes]
        return recorded if recorded in digests else next(iter(digests), "")
