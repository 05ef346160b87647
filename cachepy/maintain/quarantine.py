"""Puts broken files of a cache directory aside, into ``broken/<time>/``, and takes care never to lose one."""

from __future__ import annotations

import os
import time

from cachepy.core.model import Item
from cachepy.maintain.inspect import stamp_of
from cachepy.store.fs import hard_link, mark
from cachepy.store.layout import BROKEN
from cachepy.store.trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.store.entryfile import Stamp


class Moved(Item):
    """A broken file that `cache_repair` put aside.

    Attributes
    ----------
    path : str
        Where it was.
    to : str
        Where it is now.
    why : str
        What is wrong with it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_repair
    >>> @cache_file("cache")
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> entry, = Path("cache").rglob("double-*.entry")
    >>> _ = entry.write_bytes(entry.read_bytes()[:-9])
    >>> moved, = cache_repair("cache").moved
    >>> Path(moved.path) == entry.resolve(), Path(moved.to).exists()
    (True, True)
    """

    __slots__ = ("path", "to", "why")
    path: str
    to: str
    why: str

    def __str__(self) -> str:
        return f"{self.path} -> {self.to}: {self.why}"


class Aside:
    """Puts files into a folder of their own, made when the first one comes."""

    def __init__(self, root: str, *, dry_run: bool) -> None:
        self.root = root
        self.dry_run = dry_run
        self.moved: list[Moved] = []
        self._folder = ""
        self._trust = Trust.of_environment()

    def _place(self, path: str) -> str:
        """Where a file goes, under the path that it has in the cache directory."""
        if not self._folder:
            self._folder = self._new_folder()
        to = os.path.join(self._folder, os.path.relpath(path, self.root))
        if not self.dry_run:
            self._trust.make_folder(os.path.dirname(to))
        return to

    def _new_folder(self) -> str:
        stem = os.path.join(self.root, BROKEN, time.strftime("%Y%m%dT%H%M%S"))
        number = 0
        while True:
            folder = f"{stem}-{number}" if number else stem
            try:
                if self.dry_run:
                    return folder
                self._trust.make_folder(os.path.dirname(folder))
                os.mkdir(folder, 0o700)
                mark(os.path.join(folder, "CACHEDIR.TAG"), self._trust)  # ours, whatever the damaged files in it say
                return folder
            except FileExistsError:
                if not os.path.isdir(folder):
                    raise
                number += 1

    def copy(self, path: str, data: bytes, why: str) -> None:
        """Keep the content of a file that is about to be replaced where it lies."""
        to = self._place(path)
        if not self.dry_run:
            with open(to, "xb") as file:
                file.write(data)
        self.moved.append(Moved(path, to, why))

    def move(self, path: str, stamp: Stamp, why: str) -> None:
        """Move a file if it is still as it was when it was looked at."""
        if stamp_of(path) != stamp:
            return
        to = self._place(path)
        if not self.dry_run:
            try:
                os.rename(path, to)
            except FileNotFoundError:
                return
            if stamp_of(to) != stamp and self._give_back(to, path):
                return
        self.moved.append(Moved(path, to, why))

    def _give_back(self, to: str, path: str) -> bool:
        """A writer was quicker: what was moved is its whole new file, unless there is a newer one by now."""
        try:
            hard_link(to, path)
        except FileExistsError:
            return False
        except OSError:  # no hard links here
            if os.path.lexists(path):
                return False
            os.rename(to, path)
            return True
        os.unlink(to)
        return True
