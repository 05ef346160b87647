"""`progress`: one line that says what the calls of this process are doing; nothing is added to any call for it.

A thread looks now and then at what is counted anyway, and at the bodies that run.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from cachepy.calls.expected import expected_at_top, expected_of
from cachepy.calls.happened import CallSummary, summary_of
from cachepy.calls.program import program
from cachepy.calls.state import current_session
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from cachepy.calls.state import State
    from cachepy.core.frame import Frame

PROGRESS = "CACHEPY_PROGRESS"  # the variable of the environment
_PAUSE = 0.5  # s between two looks
_FIRST, _MOST = 10.0, 300.0  # s between lines where these stay, as in the log of a job: each pause twice the last


class progress:  # noqa: N801 - used as a function: with cachepy.progress()
    """Show one line while a block runs: calls done, hits, runs, what runs now and for how long.

    In a terminal and in a notebook the line is renewed in its place. Elsewhere, as in the log of a job, lines come
    seldom: after 10 s, then after twice as long each time. The last one stays. ``CACHEPY_PROGRESS=1`` does it for a
    whole program, from the first body that runs on; in a notebook for each cell.

    Where the program, or a call that runs, ran before, the line says how many calls it has made, of how many.

    See Also
    --------
    summary : The same at the end.

    Examples
    --------
    >>> from cachepy import cache_file, progress
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with progress():
    ...     square(3)
    9
    """

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._show: Callable[..., None] = _nowhere
        self._session: State | None = None  # the current one

    def __enter__(self) -> Self:
        session = self._session or current_session()
        self._look, self._show = _Look(session), place()
        self._ended.clear()
        self._thread = threading.Thread(target=self._run, name="cachepy-progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._show(self._look.line(), is_last=True)

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            try:
                self._show(self._look.line(), is_last=False)
            except Exception:  # stderr was closed: nobody looks
                return


class _Look:
    """What has been done since it began."""

    def __init__(self, session: State) -> None:
        self._session, self._before = session, summary_of(session)
        self._since: dict[str, float] = {}  # when each run was seen first
        self._expected: dict[str, int] = {}  # how many calls each run is to make
        self._tops: dict[str, set[str]] = {}  # by cache directories, the calls that the program made before

    def line(self) -> str:
        """All of it in one line."""
        now, before = summary_of(self._session), self._before
        hits, waits, runs = (getattr(now, n) - getattr(before, n) for n in ("hits", "waits", "runs"))
        unstored = {} if now.unstored == before.unstored else now.unstored
        times = now.seconds - before.seconds, now.saved - before.saved
        done = CallSummary(hits, waits, runs, now.failed - before.failed, *times, unstored, {}).line
        open_ = {frame.run: frame for frame in list(self._session.owners.values()) if frame.is_open()}
        return f"cachepy: {done}{self._at_top(open_)}{self._inside(open_)}{self._running(open_)}"

    def _at_top(self, open_: dict[str, Frame]) -> str:
        """How many calls of the program have ended, of how many, if it ran before."""
        made = expected = 0
        running = {frame.id for frame in open_.values()}
        for root, place in list(program.places.items()):
            if root not in self._tops:
                try:
                    self._tops[root] = expected_at_top(program, root)
                except Exception:  # nobody knows which program this is: the line says less
                    self._tops[root] = set()
            made += len(self._tops[root] & place.calls - running)
            expected += len(self._tops[root])
        return f"; {made:,} of {expected:,} at the top" if expected > 1 else ""

    def _inside(self, open_: dict[str, Frame]) -> str:
        """The same of the outermost call that runs and made several when it ran before."""
        for run, frame in open_.items():
            if run not in self._expected:
                self._expected[run] = expected_of(self._session, frame.id)
            made, expected = len(frame.calls), self._expected[run]
            if 1 < expected >= made:
                return f"; {made:,} of {expected:,} in {frame.id.rpartition(':')[0]}"
        return ""

    def _running(self, open_: dict[str, Frame]) -> str:
        """The body that has run longest and makes no other call, and how many more there are."""
        now = time.monotonic()
        self._since = {run: self._since.get(run, now) for run in open_}
        outer = {getattr(frame.parent, "run", "") for frame in open_.values()}
        inner = sorted((run for run in open_ if run not in outer), key=self._since.__getitem__)
        if not inner:
            return ""
        more = f" and {len(inner) - 1:,} more" if len(inner) > 1 else ""
        name = open_[inner[0]].id.rpartition(":")[0]
        return f"; {name} runs for {humanize.span(now - self._since[inner[0]])}{more}"


def begin(session: State) -> None:
    """Show what a session does until the program ends, if the environment says so."""
    if os.environ.get(PROGRESS, "0") not in ("", "0") and not program.is_child() and not program.is_silent:
        shown = progress()
        shown._session = session
        shown.__enter__()
        program.at_end.append(shown.__exit__)
        shell = _kernel()
        if shell is not None:  # each cell has a line of its own
            shell.events.register("pre_run_cell", lambda *_: shown.__enter__())
            shell.events.register("post_run_cell", lambda *_: shown.__exit__())


def _nowhere(line: object, *, is_last: bool) -> None:
    """Nobody can see it."""


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return _kernel() is not None


def place() -> Callable[..., None]:
    """Where a line is shown: what shows it; in a notebook a line with ``_repr_html_`` looks as that says."""
    if is_notebook():
        return _in_notebook()
    if sys.stderr is None:
        return _nowhere
    return _in_terminal() if sys.stderr.isatty() else _in_log()


def _kernel() -> Any:
    """The shell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if getattr(shell, "kernel", None) is not None else None


def _in_notebook() -> Callable[..., None]:
    from html import escape
    from importlib import import_module

    ipython: Any = import_module("IPython.display")
    handle = ipython.display(ipython.HTML(""), display_id=True)

    def show(line: object, *, is_last: bool) -> None:
        html = getattr(line, "_repr_html_", None)
        text = f"<code>{escape(str(line))}</code>" if html is None else html()
        handle.update(ipython.HTML(text.replace("<code>", '<code style="opacity:0.6">') if is_last else text))

    return show


def _in_terminal() -> Callable[..., None]:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    status = console.status("cachepy")
    status.start()

    def show(line: object, *, is_last: bool) -> None:
        if not is_last:
            status.update(escape(str(line)))
            return
        status.stop()
        console.print(escape(str(line)), soft_wrap=True)

    return show


def _in_log() -> Callable[..., None]:
    began, pause = time.monotonic(), _FIRST

    def show(line: object, *, is_last: bool) -> None:
        nonlocal began, pause
        if not is_last and time.monotonic() - began < pause:
            return
        began, pause = time.monotonic(), min(2 * pause, _MOST)
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - asked for

    return show
