"""What the files of a body come to when it has ended: its inputs and its outputs.

A file counts with the content that it had when it was opened: it is digested now, if it still is what it was, and was
digested at once where its times could not tell.  What the body wrote is no input, whoever named it, and what it looked
for and then made is none either; nor is what a call below left, as long as it is read as that left it.  A file that it
read and then wrote in its place, or only added to, is neither: no run would find it as it is.
"""

from __future__ import annotations

import os
import stat

from cachepy.calls.file_events import stat_of
from cachepy.calls.files_at_once import WROTE_HERE
from cachepy.core.kind import is_address, is_unasked
from cachepy.core.kinds import FILES, PASSED, PATHS, SINGLE, absolute
from cachepy.core.model import ABSENT_PATH, FILE, LISTED, MATCHED, PASSED_ON, PRESENT, Dep
from cachepy.store.listings import LINK, digest_of_names, named, names_in
from cachepy.store.patterns import TOO_MANY
from cachepy.store.stat_cache import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from cachepy.calls.seen_files import Names, SeenFiles


class SettledFiles:
    """Tells the frame of a body, which has to be open still, what was seen of its files."""

    def __init__(self, seen: SeenFiles) -> None:
        self._seen = seen
        self._frame = seen.frame
        self._around = set[str]()  # the folders above all that is there because of this run

    def settle(self, arg_files: Mapping[str, str]) -> None:
        """Tell it; arg_files: the paths that arguments named."""
        seen = self._seen
        self._take_from_elsewhere()
        if seen.is_blank():
            return
        self._sort_both()
        self._sort_named()
        self._drop_momentary()
        self._around = _above((*seen.written, *seen.made, *seen.below))
        self._drop_arguments(arg_files)
        for place, name in seen.written.items():
            self._frame.deps.pop((ABSENT_PATH, name), None)
            self._frame.add(Dep(FILE, name, seen.files.digest(place)))
        self._add_opened()
        self._add_far()
        self._add_looked()
        self._add_listed()

    # -- what was written

    def _take_from_elsewhere(self) -> None:
        """Files that other processes wrote for this body (see `files_at_once`)."""
        seen, deps = self._seen, self._frame.deps
        for name in [name for kind, name in deps if kind in PASSED and deps[kind, name] == WROTE_HERE]:
            del deps[PASSED_ON, name]
            seen.below.setdefault(name, None)
            if os.path.isfile(name) and name not in seen.opened:
                seen.written.setdefault(name, name)

    def _sort_both(self) -> None:
        """What was opened for reading and writing: an input if it is what it was, an output if it was not there."""
        seen = self._seen
        for place, (name, before) in seen.both.items():
            found = stat_of(place)
            if found is None or place in seen.written:
                continue
            if stat.S_ISDIR(found.st_mode):
                self._sort_folder(place, name, before)
            elif before is None:
                seen.written[place] = name
            elif identity_of(found) == before:
                seen.opened.setdefault(place, (name, before, None))
            else:
                seen.rewritten[place] = name

    def _sort_folder(self, place: str, name: str, before: object) -> None:
        """One that a library opened for both; what is in it may have been written past Python."""
        seen = self._seen
        if seen.files.digest(place) != before:
            seen.written[place] = name
            seen.folders.add(place)
        elif isinstance(before, str):
            self._frame.add(Dep(FILE, name, before))

    def _sort_named(self) -> None:
        """What a program was told of: an output if it is not what it was, unless the body had read it before."""
        seen = self._seen
        for place, (name, before) in seen.named.items():
            found = stat_of(place)
            if place in seen.written or seen.is_own(place):
                continue
            if found is None:
                if before is None:  # a text perhaps; if it is a file one day, that may be read
                    seen.looked.setdefault(place, (name, None))
            elif stat.S_ISDIR(found.st_mode):
                if before is not None and seen.files.digest(place) == before:
                    self._frame.add(Dep(FILE, name, before))
            elif identity_of(found) == before:
                seen.opened.setdefault(place, (name, before, None))
            elif place in seen.opened and seen.opened[place][1] == before:
                seen.rewritten[place] = name
            else:
                seen.written[place] = name  # if the body read it, that was afterwards

    def _drop_momentary(self) -> None:
        """What is gone again, or is no file, is no output."""
        seen = self._seen
        gone = (
            p for p in list(seen.written) if not os.path.isfile(p) and p not in seen.folders and not is_address(p)
        )
        for place in [*gone, *filter(seen.is_temporary, list(seen.written))]:
            seen.removed.add(place)
            seen.written.pop(place, None)

    def _drop_arguments(self, arg_files: Mapping[str, str]) -> None:
        """A path that an argument names is no input if this body, or a call below it, writes there, or in it."""
        own = {*self._seen.written, *self._seen.rewritten, *self._seen.added}
        wrote = own | self._seen.below.keys()
        wrote |= _above(wrote)
        for name in arg_files if wrote else ():
            place = absolute(self._frame.cwd, name)
            if place in wrote:
                for kind in SINGLE:
                    self._frame.deps.pop((kind, name), None)
                if place not in own:
                    self._frame.add(Dep(PASSED_ON, name, None))

    # -- what was read

    def _add_opened(self) -> None:
        seen = self._seen
        for place, (name, identity, digest) in list(seen.opened.items()):
            if place in seen.rewritten:
                self._frame.deps.pop((FILE, name), None)
            elif place not in seen.written:
                found = stat_of(place)
                if found is not None and identity_of(found) == identity:  # that the content stayed is looked at later
                    now = digest or seen.files.digest(place)
                    if seen.below.get(place) != now:  # else a call below gave it, and this one goes by what that gives
                        seen.told[place] = Dep(FILE, name, now)
                        self._frame.add(seen.told[place])
                elif place not in seen.removed:
                    self._frame.changed.append(name)

    def _add_far(self) -> None:
        """What lies at addresses; names that came or went by this run count as they are now."""
        seen = self._seen
        for (how, address), dep in seen.far.items():
            if how == "read":
                if address in seen.rewritten:
                    self._frame.deps.pop((FILE, address), None)
                elif address not in seen.written and seen.below.get(address, "") != dep.digest:
                    if is_unasked(self._frame.deps.get((FILE, address))):  # the body knew how
                        del self._frame.deps[FILE, address]
                    self._frame.add(dep)
            elif how == "look":
                if ("read", address) not in seen.far and not self._has_below(address):
                    self._frame.add(dep)
            else:
                self._frame.add(self._of_now(how, dep))

    def _of_now(self, how: str, dep: Dep) -> Dep:
        """Names as they were seen, but for those that this run made or removed."""
        far = self._seen.files.far
        if not self._has_below(far.folder_of(dep.name)):
            return dep
        listings = self._seen.far_names[how, dep.name], far.listing(dep.name)
        before, now = ({*(each or "").split("\0")} for each in listings)
        if not all(map(self._has_below, (before ^ now) - {""})):
            self._frame.changed.append(dep.name)
        return far.dep(how, dep.name)

    def _has_below(self, start: str) -> bool:
        """Whether there is something, or no longer, by this run, at addresses that begin so."""
        places = (*self._seen.written, *self._seen.below, *self._seen.removed, *self._seen.rewritten)
        return any(each.startswith(start) for each in places)

    def _add_looked(self) -> None:
        seen = self._seen
        known = self._places_of(FILES) if seen.looked else ()
        for place, (name, there) in list(seen.looked.items()):
            if (place in known and not (there or "").startswith(LINK)) or self._is_of_run(place):
                continue
            self._frame.add(Dep(ABSENT_PATH if there is None else PRESENT, name, there))

    def _add_listed(self) -> None:
        """Names in folders and of patterns, where not all that they mean counts anyway."""
        seen = self._seen
        known = self._places_of(FILES) if seen.listed else ()
        for place, (name, names) in list(seen.listed.items()):
            if place not in known:
                self._add_names(Dep(LISTED, name, None), names, names_in(place), base=place + os.sep)
        known = self._places_of(PATHS - SINGLE) if seen.matched else ()
        for place, (name, paths) in list(seen.matched.items()):
            if place not in known:
                self._add_names(Dep(MATCHED, name, TOO_MANY), paths, named(place), pattern=place)

    def _places_of(self, kinds: Container[str]) -> set[str]:
        """The paths of all deps of some kinds."""
        return {absolute(self._frame.cwd, name) for kind, name in self._frame.deps if kind in kinds}

    def _add_names(self, dep: Dep, before: Names, now: Names, *, base: str = "", pattern: str = "") -> None:
        """Names that were seen; those that came or went by this run, or by calls below it, are no change.

        dep: as it is where names cannot be told; base: what makes paths of them; pattern: what means them.
        """
        if before is None or now is None:
            self._frame.add(dep)
            return
        if not all(self._is_of_run(base + each) for each in {*before} ^ {*now}):
            self._frame.changed.append(dep.name)
        self._frame.add(Dep(dep.kind, dep.name, digest_of_names(now, pattern)))

    def _is_of_run(self, place: str) -> bool:
        """Whether it is there, or not, because of this run."""
        return place in self._seen.below or place in self._around or self._seen.is_own(place)


def _above(places: Iterable[str]) -> set[str]:
    """All folders that some paths lie in, at any depth, but for the topmost."""
    found = set[str]()
    for place in places:
        folder = os.path.dirname(place)
        while folder not in found and folder != os.path.dirname(folder):
            found.add(folder)
            folder = os.path.dirname(folder)
    return found
