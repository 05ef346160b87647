"""The files of one body, as they were seen to be opened: what it read counts, what it wrote is an output.

A file counts with the content that it had when it was opened; it is digested when the body has ended, if it is then
what it was, and at once where its times could not tell.  What the body wrote is no input, whoever named it, and what it
looked for and then made is none either.  A file that it read and then wrote in its place, or that it only added to,
is neither: its content is never what a run found.
"""

from __future__ import annotations

import os

from cachepy.calls.file_events import events, stat_of
from cachepy.calls.ignored_files import IgnoredFiles, fits
from cachepy.core.bodies import bodies
from cachepy.core.frame import Frame, working_dir
from cachepy.core.kinds import LEFT, PASSED, PATHS, absolute
from cachepy.core.model import ABSENT_PATH, FILE, LISTED, MATCHED, PASSED_ON, PRESENT, Dep
from cachepy.errors import RewrittenFileWarning
from cachepy.store.listings import digest_of_names, fixed_part, named, names_in
from cachepy.store.stat_cache import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from cachepy.calls.file_events import Sight
    from cachepy.calls.function import Function
    from cachepy.calls.state import State
    from cachepy.core.frame import Caller
    from cachepy.core.model import Event

ignored = IgnoredFiles()
_UNKNOWN = object()  # the identity of what was opened by code that is not written in Python


class SeenFiles:
    """What was seen of the files of one body.

    frame: the body; below: what calls below it wrote. All paths are absolute, with the name that was given.
    """

    __slots__ = (
        "_both", "_fname", "_looked", "_matched", "_listed", "_read", "_session", "_skips", "_temporary", "added",
        "below", "frame", "is_blind", "made", "outputs", "removed", "rewritten", "written",
    )  # fmt: skip

    def __init__(self, session: State, frame: Frame, call: Function) -> None:
        self._session = session
        self._fname = call.fname
        self._skips = call.options.ignore_files
        self.frame = frame
        self.is_blind = not call.options.observe
        self._read: dict[str, tuple[str, Any, str | None]] = {}  # name, identity when it was opened; its digest if young
        self._looked: dict[str, tuple[str, str | None]] = {}  # name, what was there
        self._listed: dict[str, tuple[str, list[str] | None]] = {}
        self._matched: dict[str, tuple[str, list[str] | None]] = {}
        self._both: dict[str, tuple[str, Any]] = {}  # name, identity before it was opened
        self._temporary = set[str]()
        self.written: dict[str, str] = {}
        self.made = set[str]()  # folders
        self.removed = set[str]()
        self.added = set[str]()  # files that were only added to
        self.rewritten: dict[str, str] = {}
        self.below = set[str]()
        self.outputs: list[str] = []

    # -- what is told while it runs

    def read(self, path: str, *, is_young: bool = False, stat: Any = None) -> None:
        place = self._place(path)
        if place is None or place in self._read or place in self.written or self._is_temporary(place):
            return
        found = stat_of(place) if stat is None else stat
        if stat is None and found is not None and found.st_mode & 0o170000 == 0o040000:
            self.list(path)  # a folder of parts: who reads it says which
            return
        identity = None if found is None else identity_of(found)
        self._read[place] = self._name(path, place), identity, self._session.files.digest(place) if is_young else None

    def write(self, path: str, *, is_temporary: bool = False) -> None:
        place = self._place(path)
        if place is None:
            return
        if is_temporary:
            self._temporary.add(place)
        elif place in self._read and place not in self.written:
            self.rewritten[place] = self._name(path, place)
        else:
            self.written[place] = self._name(path, place)
            self.added.discard(place)
        self.removed.discard(place)

    def rewrite(self, path: str, *, appends: bool = False, stat: Any = None) -> None:
        place = self._place(path)
        if place is None or place in self.written or self._is_temporary(place):
            return
        if appends:
            self.added.add(place)
        elif place not in self._both:
            self._both[place] = self._name(path, place), None if stat is None else identity_of(stat)

    def move(self, old: str, new: str) -> None:
        source = self._place(old)
        target = self._place(new)
        if source is not None and self.written.pop(source, None) is None and not self._is_temporary(source):
            self.removed.add(source)
        for each in [each for each in self.written if source is not None and each.startswith(source + os.sep)]:
            del self.written[each]  # a folder with what is in it
            if target is not None:
                self.write(target + each[len(source or "") :])
        if target is not None and not os.path.isdir(target):
            self.write(new)

    def remove(self, path: str) -> None:
        place = self._place(path)
        if place is not None and self.written.pop(place, None) is None:
            self.removed.add(place)

    def make_folder(self, path: str, *, is_temporary: bool = False) -> None:
        place = self._place(path)
        if place is not None:
            (self._temporary if is_temporary else self.made).add(place)

    def look(self, path: str, found: str | None) -> None:
        place = self._place(path)
        if place is None or self._is_own(place):
            return
        known = self._looked.get(place)
        if known is None or len(found or "") > len(known[1] or ""):  # with its size: that says more
            self._looked[place] = self._name(path, place), found

    def list(self, folder: str) -> None:
        place = self._place(folder)
        if place is not None and place not in self._listed and not self._is_temporary(place) and place not in self.made:
            self._listed[place] = self._name(folder, place), names_in(place)

    def match(self, pattern: str) -> None:
        place = self._place(pattern)
        if place is not None and place not in self._matched and not self._is_temporary(place):
            self._matched[place] = self._name(pattern, place), named(place)

    # -- paths

    def _place(self, path: str) -> str | None:
        """Where a path leads; None if that does not count."""
        if self.is_blind or self.frame.closed or "\0" in path or not path:
            return None
        place = absolute("" if path[0] == os.sep else working_dir(), path)
        if place[:1] != os.sep and not os.path.isabs(place):
            return None
        return None if ignored.ignores(place) or (self._skips and fits(place, path, self._skips)) else place

    def _name(self, path: str, place: str) -> str:
        """As it was given, if it means the same from where the body began."""
        return path if os.path.isabs(path) or working_dir() == self.frame.cwd else place

    def _is_temporary(self, place: str) -> bool:
        return bool(self._temporary) and any(
            place == each or place.startswith(each + os.sep) for each in list(self._temporary)
        )

    def _is_own(self, place: str) -> bool:
        """Whether it is there, or not, because of this body."""
        return (
            place in self.written or place in self.made or place in self.removed or place in self.added
            or place in self.rewritten or self._is_temporary(place)
        )  # fmt: skip

    def _is_changed_by_run(self, place: str) -> bool:
        return place in self.below or self._is_own(place)

    # -- when the body has ended

    def settle(self, arg_files: Mapping[str, str]) -> None:
        """Tell the frame what counts; it has to be open still. arg_files: paths that arguments named."""
        self._settle_both()
        self._keep_written()
        if self.written or self.below or self.rewritten or self.added:
            self._drop_arguments(arg_files)
        self._add_outputs()
        self._add_inputs()
        for place, name in self.rewritten.items():
            self._warn(place, name)

    def _settle_both(self) -> None:
        """What was opened for reading and writing: written, if it is not what it was."""
        for place, (name, before) in self._both.items():
            found = stat_of(place)
            if found is None or place in self.written:
                continue
            if before is None:
                self.written[place] = name
            elif identity_of(found) == before:
                self._read.setdefault(place, (name, before, None))
            else:
                self.rewritten[place] = name

    def _keep_written(self) -> None:
        """What is gone again, or is no file, was for the moment only."""
        for place in list(self.written):
            if self._is_temporary(place) or not os.path.isfile(place):
                self.removed.add(place)
                del self.written[place]

    def _drop_arguments(self, arg_files: Mapping[str, str]) -> None:
        """A path that an argument names is no input if this body, or a call below it, writes there."""
        deps = self.frame.deps
        cwd = self.frame.cwd
        own = {*self.written, *self.rewritten, *self.added}
        for name in arg_files:
            place = absolute(cwd, name)
            inside = place + os.sep
            is_own = place in own or any(each.startswith(inside) for each in own)
            if is_own or place in self.below or any(each.startswith(inside) for each in self.below):
                for kind in (FILE, ABSENT_PATH):
                    deps.pop((kind, name), None)
                if not is_own or place not in own:
                    self.frame.add(Dep(PASSED_ON, name, None))

    def _add_outputs(self) -> None:
        for place, name in self.written.items():
            digest = self._session.files.digest(place)
            self.frame.deps.pop((ABSENT_PATH, name), None)
            self.frame.add(Dep(FILE, name, digest))
            self.outputs.append(name)

    def _add_inputs(self) -> None:
        for place, (name, identity, digest) in list(self._read.items()):
            if place in self.rewritten or place in self.written:
                self.frame.deps.pop((FILE, name), None) if place in self.rewritten else None
                continue
            found = stat_of(place)
            now = self._session.files.digest(place)
            if (None if found is None else identity_of(found)) != identity or (digest or now) != now:
                if place not in self.removed:
                    self.frame.changed.append(name)
                continue
            self.frame.add(Dep(FILE, name, now))
        for place, (name, there) in list(self._looked.items()):
            if place not in self._read and not self._is_changed_by_run(place) and not self._holds_own(place, there):
                self.frame.add(Dep(PRESENT if there is not None else ABSENT_PATH, name, there))
        for place, (name, names) in list(self._listed.items()):
            self._add_names(LISTED, name, names, names_in(place), place + os.sep)
        for place, (name, paths) in list(self._matched.items()):
            self._add_names(MATCHED, name, paths, named(place), "")

    def _holds_own(self, place: str, there: str | None) -> bool:
        """Whether a folder was missing that is there because of what was made in it."""
        return there is None and any(each.startswith(place + os.sep) for each in (*self.made, *self.written, *self.below))

    def _add_names(self, kind: str, name: str, before: Any, now: Any, base: str) -> None:
        """Names that were seen; those that came or went by this run, or calls below it, are no change."""
        if before is None or now is None:
            digest = None if kind == LISTED else "too many"
        else:
            moved = {base + each for each in {*before} ^ {*now}}
            if not all(map(self._is_changed_by_run, moved)) and not all(map(self._holds_run, moved)):
                self.frame.changed.append(name)
            cut = "" if kind == LISTED else fixed_part(absolute(self.frame.cwd, name))
            digest = digest_of_names(now, cut)
        self.frame.add(Dep(kind, name, digest))

    def _holds_run(self, place: str) -> bool:
        inside = place + os.sep
        return self._is_changed_by_run(place) or any(
            each.startswith(inside) for each in (*self.written, *self.made, *self.below)
        )

    def _warn(self, place: str, name: str) -> None:
        self._session.warn(
            RewrittenFileWarning,
            f"{self._fname} reads {name!r} and writes it anew, so that file counts neither as its input nor as its "
            f"output: a change of it goes unseen. Write another file, or say ignore_files=[{os.path.basename(name)!r}] "
            f"if it does not matter",
            self._fname,
            place,
        )

    # -- of the calls below, and for the caller

    def note_below(self, event: Event) -> None:
        """What they left is no input of this body because an argument names it."""
        paths = {dep.name for dep in event.trace.deps if dep.kind in PATHS}
        left = (d.name for d in event.trace.deps if d.kind in PASSED or (d.kind in LEFT and d.name in paths))
        self.below.update(absolute(event.cwd, name) for name in left)

    def left(self) -> set[str]:
        """What this body and the calls below it wrote."""
        return {*self.written, *self.rewritten, *self.added, *self.below}


class AtOnce:
    """The files of a caller that runs elsewhere, or is one of several: each counts as it is when it is opened."""

    def __init__(self, session: State, frame: Caller) -> None:
        self._session = session
        self._frame = frame

    def read(self, path: str, *, is_young: bool = False, stat: Any = None) -> None:
        place = self._place(path)
        if place is not None and place not in events.written:
            self._frame.add(Dep(FILE, place, self._session.files.digest(place)))

    def write(self, path: str, *, is_temporary: bool = False) -> None:
        place = self._place(path)
        if place is not None:
            events.written.add(place)

    def rewrite(self, path: str, *, appends: bool = False, stat: Any = None) -> None:
        self.write(path)

    def move(self, old: str, new: str) -> None:
        self.write(new)

    def remove(self, path: str) -> None:
        self.write(path)

    def make_folder(self, path: str, *, is_temporary: bool = False) -> None:
        self.write(path)

    def look(self, path: str, found: str | None) -> None:
        place = self._place(path)
        if place is not None and place not in events.written and found is None:
            self._frame.add(Dep(ABSENT_PATH, place, None))

    def list(self, folder: str) -> None:
        place = self._place(folder)
        if place is not None:
            self._frame.add(Dep(LISTED, place, digest_of_names(names_in(place))))

    def match(self, pattern: str) -> None:
        place = self._place(pattern)
        found = named(place) if place is not None else None
        if place is not None and found is not None:
            self._frame.add(Dep(MATCHED, place, digest_of_names(found, fixed_part(place))))

    def _place(self, path: str) -> str | None:
        place = os.path.abspath(path)
        return None if ignored.ignores(place) else place


def sight_of(frame: Caller) -> Sight | None:
    """Who notes the files of a caller."""
    body = bodies.get(id(frame))
    seen = None if body is None else body.seen
    if isinstance(seen, SeenFiles):
        return None if seen.is_blind else seen
    if isinstance(frame, Frame):
        return None
    from cachepy.calls.state import current_session

    return AtOnce(current_session(), frame)


def watched_files(session: State, call: Function, frame: Frame) -> SeenFiles | None:
    """Begin to note the files of a body; None if nobody wants to know."""
    if not call.options.observe and not events.is_on:
        return None
    events.start()
    seen = SeenFiles(session, frame, call)
    bodies[id(frame)].seen = seen
    return seen


def hand_on(seen: SeenFiles | None, parent: Any) -> None:
    """A body ended without an event: its caller takes over what it wrote."""
    body = bodies.get(id(parent)) if seen is not None else None
    above = None if body is None else body.seen
    if seen is not None and isinstance(above, SeenFiles):
        above.below |= seen.left()


def outputs_of(seen: SeenFiles | None) -> Iterable[str]:
    """The names of the files that a body was seen to write."""
    return () if seen is None else seen.outputs
