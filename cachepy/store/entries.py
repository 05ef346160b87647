"""Entries on disk: one file per call with its newest value and all its traces (see `layout`).

A reader sees whole files only: each is written beside its place and renamed.
"""

from __future__ import annotations

import os
import time
from _warnings import warn
from errno import EACCES, EINVAL, EMLINK, ENOSYS, ENOTSUP, EPERM, EXDEV
from itertools import count

from cachepy.core.kinds import OWN, UNTILS, VALUE_FILES
from cachepy.core.model import Event
from cachepy.errors import CacheReadWarning, EntryError, EntryReplacedError, OtherFormatError, user_level
from cachepy.store import safe_pickle
from cachepy.store.codec import has_any, pack, signs_of
from cachepy.store.entryfile import MAPPED, SMALL, EntryFile, assemble, joined, load_value
from cachepy.store.fs import hard_link, keep_aside, mark, protect, read_plain, unlink, write_all
from cachepy.store.layout import ENTRY, OLD, TEMPORARY, Places, digest_in
from cachepy.store.meta import meta_of, rows_of
from cachepy.store.relocation import moved_event
from cachepy.store.sizes import KEEP
from cachepy.store.trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from cachepy.core.ports import Far
    from cachepy.store.claims import Claim
    from cachepy.store.entryfile import Stamp
    from cachepy.store.graph_extent import Extent
    from cachepy.store.journal import Journal
    from cachepy.store.payload import Payload
    from cachepy.store.refused_entries import Refusals

USED = 3600.0  # s; a value that was used is marked so once in this time
GRAPH_FLOOR = 1 << 20  # bytes of the graph file up to which nobody asks how much of it is needed
_TINY = 1 << 12  # bytes of an entry whose value is kept as soon as it is read
_PICKLES_TOTAL = 1 << 26  # bytes of such pickles in memory
_PARSED = 50_000  # entries remembered in memory
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_IN_FILE = signs_of(VALUE_FILES)
_BESIDE = b"cachepy.store.value_files"  # near the beginning of the pickle of what stands for a value in a file
_NO_LINKS = (EPERM, EACCES, ENOTSUP, EMLINK, EXDEV, ENOSYS, EINVAL)


class Stored:
    """What is on disk for one key: events with the files of their values, newest first."""

    __slots__ = ("checked", "events", "files", "pickles", "mapped", "stamp")

    def __init__(self, events: list[Event], files: list[str], stamp: Stamp) -> None:
        self.events = events
        self.files = files
        self.stamp = stamp
        self.pickles: dict[int, bytes] = {}  # pickles of small values, valid as long as the stamp is
        self.checked: dict[int, Stamp] = {}  # files of values that this process has checked in full
        self.mapped: dict[int, Any] = {}  # of these, what loads them again


class Store(Places):
    """One cache directory."""

    def __init__(self, root: str, trust: Trust | None = None) -> None:
        super().__init__(root)
        self.trust = Trust.of_environment() if trust is None else trust
        self._parsed: dict[str, Stored] = {}
        self._pickle_bytes = 0
        self._count = count()
        self._journal: Journal | None = None
        self._extent: Extent | None = None
        self.graph_limit = GRAPH_FLOOR
        self.most: int | None = None  # bytes that the entries may have together
        self.added = 0  # bytes, since that was last looked at
        self.step = 0  # bytes, from which on it is
        self.keeps: dict[str, int] = {}  # how many results of a call are kept, by functions that say so
        self.is_first = False  # whether this process made the folder of the entries
        self.is_looked_at = False  # whether it has been seen to that the graph on disk has all calls
        self.is_far = False  # on a network mount, which remembers what it was told (see `mounts`)
        self.is_ready = False  # whether this process has seen to it that the directory is there, and marked
        self.digest: Callable[[Any], str] | None = None  # of values
        self._can_link = True
        self.is_copy = False  # whether entries were met that were made where the project lay before
        self._codes: dict[str, list[str]] = {}  # the names of what is kept of code digests
        self._said: set[int] = set()  # formats of other versions of cachepy
        self._codes_at = 0  # when something was put there last (ns)
        self.far: Far | None = None  # what of it lies elsewhere

    @property
    def journal(self) -> Journal:
        """Its part of the graph on disk."""
        if self._journal is None:
            from cachepy.store.journal import Journal

            self._journal = Journal(os.path.join(self.root, "graph.pkl"), self._graph_made, extent=self.extent)
        return self._journal

    @property
    def extent(self) -> Extent:
        """How long the graph on disk has been."""
        if self._extent is None:
            from cachepy.store.graph_extent import Extent

            self._extent = Extent(os.path.join(self.root, "graph.size"), self.open_up)
        return self._extent

    def _graph_made(self, fd: int) -> None:
        self.open_up(fd)
        if self.is_first:
            self.extent.begin(0)

    def may_lack_records(self) -> bool:
        """Whether the graph on disk may lack calls that have an entry: asked once, and told by one look at two files.

        What a directory lacks is then added (see `missing_records`); one that may not be written has to do without.
        """
        if self.is_looked_at:
            return False
        self.is_looked_at = True
        if self.is_first or not os.access(self.root, os.W_OK):
            return False
        try:
            size = os.stat(os.path.join(self.root, "graph.pkl")).st_size
        except OSError:
            return True
        return not self.extent.covers(size)

    def say_other(self, error: OtherFormatError, outcome: str = "it is left alone") -> None:
        """Warn that a file of this directory is of another version of cachepy; once for each version."""
        if error.found not in self._said:
            self._said.add(error.found)
            warn(f"{error}; {outcome}: upgrade cachepy here, or name another directory", CacheReadWarning, user_level())

    def close(self) -> None:
        """Close the journal; it is opened again when something is added."""
        if self._journal is not None:
            self._journal.close()

    def prepare(self, call: str) -> None:
        """Make the folders that an entry needs; OSError if that cannot be done."""
        folder = os.path.dirname(self.path_of(call))
        if self.is_ready and os.path.isdir(folder):
            return
        if self._journal is not None:
            self._journal.look_again()
        self.trust.make_folder(self.root)
        mark(os.path.join(self.root, "CACHEDIR.TAG"), self.trust)
        self.is_ready = True
        self.is_first = self.is_first or not os.path.isdir(self.entries)
        self.trust.make_folder(self.entries)
        self.trust.make_folder(folder)

    def open_up(self, fd: int) -> None:
        """Give a graph file that was just created the mode that it needs in a shared cache."""
        self.trust.open_for_all(fd)

    def _temporary(self, path: str) -> str:
        """A name beside a file, for writing it; names the process, so that others see when that is dead."""
        return f"{path}.{os.getpid()}.{id(self):x}.{next(self._count)}{TEMPORARY}"

    def may_have(self, call: str, path: str) -> bool:
        """Whether there may be an entry: of a missing one this tells sooner than an exception."""
        return call in self._parsed or self.is_far or self.far is not None or os.access(path, os.F_OK)

    def look(self, call: str, path: str = "") -> Stored | None:
        """What is stored for a call; parsed once as long as the file stays the same.

        path: of its entry, if that is known.  Raises EntryError for a damaged entry, OSError for an unreadable one.
        """
        path = path or self.path_of(call)
        try:
            if self.is_far:
                from cachepy.store.mounts import ask_for

                ask_for(path)
            st = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self._parsed.pop(call, None)
            return None
        stamp = st.st_ino, st.st_mtime_ns, st.st_size
        known = self._parsed.get(call)
        if known is not None and known.stamp == stamp:
            return known
        stored = self._parse(path, call, stamp)
        if not stored.events:  # all of its values lay in files that are gone; who puts one back is believed
            return None
        if len(self._parsed) >= _PARSED:  # every other one, or who goes round and round over more would find none
            for each in list(self._parsed)[::2]:
                gone = self._parsed.pop(each, None)
                self._pickle_bytes -= sum(map(len, gone.pickles.values())) if gone is not None else 0
        self._parsed[call] = stored
        return stored

    def _parse(self, path: str, call: str, stamp: Stamp) -> Stored:
        try:
            opened = EntryFile(path, self.trust)
            rows = rows_of(path, opened)
            if self.trust.key is not None:  # callers go by what it says of a call, also where no value is loaded
                opened.pickle()
        except FileNotFoundError:
            raise EntryReplacedError(f"{path} vanished while it was read") from None
        self.is_copy |= any(event.root != self.root for event, _ in rows)
        events = [moved_event(event, self.root) for event, _ in rows]
        if any(event.id != call for event in events):
            raise EntryError(f"{path} holds another call than its name says")
        stored = self._at_hand(Stored(events, [name for _, name in rows], stamp), os.path.dirname(path))
        if has_any(opened.meta, _IN_FILE):
            self._drop_lost(stored)
        elif opened.stamp == stamp and opened.size < _TINY and not opened.has_buffers:
            self._heat(stored, opened)
        return stored

    def _at_hand(self, stored: Stored, folder: str) -> Stored:
        """Without the older values that are gone: they may have made room for others (see `eviction`)."""
        if len(stored.files) > 1:
            there = [not i or os.path.exists(os.path.join(folder, name)) for i, name in enumerate(stored.files)]
            if not all(there):
                stored.events = [each for each, is_there in zip(stored.events, there, strict=True) if is_there]
                stored.files = [each for each, is_there in zip(stored.files, there, strict=True) if is_there]
        return stored

    def _drop_lost(self, stored: Stored) -> None:
        """Without the runs whose values lay in files that are gone."""
        from cachepy.store.value_files import are_there

        pairs = zip(stored.events, stored.files, strict=True)
        there = [(event, file) for event, file in pairs if are_there(self.root, event)]
        stored.events, stored.files = [event for event, _ in there], [file for _, file in there]

    def _check_there(self, call: str, event: Event) -> None:
        from cachepy.store.value_files import are_there

        if not are_there(self.root, event):
            self._parsed.pop(call, None)
            raise EntryReplacedError(f"the value of {call} is gone")

    def _settled(self, call: str, event: Event, data: bytes | memoryview) -> Any:
        """The value that lies beside its entry."""
        from cachepy.store.value_files import settled

        try:
            return settled(self.root, event, load_value(data), self.trust, self.digest)
        except EntryReplacedError:  # it is gone since the entry was read
            self._parsed.pop(call, None)
            raise

    def _heat(self, stored: Stored, opened: EntryFile) -> None:
        """The file is read: its value is at hand as well."""
        try:
            stored.pickles[0] = bytes(opened.pickle())
        except EntryError:  # who wants the value is told
            return
        self._count_pickle(stored, len(stored.pickles[0]))

    def open(self, call: str, stored: Stored, index: int) -> EntryFile:
        """The file with the value of one of the stored events."""
        path = os.path.join(os.path.dirname(self.path_of(call)), stored.files[index])
        opened = EntryFile(path, self.trust)
        is_same = not index and opened.stamp == stored.stamp
        if is_same or rows_of(path, opened)[0][0].run == stored.events[index].run:
            return opened
        raise EntryReplacedError(f"{path} was replaced")

    def value(self, call: str, stored: Stored, index: int) -> Any:
        """Load a value; EntryError or OSError if that cannot be done."""
        pickle = stored.pickles.get(index)
        if pickle is not None:
            return load_value(pickle)
        mapped = stored.mapped.get(index)
        if mapped is not None:
            try:
                return mapped.load(os.path.join(os.path.dirname(self.path_of(call)), stored.files[index]), self.trust)
            except EntryReplacedError:
                del stored.mapped[index]
        opened = self.open(call, stored, index)
        if opened.has_buffers:
            value = opened.value(verify=stored.checked.get(index) != opened.stamp)
            stored.checked[index] = opened.stamp
            again = opened.again()
            if again is not None:
                stored.mapped[index] = again
                self._count_pickle(stored, len(again.pickle))
            return value
        data = opened.pickle()
        if _is_beside(data):
            return self._settled(call, stored.events[index], data)
        if len(data) <= SMALL:
            stored.pickles[index] = bytes(data)
            self._count_pickle(stored, len(data))
        return load_value(data)

    def is_longer(self, call: str, stored: Stored, index: int, most: int) -> bool:
        """Whether a value has buffers, or a pickle of more bytes; EntryError or OSError if that cannot be told."""
        if index in stored.pickles:
            return False
        opened = self.open(call, stored, index)
        if not opened.has_buffers and opened.pickle_size <= SMALL and _is_beside(opened.pickle()):
            self._check_there(call, stored.events[index])
            return True
        return opened.has_buffers or opened.pickle_size > most

    def how(self, call: str, stored: Stored, index: int) -> bytes:
        """How a call was made, as it was given to `put`; EntryError or OSError if that cannot be read."""
        return self.open(call, stored, index).call()

    def _count_pickle(self, stored: Stored, size: int) -> None:
        """Pickles in memory have a bound: beyond it all but the last are forgotten."""
        self._pickle_bytes += size
        if self._pickle_bytes > _PICKLES_TOTAL:
            for each in list(self._parsed.values()):
                if each is not stored:
                    each.pickles.clear()
                    each.mapped.clear()
            self._pickle_bytes = size

    def put(
        self, event: Event, payload: Payload, call: bytes = b"", claim: Claim | None = None, path: str = "",
        least: int = 1,
    ) -> Event:  # fmt: skip
        """Store a value with its event as the newest of its key; OSError if the disk refuses.

        OtherFormatError if there is what a newer cachepy stored: this one would lose it.

        call: how the call was made, for `how`; claim: of this call, if nothing was stored when it was taken; path: of
        the entry, if that is known; least: how many runs stay whatever `keep` says.
        """
        path = path or self.path_of(event.id)
        if event.outfile is None:
            event = event.replace(root=self.root, outfile=self.outfile(path))
        self._put(event, payload, call, claim, path, least)
        if self.far is not None:
            self.far.send(event, payload, call)
        return event

    def _put(
        self, event: Event, payload: Payload, call: bytes, claim: Claim | None, path: str, least: int
    ) -> None:  # fmt: skip
        if claim is not None and self._can_link and claim.pid == os.getpid():  # not a child's that goes on
            fd = claim.take_file()
            if fd is not None and self._put_claimed(fd, claim, path, event, payload, call):
                return
        older, dropped, files = self._older(event, path, least)
        self.put_rows(event, older, payload, call, path)
        for name in dropped:
            unlink(os.path.join(os.path.dirname(path), name))
        self.remove_files(files)

    def keep(self, event: Event, payload: Payload, call: bytes) -> None:
        """Store a run that was stored elsewhere, with its record."""
        event = event.replace(root=self.root, outfile=self.outfile(self.path_of(event.id)))
        if not self.is_ready:
            self.prepare(event.id)
        self._put(event, payload, call, None, self.path_of(event.id), 1)
        self.journal.append_packed(pack(event))

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove value files that no run needs any more."""
        if paths:
            from cachepy.store.value_files import remove

            for each in paths:
                remove(each)

    def unneeded(self, before: Sequence[Event], after: Sequence[Event]) -> list[str]:
        """The value files of some runs of a call that none of those needs which stay."""
        if not any(dep.kind in VALUE_FILES for event in before for dep in event.trace.deps):
            return []
        from cachepy.store.value_files import unneeded

        return unneeded(self.root, before, after)

    def put_rows(
        self, event: Event, older: list[tuple[bytes, str]], payload: Payload, call: bytes, path: str
    ) -> None:  # fmt: skip
        """Write an entry: the newest event with its value, and the older ones with the names of their files."""
        parts = joined(assemble(meta_of(event, older), payload, call, self.trust))
        try:
            if not self.is_ready:
                self.prepare(event.id)
            self._write(path, parts)
        except (FileNotFoundError, NotADirectoryError):  # a prune removed the empty folder
            self.prepare(event.id)
            self._write(path, parts)

    def _put_claimed(self, fd: int, claim: Claim, path: str, event: Event, payload: Payload, call: bytes) -> bool:
        """Write the entry behind the claim, whose file then gets the name of the entry too: one file is made, not two.

        False if somebody stored something meanwhile, or took the claim over, or there are no hard links here.
        """
        parts = joined(assemble(pack(event), payload, call, self.trust, claim.block))
        parts[0] = memoryview(parts[0])[len(claim.block) :]
        try:
            try:
                self._fill(fd, parts)
                st = os.fstat(fd)
            finally:
                os.close(fd)  # on a network file system only now it is seen that all has been written
            if st.st_nlink and (claim.is_surely_mine() or os.path.samestat(st, os.stat(claim.path))):
                hard_link(claim.path, path)
                return True
        except (FileExistsError, FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._can_link = False
        return False

    def _write(self, path: str, parts: list[Any]) -> None:
        """Write a file whole: beside its place, then renamed."""
        temporary = self._temporary(path.removesuffix(ENTRY))
        try:
            fd = os.open(temporary, _NEW, 0o644)
            try:
                self._fill(fd, parts)
            finally:
                os.close(fd)
            os.replace(temporary, path)
        except BaseException:
            unlink(temporary)
            raise

    def _fill(self, fd: int, parts: list[Any]) -> None:
        self.trust.open_up(fd)
        for part in parts:
            write_all(fd, part)
        if len(parts) > 1 and os.lseek(fd, 0, os.SEEK_CUR) >= MAPPED:
            protect(fd)

    def _older(self, event: Event, path: str, least: int) -> tuple[list[tuple[bytes, str]], list[str], list[str]]:
        """The earlier events that stay, each with its value under a name of its own; names and files that go."""
        try:
            stored = self.look(event.id)
        except OtherFormatError as error:
            if error.is_newer:
                raise
            return [], [], []
        except (EntryError, OSError):
            return [], [], []
        if stored is None:
            return [], [], []
        stay = [event]
        kept: list[tuple[bytes, str]] = []
        most = max(self.keeps.get(event.fname, KEEP), least)
        dropped: list[str] = []
        for old, name in zip(stored.events, stored.files, strict=True):
            same = _depends_alike(old, event)
            if name.endswith(ENTRY):
                aside = f"{name[: -len(ENTRY)]}.{old.run[:16]}{OLD}"
                if not same and most > 1 and keep_aside(path, os.path.join(os.path.dirname(path), aside), self.trust):
                    kept.append((pack(old), aside))
                    stay.append(old)
            elif same or len(kept) >= most - 1:
                dropped.append(name)
            else:
                kept.append((pack(old), name))
                stay.append(old)
        return kept, dropped, self.unneeded(stored.events, stay)

    def valid(self, call: str) -> tuple[float, str] | None:
        """Which of several stored runs was last seen to hold: (seconds since the epoch, run)."""
        try:
            seen, run = safe_pickle.loads(read_plain(self.valid_path(call), 4096))
            return float(seen), str(run)
        except (OSError, OverflowError, TypeError, ValueError):
            return None

    def last_valid(self, events: Sequence[Event]) -> Event:
        """Of some stored runs of a call the one that was last seen to hold."""
        newest = max(events, key=lambda each: each.seen)
        at, run = self.valid(newest.id) or (0.0, "") if len(events) > 1 else (0.0, "")
        return next((each for each in events if each.run == run), newest) if at > newest.seen else newest

    def set_valid(self, call: str, seen: float, run: str) -> None:
        """Note it, best effort: without the note, each process adds one more record to the journal."""
        try:
            self._write(self.valid_path(call), [safe_pickle.dumps((seen, run))])
        except OSError:
            pass

    def mark_used(self, paths: Iterable[str]) -> None:
        """These values were used now: best effort, the time of the last access, at most once an hour.

        That leaves the time of the last change alone, by which a hit sees that they are what they were.
        """
        now = time.time()
        for path in paths:
            try:
                st = os.stat(path)
                if now - max(st.st_atime, st.st_mtime) > USED:
                    os.utime(path, ns=(int(now * 1e9), st.st_mtime_ns))
            except OSError:  # another user's, or gone
                pass

    def forget(self, call: str) -> None:
        """Remove all that is stored for a call."""
        try:
            stored = self.look(call)
        except (EntryError, OSError):
            stored = None
        folder = os.path.dirname(self.path_of(call))
        for name in stored.files if stored else [os.path.basename(self.path_of(call))]:
            unlink(os.path.join(folder, name))
        self.remove_files(self.unneeded(stored.events, ()) if stored else ())
        unlink(self.valid_path(call))
        unlink(self.unended_path(call))
        self._parsed.pop(call, None)

    def put_code(self, name: str, wire: bytes, *, anew: bool = False, is_whole: bool = True) -> None:
        """Keep the pieces of a code digest, best effort: without them less is known, and no more.

        is_whole: whether the source files are those that ran; else the next run that knows keeps them anew.
        """
        path = os.path.join(self.root, "code", name)
        if (os.path.exists(path) and not anew) or not name.isalnum():
            return
        if self.far is not None:
            self.far.send_code(name, wire)
        try:
            self.trust.make_folder(os.path.dirname(path))
            self._write(path, [wire])
            if not is_whole:
                os.utime(path, ns=(1, 1))
        except OSError:
            pass

    def code_time(self, name: str) -> int:
        """When the pieces of a code digest were kept (ns); 0 if they are not."""
        try:
            return os.stat(os.path.join(self.root, "code", name)).st_mtime_ns
        except OSError:
            return 0

    def get_code(self, name: str) -> bytes | None:
        if not name.isalnum():  # read from a file that somebody made: it must not lead elsewhere
            return None
        try:
            return read_plain(os.path.join(self.root, "code", name))
        except OSError:
            return None

    def refused(self, names: set[str]) -> Refusals:
        """Which of these would not be loaded (see `refused_entries`)."""
        from cachepy.store.refused_entries import Refusals  # for who asks about all calls

        return Refusals(self, names)

    def forget_parsed(self) -> None:
        """What was read is read again."""
        self._parsed.clear()

    def codes(self, digest: str) -> list[bytes]:
        """What is kept of a code digest, the newest first: code of other names may have the same digest."""
        try:
            changed = os.stat(os.path.join(self.root, "code")).st_mtime_ns
        except OSError:
            changed = 0
        if self._codes_at != changed:
            self._codes_at, self._codes = changed, {}
            for path in self.others("code") if changed else ():
                self._codes.setdefault(digest_in(path), []).append(os.path.basename(path))
        names = sorted(self._codes.get(digest, ()), key=self.code_time, reverse=True)
        if not names and self.far is not None:
            return [*self.far.code_of(digest).values()]
        return [data for name in names if (data := self.get_code(name)) is not None]

def _is_beside(data: bytes | memoryview) -> bool:
    """Whether a pickle stands for a value that lies in a file of its own."""
    return _BESIDE in bytes(data[:64])


def _depends_alike(old: Event, new: Event) -> bool:
    """Whether the new run stands for the old one, however old it is; of two errors, whenever each was raised."""
    if old.trace.calls != new.trace.calls:
        return False
    ageless = [[dep for dep in event.trace.deps if dep.kind not in OWN] for event in (old, new)]
    lasting = [{dep for dep in deps if dep.kind not in UNTILS} for deps in ageless]
    if all(len(some) < len(deps) for some, deps in zip(lasting, ageless, strict=True)):
        return lasting[0] == lasting[1]
    return ageless[0] == ageless[1]
