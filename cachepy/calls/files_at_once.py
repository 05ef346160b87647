"""The files of a caller that runs elsewhere, or cannot be told for sure: each counts as it is when it is opened."""

from __future__ import annotations

import os
from itertools import islice

from cachepy.calls.ignored_files import ignored
from cachepy.core.frame import working_dir
from cachepy.core.kinds import FAR_KINDS, absolute
from cachepy.core.model import ABSENT_PATH, FILE, LISTED, MATCHED, PASSED_ON, UNSEEN_SOURCE, Dep
from cachepy.store.listings import digest_of_listing, digest_of_names, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.core.frame import Caller
    from cachepy.store.files import Files

WROTE_HERE = "wrote"  # the digest of a mark by which the caller hears of it
_MOST = 10_000  # paths


class FilesAtOnce:
    """Tells a caller of files (see `file_events.Sight`); own: what this process wrote, which is no input."""

    def __init__(self, frame: Caller, files: Files, own: dict[str, None]) -> None:
        self._frame = frame
        self._files = files
        self._own = own

    def read(self, path: str, opened: Any = None) -> None:
        place = self._place(path)
        if place is not None and os.path.isfile(place):
            self._frame.add(Dep(FILE, place, self._files.digest(place)))

    def write(self, path: str, *, is_temporary: bool = False) -> None:
        place = self._place(path)
        self._note(path)
        if place is not None and not is_temporary:
            self._frame.add(Dep(PASSED_ON, place, WROTE_HERE))

    def _note(self, path: str) -> None:
        self._own[absolute(working_dir(), path)] = None
        if len(self._own) > _MOST:
            for each in list(islice(self._own, _MOST // 2)):
                self._own.pop(each, None)

    def rewrite(self, path: str, *, appends: bool = False, before: Any = None) -> None:
        self._note(path)

    def move(self, old: str, new: str) -> None:
        self.write(new)

    def remove(self, path: str) -> None:
        self._note(path)

    def make_folder(self, path: str, *, is_new: bool, is_temporary: bool) -> None:
        if is_new:
            self._note(path)

    def look(self, path: str, found: str | None) -> None:
        place = self._place(path)
        if place is not None and found is None:
            self._frame.add(Dep(ABSENT_PATH, place, None))

    def list(self, folder: str) -> None:
        place = self._place(folder)
        if place is not None:
            self._frame.add(Dep(LISTED, place, digest_of_listing(place)))

    def match(self, pattern: str) -> None:
        place = self._place(pattern)
        found = None if place is None else named(place)
        if place is not None and found is not None:
            self._frame.add(Dep(MATCHED, place, digest_of_names(found, place)))

    def name(self, path: str) -> None:
        self.read(path)

    def reach(self, how: str, address: str, fs: Any) -> None:
        if how == "write":
            self._own[address] = None
            self._frame.add(Dep(PASSED_ON, address, WROTE_HERE))
        elif how in FAR_KINDS and address not in self._own:
            self._files.far.learn(address, fs)
            self._frame.add(self._files.far.dep(how, address))

    def ask(self, source: str) -> None:
        self._frame.add(Dep(UNSEEN_SOURCE, source, None))

    def _place(self, path: str) -> str | None:
        """Where a path leads; None if that does not count, or is of this process's own making."""
        place = absolute(working_dir(), path)
        above = place
        while above not in self._own and len(above) > 1:
            above = os.path.dirname(above)
        return None if above in self._own or ignored.ignores(place) else place
