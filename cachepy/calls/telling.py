"""Tells a caller that it depends on a call, which has just ended or was a hit."""

from __future__ import annotations

from cachepy.core.frame import Frame, working_dir
from cachepy.core.kinds import KINDS
from cachepy.core.opened import Crowd
from cachepy.disk.places import root_of_run
from cachepy.model import BELOW, CALL, ROOT, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.calls.state import State
    from cachepy.core.frame import Caller
    from cachepy.model import Event


def tell(session: State, caller: Caller, event: Event) -> None:
    """Whoever may have made the call is told; only who surely did gets an edge."""
    if type(caller) is not Crowd:
        _tell(session, caller, event, CALL)
        return
    for frame in caller.frames:
        _tell(session, frame, event, BELOW)


def _tell(session: State, frame: Caller, event: Event, kind: str) -> None:
    if isinstance(frame, Frame) and frame.cwd != working_dir():
        _add_files_of_elsewhere(session, frame, event.id)
    if root_of_run(frame.mailbox) != event.root:
        frame.add(Dep(ROOT, event.root, None))
    frame.add(Dep(kind, event.id, event.trace.effect))


def _add_files_of_elsewhere(session: State, frame: Frame, call: str) -> None:
    """The caller changed the working directory before it called: below, relative names mean other files."""
    from cachepy.probe import LiveProbe

    world = LiveProbe(session)
    for event in session.stores.events(call)[:1]:
        for each in session.stores.subtree(event):
            for dep in each.trace.deps:
                kind, path = KINDS[dep.kind].elsewhere(dep.name) or ("", "")
                if kind:
                    frame.add(Dep(kind, path, KINDS[kind].now(path, world)))
