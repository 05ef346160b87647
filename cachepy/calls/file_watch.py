"""Whose files are noted, and by whom: for each body from its beginning to what its caller hears at its end."""

from __future__ import annotations

import copyreg
import os
import sys

from cachepy.calls import far_reads, file_calls, globs, library_files, programs
from cachepy.calls.file_events import events
from cachepy.calls.files_at_once import FilesAtOnce
from cachepy.calls.seen_files import SeenFiles
from cachepy.calls.settled_files import SettledFiles
from cachepy.calls.state import current_session
from cachepy.calls.unseen_network import Network
from cachepy.core.bodies import bodies
from cachepy.core.current import here
from cachepy.core.frame import Frame
from cachepy.core.kind import is_unasked
from cachepy.core.kinds import PASSED
from cachepy.core.model import FILE, UNSEEN_SOURCE, Dep
from cachepy.errors import RewrittenFileWarning
from cachepy.values.stand_ins import original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cachepy.calls.entry_points import Picks
    from cachepy.calls.file_events import Sight
    from cachepy.calls.function import Function
    from cachepy.calls.state import State


_LONGEST = 5  # seconds
_WEB = ("http:", "https:")


class FileWatch:
    """The files of one body, from its beginning to its end.

    arg_files: the paths that arguments named; outputs: the names of the files that it was seen to write.
    """

    __slots__ = ("_arg_files", "_declared", "_fname", "_seen", "_session")

    def __init__(self, session: State, seen: SeenFiles, arg_files: Mapping[str, str], call: Function) -> None:
        self._session = session
        self._seen = seen
        self._arg_files = arg_files
        self._declared = call.options.outputs
        self._fname = call.fname

    def add(self) -> None:
        """The body has ended: tell its frame, which has to be open still."""
        self._drop_texts()
        if self._is_idle():
            return
        self._seen.look_deeper(self._session.stores.events)
        with events.aside():
            self._take_declared()
            SettledFiles(self._seen).settle(self._arg_files)
        frame = self._seen.frame
        for place, code in self._seen.openers.items():
            dep = self._seen.told.get(place)
            if code is not None and dep is not None:  # behind a memo it is not opened the next time
                self._session.remembered.note_file(code, dep.name, frame.cwd, dep.digest)
        for source in self._seen.asked:
            self._seen.frame.add(Dep(UNSEEN_SOURCE, source, None))
        for place, name in self._seen.rewritten.items():
            self._session.warn(
                RewrittenFileWarning,
                f"{self._fname} reads {name!r} and then overwrites it, so that file is neither its input nor its "
                f"output: a change of it goes unseen. Write another file, or say "
                f"ignore_files=[{os.path.basename(name)!r}] if it does not matter",
                self._fname,
                place,
            )

    def _drop_texts(self) -> None:
        """A page that nobody can ask for is a text, if the body asked nobody either."""
        deps = self._seen.frame.deps if self._arg_files and not self._seen.asked else {}
        for name in [name for name in self._arg_files if name.startswith(_WEB)]:
            if is_unasked(deps.get((FILE, name))):
                del deps[FILE, name]

    def _is_idle(self) -> bool:
        """Whether there is nothing to tell, as for most bodies."""
        seen = self._seen
        if self._declared or seen.deeper or seen.asked or not seen.is_blank():
            return False
        return not any(kind in PASSED for kind, _ in seen.frame.deps)  # what other processes wrote for it

    def _take_declared(self) -> None:
        """What parameters name that were declared to name outputs."""
        names = [path for path, given in self._arg_files.items() if given.partition("[")[0] in self._declared]
        for name in names:
            self._seen.declare(name)

    @property
    def outputs(self) -> list[str]:
        return list(self._seen.written.values())

    def hand_over(self) -> None:
        """There is no event: the caller takes over what was written."""
        body = bodies.get(id(self._seen.frame.parent))
        above: Any = None if body is None else body.seen
        if above is not None:
            above.below.update(dict.fromkeys(self._seen.left()))


def begin(session: State, call: Function, frame: Frame, arg_files: Mapping[str, str]) -> FileWatch | None:
    """Begin to note the files of a body; None if nobody has wanted to know so far."""
    options = call.options
    if not options.observe and not options.outputs and not events.is_on:
        return None
    start()
    seen = SeenFiles(frame, session.files, options.ignore_files, is_blind=not options.observe)
    bodies[id(frame)].seen = seen
    return FileWatch(session, seen, arg_files, call)


def start() -> None:
    """From now on files are watched in this process; bodies that begin at once wait for the first."""
    if events.is_on and not events.is_starting:
        if events.amiss:
            events.take_places()
        return
    is_mine = events.lock.acquire(timeout=_LONGEST)  # a child that was forked meanwhile must not wait for ever
    try:
        if not events.is_on:
            events.is_starting = True
            events.start(dict([*file_calls.pairs(), *programs.pairs()]), _sight_of)
            if sys.version_info < (3, 12):  # there it is pickled by the name "io.open"
                copyreg.pickle(type(len), _reduced)
            library_files.install(events, _runs_here, _others())
    finally:
        events.is_starting = False
        if is_mine:
            events.lock.release()


def stop() -> None:
    """Put back what stood there; for tests."""
    library_files.remove()
    events.stop()


def _reduced(fn: Any) -> Any:
    """How a builtin function is pickled: as ever, and `open` where somebody holds it, not what stands in its place."""
    return (eval, ("open",)) if fn.__name__ == "open" and original(open) is fn else fn.__reduce__()


def _others() -> Picks:
    """What else is to be seen of libraries than the table of `library_files` says."""
    return globs.PICKS | programs.PICKS | Network(events).picks() | far_reads.picks(_runs_here)


def _runs_here() -> bool:
    """Whether a body may be running here; who asks for a file is asked later."""
    return here() is not None or bool(bodies)


def _sight_of(frame: Any) -> Sight | None:
    """Who notes the files of a caller that is not the innermost body of this thread."""
    body = bodies.get(id(frame))
    seen: Any = None if body is None else body.seen
    if seen is not None:
        return None if seen.is_blind else seen
    return None if isinstance(frame, Frame) else FilesAtOnce(frame, current_session().files, events.written)
