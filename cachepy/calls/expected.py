"""How many calls are to come, as far as an earlier run tells: of a running call, and at the top of a program.

Asked by who shows how far a program is.  No call pays for it.
"""

from __future__ import annotations

import os

from cachepy.core.frame import Frame
from cachepy.errors import EntryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.program import Program
    from cachepy.calls.state import State


def expected_of(session: State, call: str) -> int:
    """How many calls the newest stored run of a call made; 0 if none is stored."""
    for store in session.stores:
        try:
            stored = store.look(call)
        except (EntryError, OSError):
            continue
        if stored is not None:
            return len(stored.events[0].trace.calls)
    return 0


def place_of(session: State, frame: Any, call: str) -> str:
    """Which of the calls of its caller one is, as far as that is known: `` [3 of 12]``."""
    if not isinstance(frame, Frame):
        return ""
    at = len(frame.calls) + (call not in frame.calls)
    expected = expected_of(session, frame.id)
    return f" [{at:,} of {expected:,}]" if at <= expected > 1 else ""


def expected_at_top(program: Program, root: str) -> set[str]:
    """The calls that the program made in a cache directory when it ended last, by itself; none if nobody knows.

    Which variables of the environment its code names is known only when all of it is loaded: they are not asked for.
    """
    from cachepy.calls.program_end import NOTEBOOK, Who, named_by
    from cachepy.graph.program_files import Programs

    named = None if program.is_child() else named_by(program)
    if named is None or named[0] == NOTEBOOK or not os.path.isdir(os.path.join(root, "programs")):
        return set()
    folder = Programs(program.places[root].store)
    who = Who(root, program, *named, {})
    return folder.made_last(who.file, who.header)
