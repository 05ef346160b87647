"""Which code runs while bodies do, as the interpreter tells it: `sys.monitoring`, from Python 3.12 on.

Two tools of that take turns.  One is told of each code object when it starts, or is resumed, for the first time in this
process; most is of libraries, and tells no more.  Code of the user's is handed to the other tool, which tells until it
was noted, and then is silent until somebody begins to whom it may be new: a body, or its caller when it has ended.  So
a body costs as much as it runs different code of the user's, however often, and code of libraries costs nothing.

Of bodies that run at the same time each may find silent what another one started: such code goes on telling until each
of them has it, and is given to all of them if it does so too often.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from itertools import count

from cachepy.core.bodies import Crowd
from cachepy.core.current import NOBODY, here
from cachepy.values.modules import MAIN
from cachepy.values.owners import USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Protocol

    from cachepy.core.frame import Frame
    from cachepy.values.owners import Owners

    class Watch(Protocol):
        """What is noted of one body.

        covered: ids of code that counts for it anyway; taken: of what was noted; is_blind: whether it wants to know
        nothing; is_alone: whether nobody else runs code for it while it waits for a call; beside: those that run at
        the same time.
        """

        frame: Frame
        covered: frozenset[int]
        taken: set[int]
        is_blind: bool
        beside: tuple[Watch, ...]

        @property
        def is_alone(self) -> bool: ...

        def lacks(self, key: int) -> bool: ...

        def may_own(self, thread: int) -> bool:
            """Whether a thread without a caller may work for it."""
            ...

        def take(self, code: CodeType, at: Any) -> bool:
            """Note code that starts; False if it may count when it starts the next time."""
            ...

        def take_import(self, name: object, package: object, at: Any) -> None:
            """Note that a module is asked for by a name; at: where."""
            ...


_monitoring: Any = getattr(sys, "monitoring", None)
_TOOLS = (4, 3, 5)  # numbers that debuggers, profilers and measurers of coverage do not take
_OFTEN = 1000  # times that code tells before it is given to all bodies at once
_MOST = 4096  # code objects that are silent
_OTHERS, _USERS, _IMPORTS, _MADE = 0, 1, 2, 3
_IMPORT, _BUILTIN = "import_module", "__import__"
_IMPORTLIB = os.path.join(os.path.dirname(os.__file__), "importlib", "__init__.py")


class Window:
    """A time in which all code that starts is noted."""

    __slots__ = ("began",)

    def __init__(self) -> None:
        self.began = 0


class CodeEvents:
    """The events of this process."""

    def __init__(self) -> None:
        self.is_on = False
        self.loaded: dict[str, CodeType] = {}  # by file: the code of modules that were seen to be loaded
        self._tool = -1  # the number of the tool that tells again and again
        self._open: dict[int, Watch] = {}
        self._silent: dict[int, CodeType] = {}
        self._times: dict[int, int] = {}  # that code told while bodies overlapped
        self._kinds: dict[str, int] = {}
        self._owners: Owners | None = None
        self._windows: dict[int, Window] = {}
        self._last: dict[int, int] = {}  # by id of code: when it started last while one of these was open
        self._ticks = count()
        self._newest = object()  # another one with each window that opens
        self._first = -1  # the number of the tool that tells once

    def begin(self, watch: Watch, owners: Owners) -> None:
        """A body is about to run."""
        self._owners = owners
        if not self.is_on:
            self._start()
        watch.beside = self._beside(watch.frame)
        for each in watch.beside:
            each.beside = (*each.beside, watch)
        self._open[id(watch.frame)] = watch
        self._tell_again([watch])

    def end(self, watch: Watch) -> None:
        """It has ended; also if it never began."""
        if self._open.pop(id(watch.frame), None) is None:
            return
        for each in watch.beside:
            each.beside = tuple(other for other in each.beside if other is not watch)
        above = self._nearest(getattr(watch.frame, "parent", None))
        self._tell_again([above] if above is not None else list(self._open.values()))
        if not self._open:
            self._times.clear()

    def open(self, window: Window) -> None:
        """From now on each code object of the user's that starts is noted, wherever in this process.

        It stands among the others before silent code is switched on: see `_note`.
        """
        window.began = next(self._ticks)
        self._windows[id(window)] = window
        self._newest = object()
        for key in list(self._silent):
            self._switch(self._silent.pop(key, None), on=True)

    def close(self, window: Window) -> None:
        """It wants no more."""
        self._windows.pop(id(window), None)

    def started_since(self, window: Window) -> set[int]:
        """The ids of all code that started since a window was opened, if it is open still."""
        return {key for key, tick in list(self._last.items()) if tick > window.began}

    def is_told(self, code: CodeType) -> bool:
        """Whether code tells when it starts, if it does: code of the user's in a file."""
        return self._kind_of(code.co_filename) == _USERS

    def is_whole(self) -> bool:
        """Whether nobody else has laid hands on the tools, and no trace function runs code that does not tell."""
        if not self.is_on or sys.gettrace() is not None or sys.getprofile() is not None:
            return False
        tools = ((self._first, self._told_first), (self._tool, self._told))
        for tool, told in tools:
            if _monitoring.get_tool(tool) != "cachepy":
                return False
            for each in (_monitoring.events.PY_START, _monitoring.events.PY_RESUME):
                if _monitoring.register_callback(tool, each, told) != told:
                    return False
        return bool(_monitoring.get_events(self._first) & self._wanted == self._wanted)

    def of(self, frame: Any) -> Watch | None:
        """Who watches for this caller."""
        return self._open.get(id(frame))

    def _beside(self, frame: Any) -> tuple[Watch, ...]:
        """The bodies that run code while this one does: all but the callers that wait for it."""
        parent = self._open.get(id(getattr(frame, "parent", None)))
        if parent is not None and parent.frame.thread == frame.thread and not parent.beside and parent.is_alone:
            return ()
        waiting = set[int]()
        above: Any = getattr(frame, "parent", None)
        while above is not None and getattr(above, "thread", None) == frame.thread:
            waiting.add(id(above))
            above = getattr(above, "parent", None)
        return tuple(each for each in list(self._open.values()) if id(each.frame) not in waiting or not each.is_alone)

    def _tell_again(self, watches: list[Watch]) -> None:
        """Have code tell again that is silent now and may be new to one of these."""
        for watch in watches:
            for key in () if watch.is_blind else self._silent.keys() - watch.covered:
                if key not in watch.taken:
                    self._switch(self._silent.pop(key, None), on=True)

    def forget(self) -> None:
        """In a forked child none of them runs."""
        self._open.clear()
        self._windows.clear()

    def _start(self) -> None:
        """Raise RuntimeError if other tools have all numbers."""
        free = [each for each in _TOOLS if _monitoring.get_tool(each) is None]
        if len(free) < 2:
            raise RuntimeError("other tools have all numbers")
        for tool, told in zip(free, (self._told_first, self._told), strict=False):
            _monitoring.use_tool_id(tool, "cachepy")
            for each in (_monitoring.events.PY_START, _monitoring.events.PY_RESUME):
                _monitoring.register_callback(tool, each, told)
        _monitoring.register_callback(free[1], _monitoring.events.CALL, self._told_of_call)
        _monitoring.register_callback(free[1], _monitoring.events.PY_THROW, self._told_of_throw)
        self._first, self._tool = free[:2]
        self._wanted = _monitoring.events.PY_START | _monitoring.events.PY_RESUME
        self._enough = _monitoring.DISABLE
        self.is_on = True
        _monitoring.set_events(free[0], self._wanted)
        _monitoring.set_events(free[1], _monitoring.events.PY_THROW)

    def _switch(self, code: CodeType | None, *, on: bool) -> None:
        if code is not None:
            calls = _monitoring.events.CALL if _BUILTIN in code.co_names else 0
            _monitoring.set_local_events(self._tool, code, calls | (self._wanted if on else 0))

    def _told_first(self, code: CodeType, _: int) -> Any:
        """Code starts for the first time: most is of libraries, and this is all that it costs."""
        if self._kinds.get(code.co_filename) != _OTHERS and sys is not None:  # which it is when Python shuts down
            self._told_of_new(code, sys._getframe(1))
        return self._enough

    def _told_of_new(self, code: CodeType, at: Any) -> None:
        kind = self._kinds.get(code.co_filename)
        if kind is None:
            kind = self._kind_of(code.co_filename)
        if kind == _USERS or (kind == _MADE and self._is_users(at)) or (kind == _IMPORTS and code.co_name == _IMPORT):
            self._switch(code, on=True)
            self._note(code, at)

    def _told(self, code: CodeType, _: int) -> None:
        """Code of the user's starts."""
        if sys is not None:
            self._note(code, sys._getframe(1))

    def _told_of_throw(self, code: CodeType, *_: object) -> None:
        """A generator goes on with an exception: that is no other start of it."""
        if self._windows and sys is not None and self.is_told(code):
            self._last[id(code)] = next(self._ticks)

    def _told_of_call(self, code: CodeType, _: int, called: object, name: object) -> None:
        """Code that names `__import__` calls something: a module that is loaded already runs no code."""
        if sys is not None and called is __import__:
            for watch in self._of_here():
                watch.take_import(name, None, sys._getframe(1))

    def _note(self, code: CodeType, at: Any) -> None:
        newest = self._newest
        if self._windows:
            self._last[id(code)] = next(self._ticks)
        if code.co_filename == _IMPORTLIB:  # it tells each time, likewise
            for watch in self._of_here():
                watch.take_import(at.f_locals.get("name"), at.f_locals.get("package"), at.f_back)
        elif code.co_name == "<module>":  # it tells each time: a text may be run again
            if at.f_globals.get("__file__") == code.co_filename:
                self.loaded[code.co_filename] = code
            self._given(id(code), code, at)
        elif self._given(id(code), code, at):
            if len(self._silent) >= _MOST:  # code that is gone is among it
                for each in list(self._silent.values()):
                    self._switch(each, on=True)
                self._silent.clear()
            self._silent[id(code)] = code
            self._switch(code, on=False)
            if newest is not self._newest:  # one was opened meanwhile
                self._switch(self._silent.pop(id(code), None), on=True)

    def _given(self, key: int, code: CodeType, at: Any) -> bool:
        """Tell those whose code it is; whether nobody else needs to hear of it."""
        own, done = self._of_here(), True
        for watch in own:
            if watch.lacks(key):
                done &= watch.take(code, at)
        beside = [each for watch in own for each in watch.beside] if own else list(self._open.values())
        lacking = [each for each in beside if each.lacks(key)]
        if not lacking:
            return done
        times = self._times[key] = self._times.get(key, 0) + 1
        if times < _OFTEN:
            return False
        for watch in lacking:
            done &= watch.take(code, at)
        return done

    def _of_here(self) -> list[Watch]:
        """The bodies whose code runs here: the innermost; in a thread without a caller all that it may work for."""
        frame: Any = here()
        if frame is NOBODY:
            return []
        if isinstance(frame, Crowd):
            return [watch for each in frame.frames if (watch := self._nearest(each)) is not None]
        watch = self._nearest(frame)
        if watch is not None:
            return [watch]
        me = get_ident()
        return [each for each in list(self._open.values()) if each.may_own(me)]

    def _nearest(self, frame: Any) -> Watch | None:
        """The body of a frame, or else of the nearest caller that runs here."""
        while frame is not None:
            watch = self._open.get(id(frame))
            if watch is not None:
                return watch
            frame = getattr(frame, "parent", None)
        return None

    def _kind_of(self, file: str) -> int:
        """Whose the code in a file is."""
        if file == _IMPORTLIB:
            kind = _IMPORTS
        elif file[:1] == "<":
            kind = _OTHERS if file[:8] == "<frozen " else _MADE
        else:
            owners = self._owners
            assert owners is not None
            kind = _USERS if owners.kind(file) == USER else _OTHERS
            if kind == _USERS and not owners.is_settled(file):
                return kind
        self._kinds[file] = kind
        return kind

    def _is_users(self, at: Any) -> bool:
        """Whether what was made from a text was made in a module of the user's."""
        scope = at.f_globals
        file = scope.get("__file__")
        if type(file) is str:
            return self._kind_of(file) == _USERS
        return scope.get("__name__") in MAIN  # a prompt; what libraries make has globals of its own


events = CodeEvents()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=events.forget)
