"""The folder `programs` of a cache directory: what each program made at its top, and which calls are history.

    programs/past                what programs made once and make no more: records that only add
    programs/<name>-<digest>     one program: who it is, and what it made when it last ended, at the time of the file
    programs/<mark>.made         what child processes of a program made that runs now

A record is a line: a checksum, and texts with tabs between them. A line that does not check is passed over. It is not
a journal, since each program reads one at its end, and should not load for that what it did not need before.
"""

from __future__ import annotations

import os

from xxhash import xxh32_hexdigest

from cachepy.errors import OtherFormatError
from cachepy.store.fs import PROGRAMS, PROGRAMS_HEAD, read_plain, unlink, write_all
from cachepy.store.layout import MADE, TEMPORARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cachepy.store.entries import Store

    Made = dict[str, set[str]]  # place in the program (a cell; empty: all of it) -> ids of calls

_PAST = "past"
_UNNAMED = "unnamed"  # what processes made that are no programs
_OF_ALL = (_PAST, _UNNAMED)  # files that every user adds to
_PROGRAM, _MADE, _AGAIN, _NAMED = "program", "made", "again", "named"  # what records begin with
_LARGE = 1 << 16  # bytes from which on a file is written anew without what it says twice
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def line_of(record: Iterable[str]) -> bytes:
    """A record as it is written; it begins with the end of the line before, which may be torn.

    >>> records_in(PROGRAMS_HEAD + line_of(("made", "", "f:1", "two words")))
    ([('made', '', 'f:1', 'two words')], False)
    """
    text = "\t".join([_escaped(each) for each in record]).encode("utf-8", "surrogatepass")
    return b"\n" + xxh32_hexdigest(text).encode() + b" " + text


def _escaped(text: str) -> str:
    for mark, escape in _ESCAPES.items():
        if mark in text:
            text = text.replace(mark, escape)
    return text


def _plain(text: str) -> str:
    if "\\" not in text:
        return text
    parts = [part.replace("\\t", "\t").replace("\\n", "\n") for part in text.split("\\\\")]
    return "\\".join(parts)


def records_in(data: bytes) -> tuple[list[tuple[str, ...]], bool]:
    """The records of a file, and whether something in it is damaged."""
    found, is_damaged = [], bool(data) and not PROGRAMS_HEAD.startswith(data[: len(PROGRAMS_HEAD)])
    for line in data.split(b"\n"):
        check, _, text = line.partition(b" ")
        if line and not PROGRAMS_HEAD.startswith(line):
            if xxh32_hexdigest(text).encode() != check:
                text = text.removesuffix(PROGRAMS_HEAD)  # two processes began the file at once
            if xxh32_hexdigest(text).encode() == check:
                found.append(tuple(map(_plain, text.decode("utf-8", "surrogatepass").split("\t"))))
            else:
                is_damaged = True
    return found, is_damaged


def check_format(path: str, data: bytes) -> None:
    """OtherFormatError for a file of another version of cachepy, by how it begins; its records are not read."""
    number, _, _ = data[len(PROGRAMS) : len(PROGRAMS) + 9].partition(b"\n")
    if data.startswith(PROGRAMS) and number.isdigit() and not data.startswith(PROGRAMS_HEAD + b"\n"):
        raise OtherFormatError(path, int(number), int(PROGRAMS_HEAD[len(PROGRAMS) :]))


class Programs:
    """The programs that used one cache directory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folder = store.programs

    def _records(self, name: str) -> list[tuple[str, ...]]:
        """The whole records of a file; none if there is no such file. Like the graph it is everybody's."""
        try:
            data = read_plain(self.folder + name)
        except OSError:
            return []
        return [] if self._is_other(name, data) else records_in(data)[0]

    def _is_other(self, name: str, data: bytes | None = None) -> bool:
        """Whether a file is of another version of cachepy, which is said once: it is neither read nor written."""
        path = self.folder + name
        try:
            check_format(path, read_plain(path, len(PROGRAMS) + 9) if data is None else data)
        except OtherFormatError as error:
            self.store.say_other(error)
            return True
        except OSError:  # it is not there
            pass
        return False

    # -- history

    def past(self) -> set[str]:
        """The ids of the calls that no program makes any more."""
        found: set[str] = set()
        for kind, *calls in self._records(_PAST):
            if kind == _PAST:
                found.update(calls)
            elif kind == _AGAIN:
                found.difference_update(calls)
        return found

    def again(self, calls: Iterable[str]) -> None:
        """These are made again; OSError if that cannot be said."""
        self._add(_PAST, (_AGAIN, *calls))

    def drop(self, calls: Iterable[str]) -> None:
        """Nobody makes these any more."""
        self._add(_PAST, (_PAST, *calls))
        if os.path.getsize(self.folder + _PAST) > _LARGE and not self._is_other(_PAST):
            self.forget(())

    def forget(self, calls: Iterable[str]) -> None:
        """These are known no more; the file is written anew, should that make it smaller."""
        for name, kind, known in ((_PAST, (_PAST,), self.past()), (_UNNAMED, (_MADE, ""), self.met())):
            path, left = self.folder + name, known.difference(calls)
            if known and not left:
                unlink(path)
            elif left:
                record = PROGRAMS_HEAD + line_of((*kind, *sorted(left)))
                if left != known or len(record) < os.path.getsize(path) // 2:
                    self.store._write(path, [record])

    def swap(self, pairs: Mapping[str, str]) -> None:
        """Calls have other ids now: those of before are history, and programs make those that they are mapped to."""
        past, news = self.past(), set(pairs.values())
        for name in [*self.names(), *filter(self.ended, (_UNNAMED,))]:
            records = self._records(name)
            again = [(*row[:2], *(pairs.get(c, c) for c in row[2:])) if row[0] == _MADE else row for row in records]
            if again != records:
                ended = os.stat(self.folder + name)
                self.store._write(self.folder + name, [PROGRAMS_HEAD, *map(line_of, again)])
                os.utime(self.folder + name, ns=(ended.st_atime_ns, ended.st_mtime_ns))
        if news & past:
            self.again(sorted(news & past))
        if pairs.keys() - past:
            self.drop(sorted(pairs.keys() - past))

    # -- programs

    def made_by(self, name: str) -> Made:
        """What a program made when it last ended, by places in it."""
        return {place: set(calls) for kind, place, *calls in self._records(name) if kind == _MADE}

    def made_by_others(self, *names: str) -> Iterator[Made]:
        """What each of the other programs made."""
        return (self.made_by(each) for each in self.names() if each not in names)

    def earlier(
        self, file: str, header: tuple[str, ...], variables: Mapping[str, str], began: float
    ) -> dict[str, set[str]]:
        """What the same program made when its code named other variables, by the file of each.

        Those that both name have the same values, and it ended before this one began.
        """
        found, stem = {}, f"{file.rpartition('-')[0]}-"
        for each in self.names():
            if each == file or not each.startswith(stem) or self.ended(each) > began:
                continue
            records = self._records(each)
            heads = {kind: row for kind, *row in records if kind in (_PROGRAM, _NAMED)}
            other, named = heads.get(_PROGRAM, []), heads.get(_NAMED, [])
            values = dict(zip(named[::2], named[1::2], strict=False))
            is_same = [*header[:3], *header[4:]] == [*other[:3], *other[4:]] and named
            if is_same and all(values[name] == variables[name] for name in values.keys() & variables.keys()):
                found[each] = set().union(*(calls for kind, _, *calls in records if kind == _MADE))
        return found

    def made_last(self, file: str, header: tuple[str, ...]) -> set[str]:
        """What the same program made when it ended last, whatever variables its code named then."""
        found, stem = [], f"{file.rpartition('-')[0]}-"
        for each in self.names():
            records = self._records(each) if each.startswith(stem) else []
            head = next((row for kind, *row in records if kind == _PROGRAM), [])
            if head and [*head[:3], *head[4:]] == [*header[:3], *header[4:]]:
                made = set().union(*(calls for kind, _, *calls in records if kind == _MADE))
                found.append((self.ended(each), made))
        return max(found, key=lambda each: each[0])[1] if found else set()

    def names(self) -> list[str]:
        """The files of programs."""
        names = map(os.path.basename, self.store.others("programs"))
        return [name for name in names if name not in _OF_ALL and not name.endswith((MADE, TEMPORARY))]

    def ended(self, name: str) -> float:
        """When a program last ended; 0 if it is not known."""
        try:
            return os.stat(self.folder + name).st_mtime
        except OSError:
            return 0.0

    def keep(
        self, name: str, header: Iterable[str], made: Mapping[str, Iterable[str]], variables: Mapping[str, str]
    ) -> None:  # fmt: skip
        """Write what a program made, and which variables of the environment its code named."""
        if self._is_other(name):
            return
        rows = [(_MADE, place, *sorted(calls)) for place, calls in sorted(made.items()) if calls]
        rows += [(_NAMED, "", "", *(text for pair in sorted(variables.items()) for text in pair))]
        self.store.trust.make_folder(self.folder)
        is_new = not os.path.exists(self.folder + name)
        self.store._write(self.folder + name, [PROGRAMS_HEAD, *map(line_of, ((_PROGRAM, *header), *rows))])
        if is_new:
            from cachepy.store.tidy import DAY, MOST_PROGRAMS, tidy

            tidy(self.folder, MOST_PROGRAMS, older=30 * DAY, but=_OF_ALL)

    def met(self) -> set[str]:
        """What was made by processes that are no programs: a prompt, ``python -c``, tests."""
        return set().union(*(calls for kind, _, *calls in self._records(_UNNAMED) if kind == _MADE))

    def meet(self, calls: set[str]) -> None:
        """Such a process made these."""
        new = calls - self.met()
        if new:
            self._add(_UNNAMED, (_MADE, "", *sorted(new)))

    # -- child processes

    def post(self, mark: str, call: str) -> None:
        """A child tells what it made."""
        self._add(mark + MADE, (_MADE, "", call))

    def take(self, marks: Iterable[str]) -> set[str]:
        """What the children of this process told."""
        found: set[str] = set()
        for mark in filter(None, marks):
            if os.path.exists(self.folder + mark + MADE):
                found.update(*(calls for _, _, *calls in self._records(mark + MADE)))
                unlink(self.folder + mark + MADE)
        return found

    def _add(self, name: str, record: tuple[str, ...]) -> None:
        """At once, so that processes lose nothing of each other; whoever makes the file begins it."""
        if self._is_other(name):
            return
        self.store.trust.make_folder(self.folder)
        fd = os.open(self.folder + name, _APPEND, 0o666 if name in _OF_ALL else 0o644)
        try:
            is_new = not os.fstat(fd).st_size
            if is_new and name in _OF_ALL:
                self.store.trust.open_for_all(fd)
            elif is_new:
                self.store.trust.open_up(fd)
            write_all(fd, (PROGRAMS_HEAD if is_new else b"") + line_of(record))
        finally:
            os.close(fd)


class History:
    """What the programs of some cache directories make no more, and what they make."""

    def __init__(self, stores: Iterable[Store]) -> None:
        self._folders = [Programs(store) for store in stores]
        self._made: set[str] | None = None
        self.dropped: set[str] = set().union(*(folder.past() for folder in self._folders))

    def made(self) -> set[str]:
        """Asked for only where something is history."""
        if self._made is None:
            every = [made for folder in self._folders for made in folder.made_by_others("")]
            others = (folder.met() for folder in self._folders)
            self._made = set().union(*others, *(calls for made in every for calls in made.values()))
        return self._made
