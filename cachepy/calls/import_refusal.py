"""While a module is imported for a question, a cached call is answered from the cache only: what would run is refused.

So asking runs nothing of the user's pipeline, whatever a script does without a ``__main__`` guard.  A process that was
started for the question refuses in all its threads, and so does every process that it starts: they find the folder of
the question in their environment.  Elsewhere only the thread that imports does, since the others are the program's.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from cachepy.errors import RefusedCallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Protocol

    Note = tuple[str, str, str]  # the script whose top level made a call, the name that it ran under, what it called

    class Session(Protocol):
        """Notes by the thread that refuses; modules that were refused, with why."""

        refusing: dict[int, list[Note]]
        refused: dict[str, str]

ASKED = "_CACHEPY_ASKED"  # the folder of a question, in the environment of processes that are started for it
EVERY_THREAD = 0
WAY_OUT = 'when it is imported: put that behind if __name__ == "__main__"'
_NOTES = "refused"


def refuse(session: Session, name: str) -> None:
    """End the import that a call belongs to, if one is going on for a question.

    It is noted too, since the user's code may catch anything; and a thread or another process may have been it.
    """
    everywhere = session.refusing.get(EVERY_THREAD)
    told = session.refusing.get(get_ident()) if everywhere is None else everywhere
    if told is None:
        return
    note = *_script(), name.rpartition(".<locals>.")[2].partition("#")[0]
    told.append(note)
    if everywhere is not None:
        _leave(note)
    raise RefusedCallError(sentence(note))


def _script() -> tuple[str, str]:
    """The file whose top level makes the call, and the name under which it runs; empty in a thread of its own."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "<module>" and code.co_filename[:1] != "<":
            return os.path.basename(code.co_filename), str(frame.f_globals.get("__name__"))
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
    return "", ""


def sentence(note: Note, file: str = "") -> str:
    """What was refused, and the way out; file: that of the module which was to be imported."""
    script, ran_as, name = note
    if ran_as == "__main__" and file:
        what = f"{file} starts {script}, which calls {name},"
    else:
        what = f"{script or file or 'a module'} calls {name}"
    return f"{what} {WAY_OUT}"


# ---------------------------------------------------------------- in a process of its own


def _leave(note: Note) -> None:
    """Leave a note in the folder of the question, which may be gone already."""
    line = "\t".join(" ".join(text.split()) for text in note) + "\n"
    try:
        with open(os.path.join(os.environ[ASKED], _NOTES), "ab", buffering=0) as file:
            file.write(line.encode("utf-8", "backslashreplace"))
    except (KeyError, OSError):
        return


def notes_in(folder: str) -> list[Note]:
    """What was refused so far, by any process of the question in this folder."""
    try:
        with open(os.path.join(folder, _NOTES), encoding="utf-8") as file:
            rows = [tuple(line.rstrip("\n").split("\t")) for line in file]
    except OSError:
        return []
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]


# ---------------------------------------------------------------- in the user's process


class refusing:  # noqa: N801 - reads as a verb: with refusing(session)
    """Cached calls of this thread that would run are refused meanwhile; ``as`` gives the list of their notes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.thread = get_ident()

    def __enter__(self) -> list[Note]:
        self._before = self.session.refusing.get(self.thread)
        told: list[Note] = []
        self.session.refusing[self.thread] = told
        return told

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._before is None:
            del self.session.refusing[self.thread]
        else:
            self.session.refusing[self.thread] = self._before


def import_refusing(session: Session, module: str) -> ModuleType:
    """Import a module without running its cached calls; RefusedCallError if it makes one that would run.

    A module that goes on without the result is not kept: what it holds is not what the program would have. It is not
    tried again for each of its functions.
    """
    from importlib import import_module

    if module in session.refused:
        raise RefusedCallError(session.refused[module])
    with refusing(session) as told:
        try:
            made = import_module(module)
        finally:
            if told:
                session.refused[module] = sentence(told[0])
    if told:
        sys.modules.pop(module, None)
        raise RefusedCallError(session.refused[module])
    return made
