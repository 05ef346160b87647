"""The files of one body, as they were seen to be opened, listed, looked for and written while it ran.

All is noted by the absolute path, with the name that was given.  What it comes to is told when the body has ended (see
`settled_files`).
"""

from __future__ import annotations

import os
import stat

from cachepy.calls.file_events import events, is_young, stat_of, stat_of_open
from cachepy.calls.ignored_files import LOCKS, fits, ignored
from cachepy.core.frame import working_dir
from cachepy.core.kind import is_address
from cachepy.core.kinds import FAR_KINDS, LEFT, PASSED, PATHS, absolute
from cachepy.core.model import Dep
from cachepy.store.listings import named, names_in
from cachepy.store.stat_cache import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any

    from cachepy.core.frame import Frame
    from cachepy.core.model import Event
    from cachepy.store.files import Files

    Names = list[str] | None


class SeenFiles:
    """What was seen of the files of one body.

    opened: name, identity when it was opened, digest if its times could not tell a change; openers: whose code opened
    it; looked: name, what was there; listed, matched: name, names; both, named: name, state before it was opened for
    reading and writing, or a program was told of it; written, rewritten: name; made, wanted: folders that were made, or
    were there; added: files that were only added to; below: what calls below wrote, with the digest, if that is part of
    what they gave; deeper: calls below those that wrote something; told: deps of files that were opened; asked: sources
    of which nothing can be digested, as hosts; far: deps of what lies at addresses, as it was when it was reached.
    """

    __slots__ = (
        "_places", "_skips", "added", "asked", "below", "both", "deeper", "files", "folders", "frame", "is_blind",
        "far", "far_names", "listed", "looked", "made", "matched", "named", "opened", "openers", "removed", "rewritten",
        "temporary", "told", "wanted", "written",
    )  # fmt: skip

    def __init__(self, frame: Frame, files: Files, skips: Iterable[str], *, is_blind: bool) -> None:
        self.frame = frame
        self.files = files
        self.is_blind = is_blind
        self._skips = tuple(skips)
        self._places: dict[tuple[str, str], str | None] = {}
        self.opened: dict[str, tuple[str, Any, str | None]] = {}
        self.openers: dict[str, CodeType | None] = {}
        self.looked: dict[str, tuple[str, str | None]] = {}
        self.listed: dict[str, tuple[str, Names]] = {}
        self.matched: dict[str, tuple[str, Names]] = {}
        self.both: dict[str, tuple[str, Any]] = {}
        self.named: dict[str, tuple[str, Any]] = {}
        self.written: dict[str, str] = {}
        self.rewritten: dict[str, str] = {}
        self.temporary = set[str]()
        self.made = set[str]()
        self.wanted = set[str]()
        self.removed = set[str]()
        self.added = set[str]()
        self.below: dict[str, str | None] = {}
        self.deeper: list[tuple[str, str | None]] = []
        self.folders = set[str]()  # of what was written
        self.told: dict[str, Dep] = {}
        self.asked: dict[str, None] = {}
        self.far: dict[tuple[str, str], Dep] = {}
        self.far_names: dict[tuple[str, str], str | None] = {}

    # -- what is told while it runs (see `file_events.Sight`)

    def read(self, path: str, opened: Any = None) -> None:
        place = self._place(path)
        if place is None or place in self.opened or place in self.written or self.is_temporary(place):
            return
        if ignored.is_setting(place) and not events.is_asked_by_user():
            return
        found = stat_of_open(place, opened)
        if found is not None and stat.S_ISREG(found.st_mode):
            digest = self._digest(place) if is_young(found) else None
            self.opened[place] = self._name(path, place), identity_of(found), digest
            self.openers[place] = events.asking()
        elif found is not None and stat.S_ISDIR(found.st_mode) and opened is None:
            self.name(path)  # a library reads all that is in it, or nobody knows what

    def write(self, path: str, *, is_temporary: bool = False) -> None:
        place = self._place(path)
        if place is None:
            return
        if is_temporary:
            self.temporary.add(place)
        elif place.endswith(LOCKS):
            self.added.add(place)
        elif place in self.opened:
            self.rewritten[place] = self._name(path, place)
        else:
            self.written[place] = self._name(path, place)
            self.added.discard(place)
        self.removed.discard(place)

    def rewrite(self, path: str, *, appends: bool = False, before: Any = None) -> None:
        place = self._place(path)
        if place is None or place in self.written or self.is_temporary(place):
            return
        if appends or place.endswith(LOCKS):
            self.added.add(place)
        elif place not in self.both:
            self.both[place] = self._name(path, place), self._state(place, before)

    def move(self, old: str, new: str) -> None:
        source, target = self._place(old), self._place(new)
        if source is not None:
            if self.written.pop(source, None) is None and not self.is_temporary(source):
                self.removed.add(source)
            for each in [each for each in self.written if each.startswith(source + os.sep)]:
                del self.written[each]  # a folder with what is in it
                self.write(os.path.join(new, each[len(source) + 1 :]))
        if target is not None and not os.path.isdir(target):
            self.write(new)

    def remove(self, path: str) -> None:
        place = self._place(path)
        if place is not None and self.written.pop(place, None) is None:
            self.removed.add(place)

    def make_folder(self, path: str, *, is_new: bool, is_temporary: bool) -> None:
        place = self._place(path)
        if place is not None:
            (self.temporary if is_temporary else self.made if is_new else self.wanted).add(place)

    def look(self, path: str, found: str | None) -> None:
        place = self._place(path)
        if place is None or self.is_own(place):
            return
        known = self.looked.get(place)
        if known is None or len(found or "") > len(known[1] or ""):  # with its size, or what a link says: that is more
            self.looked[place] = self._name(path, place), found

    def list(self, folder: str) -> None:
        place = self._place(folder)
        if place is not None and place not in self.listed and place not in self.made and not self.is_temporary(place):
            with events.aside():
                self.listed[place] = self._name(folder, place), names_in(place)

    def match(self, pattern: str) -> None:
        place = self._place(pattern)
        if place is not None and place not in self.matched and not self.is_temporary(place):
            with events.aside():
                self.matched[place] = self._name(pattern, place), named(place)

    def declare(self, path: str) -> None:
        """It is an output, whoever wrote it, if it is there now."""
        if is_address(path):
            self.written.setdefault(path, path)
            return
        place = absolute(self.frame.cwd, path)
        found = stat_of(place)
        if found is not None:
            self.written.setdefault(place, path)
            self.opened.pop(place, None)
            if stat.S_ISDIR(found.st_mode):
                self.folders.add(place)

    def name(self, path: str) -> None:
        place = self._place(path)
        if place is None or place in self.named or self.is_own(place):
            return
        self.named[place] = self._name(path, place), self._state(place, stat_of(place))

    def reach(self, how: str, address: str, fs: Any) -> None:
        if self.frame.closed or fits(address, address, self._skips):
            return
        if how == "write":
            (self.rewritten if ("read", address) in self.far else self.written)[address] = address
            self.removed.discard(address)
        elif how == "remove":
            if self.written.pop(address, None) is None:
                self.removed.add(address)
        elif (how, address) not in self.far and not self.is_own(address):
            with events.aside():
                self.files.far.learn(address, fs)
                if how in ("list", "match"):
                    listing = self.far_names[how, address] = self.files.far.listing(address)
                    self.far[how, address] = Dep(FAR_KINDS[how], address, self.files.far.digest_of(listing))
                else:
                    self.far[how, address] = self.files.far.dep(how, address)

    def ask(self, source: str) -> None:
        self.asked[source] = None

    def _state(self, place: str, found: os.stat_result | None) -> Any:
        """What differs if it is written to."""
        if found is None:
            return None
        return self._digest(place) if stat.S_ISDIR(found.st_mode) else identity_of(found)

    def _digest(self, place: str) -> str | None:
        with events.aside():
            return self.files.digest(place)

    def is_blank(self) -> bool:
        """Whether nothing was told."""
        return not self._places and not self.below and not self.written and not self.far

    # -- of the calls below

    def note_below(self, event: Event) -> None:
        """What they left is no input of this body because an argument names it."""
        paths = {dep.name for dep in event.trace.deps if dep.kind in PATHS}
        for dep in event.trace.deps:
            if dep.kind in LEFT and dep.name not in paths:
                self.deeper.append((dep.name, dep.digest))
            elif dep.kind in LEFT or (dep.kind in PASSED and absolute(event.cwd, dep.name) not in self.below):
                self.below[absolute(event.cwd, dep.name)] = dep.digest

    def look_deeper(self, events: Callable[[str], Iterable[Event]]) -> None:
        """The same of the calls below these that left something; events: the stored runs of a call."""
        while self.deeper:
            call, effect = self.deeper.pop()
            for event in [each for each in events(call) if each.trace.effect == effect][:1]:
                self.note_below(event)

    def left(self) -> set[str]:
        """What this body and the calls below it wrote."""
        return {*self.written, *self.rewritten, *self.added, *self.below}

    # -- paths

    def _place(self, path: str) -> str | None:
        """Where a path leads; None if that does not count."""
        if self.frame.closed or "\0" in path or not path:
            return None
        cwd = "" if path[0] == os.sep else working_dir()
        try:
            return self._places[cwd, path]
        except KeyError:
            place = absolute(cwd, path)
            is_out = not os.path.isabs(place) or ignored.ignores(place) or fits(place, path, self._skips)
            self._places[cwd, path] = found = None if is_out else place
            return found

    def _name(self, path: str, place: str) -> str:
        """As it was given, if it means the same from where the body began."""
        return path if os.path.isabs(path) or working_dir() == self.frame.cwd else place

    def is_temporary(self, place: str) -> bool:
        """Whether it was made by `tempfile`, or lies in a folder that was."""
        inside = [each for each in list(self.temporary) if place.startswith(each)]
        return any(len(place) == len(each) or place[len(each)] == os.sep for each in inside)

    def is_own(self, place: str) -> bool:
        """Whether it is there, or not, because of this body."""
        kinds = (self.written, self.made, self.wanted, self.removed, self.added, self.rewritten)
        return any(place in each for each in kinds) or self.is_temporary(place)
