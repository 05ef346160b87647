"""Entries that are there and would not be loaded: another user's, closed ones, those that are not signed."""

from __future__ import annotations

import os
import stat
from itertools import islice

from cachepy.errors import EntryError, UntrustedEntryError
from cachepy.store.entryfile import MAGIC, EntryFile, format_of
from cachepy.store.fs import read_plain
from cachepy.store.layout import ENTRY, OLD
from cachepy.store.trust import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from cachepy.store.trust import Trust

    Refusal = tuple[str, str]  # a cue of `Reason`, and what it names

    class Store(Protocol):
        """A cache directory."""

        root: str
        trust: Trust

        def folders(self) -> list[str]: ...

_OPEN = stat.S_IFREG | stat.S_IRUSR
_READABLE = 0o170000 | stat.S_IRUSR  # the kind of file, and its owner's right
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_FEW = 5_000  # files that are looked at one by one in any case
_OPENED = 200  # entries whose beginning is read in any case; of all, if one of these is of another version


class Refusals:
    """Which values in a cache directory would not be loaded, and why.

    To look at each of 100,000 files takes longer than all else. In folders that are this user's, and that nobody else
    may write into, others' files come from root alone; so of very many a sample tells, unless `look_at_all` is called
    because another user has made one of the calls.

    names: the files of the entries, as of `Places.listing`; those that are refused are taken out of it.
    """

    def __init__(self, store: Store, names: set[str]) -> None:
        self.why: dict[str, Refusal] = {}
        self._root = store.root
        self._trust = store.trust
        self._names = names
        self._me = os.geteuid() if hasattr(os, "geteuid") else None
        self._has_all = False
        is_short = len(names) <= _FEW or self._trust.key is not None
        if is_short or not self._are_mine([store.root, *store.folders()]) or self._odd(islice(names, _FEW)):
            self.look_at_all()
        self._look_at_formats()

    def made_by(self, origin: str) -> None:
        """One of the calls was made by this process (see `Event.origin`)."""
        if not self._has_all and origin.rpartition(":")[2] != str(self._me):
            self.look_at_all()

    def look_at_all(self) -> None:
        """Look at each file."""
        self._has_all = True
        for name, st in self._odd(self._names):
            path = os.path.join(self._root, name)
            if not self._trust.trusts(st.st_uid):
                self.why[name] = "owner", name_of(st.st_uid)
            elif not os.access(path, os.R_OK):
                self.why[name] = "closed", f"mode {stat.S_IMODE(st.st_mode):04o}, of {name_of(st.st_uid)}"
        self._names.difference_update(self.why)
        if self._trust.key is not None:
            self._look_at_seals()

    def _look_at_formats(self) -> None:
        """Take out entries of another version of cachepy; a sample tells whether there are any."""
        sample = islice(self._names, 0, None, len(self._names) // _OPENED + 1)
        if any(self._format_of(name) for name in sample if name[-6:] == ENTRY):
            for name in [name for name in self._names if name[-6:] == ENTRY]:
                form = self._format_of(name)
                if form:
                    self.why[name] = "format", f"{form}; this cachepy reads {MAGIC[-1]}"
        self._names.difference_update(self.why)

    def _format_of(self, name: str) -> int:
        """The number of the format of an entry if it is not the one that is read here."""
        try:
            head = read_plain(os.path.join(self._root, name), len(MAGIC))
        except OSError:
            return 0
        found = format_of(head)
        return 0 if found == MAGIC[-1] else found or 0

    def _look_at_seals(self) -> None:
        for name in self._names:
            why = _unsigned(os.path.join(self._root, name), self._trust) if name[-6:] == ENTRY else ""
            if why:
                self.why[name] = "seal", why
        self._names.difference_update(self.why)

    def _are_mine(self, folders: Iterable[str]) -> bool:
        """Whether nobody else may write into these folders."""
        try:
            states = [os.stat(folder) for folder in folders]
        except OSError:
            return False
        return all(st.st_uid == self._me and not st.st_mode & _OTHERS for st in states)

    def _odd(self, names: Iterable[str]) -> list[tuple[str, os.stat_result]]:
        """Those that are not simply one's own: another's, closed ones, no files."""
        odd: list[tuple[str, os.stat_result]] = []
        me, at = self._me, _opened(self._root)
        if me is None or at is None:  # Windows; nothing there yet
            return odd
        try:
            for name in names:
                if name[-6:] == ENTRY or name[-4:] == OLD:
                    try:
                        st = os.stat(name, dir_fd=at)
                    except OSError:  # removed meanwhile
                        continue
                    if st.st_uid != me or st.st_mode & _READABLE != _OPEN:
                        odd.append((name, st))
        finally:
            os.close(at)
        return odd


def _opened(folder: str) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None


def _unsigned(path: str, trust: Trust) -> str:
    try:
        EntryFile(path, trust).pickle()
    except UntrustedEntryError as error:
        return "unsigned" if "is not signed" in str(error) else "signed with another key"
    except (EntryError, OSError):  # who looks at the call is told
        return ""
    return ""
