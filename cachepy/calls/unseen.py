"""What a run may have used without this process seeing it called: by over-counting, never by leaving out.

Between two cached calls may lie something that remembers: the second caller gets what the first one made, and nobody
calls the function below.  Or its calls were made in other processes.  So when a body ends, each cached function that
its code reaches on such a way counts (see `routes`), by the calls of it that this process has seen, or by its code;
and so do the files that the code behind a memo has named.  No edge is drawn for them.
"""

from __future__ import annotations

import os

from cachepy.calls.child_processes import Letters
from cachepy.calls.functions import MOST_MADE
from cachepy.code.routes import COUNTED, HIDDEN
from cachepy.core.kind import is_relative
from cachepy.core.kinds import CALLS, FILES, ROOTS
from cachepy.core.model import CODE, FILE, INDIRECT_CALL, ROOT, Dep
from cachepy.errors import OpaqueGlobalWarning
from cachepy.store.layout import root_of_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.code.routes import Memo, Routes
    from cachepy.core.frame import Frame


class Unseen:
    """Made before a body runs, asked when it has ended.

    fname: the function, for the warning; routes: what its code reaches.
    """

    __slots__ = ("_before", "_fname", "_frame", "_letters", "_routes", "_session")

    def __init__(self, session: State, frame: Frame, routes: Routes, fname: str) -> None:
        self._session = session
        self._frame = frame
        self._routes = routes
        self._fname = fname
        self._before = [_state(memo) for memo in routes.memos]
        self._letters = Letters(session, frame) if routes.elsewhere or routes.takes_work else None

    def add(self) -> None:
        """Tell the frame of what may have been used; it has to be open still."""
        if self._letters is not None:
            self._take(self._letters)
        for memo, before in zip(self._routes.memos, self._before, strict=True):
            if memo.kind != COUNTED or _gave(before, _state(memo)):
                self._add_behind(memo)
        if self._routes.elsewhere:
            for called in sorted(self._routes.calls):
                if not self._is_met(called):
                    self._add_code(called)

    def _take(self, letters: Letters) -> None:
        """What child processes did meanwhile; side by side, so it is not for this process to make those calls again."""
        for row in letters.taken():
            self._frame.shared = True
            dep = Dep(*row)
            if dep.kind in ROOTS and dep.name == root_of_run(self._frame.mailbox):
                continue
            self._frame.add(dep)
            if dep.kind in CALLS:
                meet(self._session, self._frame, dep)

    def _add_behind(self, memo: Memo) -> None:
        """A memo that counts what it gives was used; of another one that is sure if something behind it is missing."""
        for called in sorted(memo.calls):
            made = self._session.remembered.made.get(called)
            if memo.kind == COUNTED or not self._is_met(called):
                if made:
                    self._add_calls(called, list(made.items()))
                elif memo.kind != HIDDEN:
                    self._add_code(called)
        for code in memo.codes:
            named = self._session.remembered.named.get(code)
            if named and (memo.kind == COUNTED or not self._is_tracked(path for path, _ in named)):
                self._add_files(list(named.items()))

    def _is_met(self, called: str) -> bool:
        """Whether a call of the function is in the trace."""
        made = self._session.remembered.made.get(called, {})
        return called in self._frame.met or any(name in self._frame.calls for _, name, _ in list(made))

    def _is_tracked(self, paths: Iterable[str]) -> bool:
        """Whether any of the files is in the trace."""
        return any((kind, path) in self._frame.deps for path in paths for kind in FILES)

    def _add_calls(self, called: str, made: Iterable[tuple[tuple[str, str, str | None], str]]) -> None:
        for (kind, name, digest), root in made:
            if kind in CALLS and name == self._frame.id:
                continue
            if root and root != root_of_run(self._frame.mailbox):
                self._frame.add(Dep(ROOT, root, None))
            self._frame.add(Dep(kind, name, digest))
        if called in self._session.remembered.overfull:
            self._add_code(called)
            self._session.warn(
                OpaqueGlobalWarning,
                f"{self._fname} may have used results of {called} that something else remembers, and this process made "
                f"more than {MOST_MADE} calls of that: changed files of the oldest ones go unseen. Call "
                f"{called.rpartition('.')[2]} directly, it is cached already",
                self._fname,
                called,
            )

    def _add_code(self, called: str) -> None:
        """Of a function that lives here, its code."""
        for call in self._session.functions.live_calls(called)[:1]:
            digest = self._session.reader.reach(call.target).digest
            self._frame.add(Dep(CODE, call.code_name(self._session), digest))

    def _add_files(self, named: Iterable[tuple[tuple[str, str], str | None]]) -> None:
        for (path, cwd), digest in named:
            is_there = cwd == self._frame.cwd or not is_relative(path)
            self._frame.add(Dep(FILE, path if is_there else os.path.join(cwd, path), digest))


def meet(session: State, frame: Frame, dep: Dep) -> None:
    """Note which function another process called."""
    for event in session.stores.events(dep.name)[:1]:
        called = f"{event.module}:{event.qualname}"
        frame.met.add(called)
        session.remembered.note(called, ((INDIRECT_CALL, dep.name, dep.digest),), event.root)


def _state(memo: Memo) -> Any:
    return memo.count() if memo.count is not None else None


def _gave(before: Any, now: Any) -> bool:
    """Whether a memo of functools was asked for what it had, or was emptied meanwhile."""
    return bool(before.hits != now.hits or now.misses < before.misses)
