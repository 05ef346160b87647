"""When the files behind some code were last edited, as far as this process has read what stands in them."""

from __future__ import annotations

import os
import sys

from xxhash import xxh3_64_hexdigest

from cachepy.code.pieces import CLOSED
from cachepy.core.kinds import ENVS, FILES
from cachepy.values.modules import MAIN, STARTED, scope_of
from cachepy.values.references import env_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from cachepy.code.pieces import Piece

    Read = tuple[str, str, str | None]  # kind, name, digest


_CHECK, _LENGTHS = 16, 26  # bytes: a checksum in hex digits, and with the length behind it
_STOP = b"."  # how a pickle ends
_END = b"reads"  # of a record that tells what was read at import, behind what all else of it is


def with_reads(record: bytes, reads: Iterable[Read]) -> bytes:
    """A code record with what its modules read of the world when they were imported, for `reads_in`.

    >>> reads_in(with_reads(b"record", [("env", "HOME", None), ("file", "/a", "d1")]))
    [('env', 'HOME', None), ('file', '/a', 'd1')]
    >>> with_reads(b"record", []), reads_in(b"record")
    (b'record', [])
    """
    rows = sorted({f"{kind}\0{name}\0{digest or ''}" for kind, name, digest in reads})
    text = "\n".join(rows).encode("utf-8", "surrogateescape")
    return b"%s%s%s%010d%s" % (record, text, _check(text), len(text), _END) if text else record


def reads_in(record: bytes) -> list[Read]:
    """What was read, without what reading all of the record takes; nothing of one that is damaged."""
    try:
        text = _text_in(record).decode("utf-8", "surrogateescape")
        rows = [row.split("\0") for row in text.split("\n")] if text else []
        return [(kind, name, digest or None) for kind, name, digest in rows]
    except ValueError:
        return []


def are_reads_whole(record: bytes) -> bool:
    """Whether what a record tells of reads is as it was written; also if it tells nothing.

    >>> record = with_reads(b"a pickle.", [("env", "HOME", None)])
    >>> are_reads_whole(record), are_reads_whole(b"a pickle.")
    (True, True)
    >>> are_reads_whole(record.replace(b"HOME", b"HOMF")), are_reads_whole(record.replace(b"reads", b"reaps"))
    (False, False)
    """
    try:
        return record[-1:] == _STOP or bool(_text_in(record))
    except ValueError:
        return False


def _text_in(record: bytes) -> bytes:
    """The text behind a record; ValueError if it is damaged."""
    if not record.endswith(_END):
        return b""
    end = len(record) - len(_END) - _LENGTHS
    text = record[end - int(record[end + _CHECK : -len(_END)]) : end]
    if record[end : end + _CHECK] != _check(text):
        raise ValueError("what was read fails its checksum")
    return text


def _check(text: bytes) -> bytes:
    return xxh3_64_hexdigest(text).encode()


class Edits:
    """Looks at each source file once, since this process has read them all."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def newest(self, pieces: Iterable[Piece]) -> int:
        """When one of the files was last edited (ns); 0 if that was after this process began: it runs another text."""
        times = [self._time(file) for file in {*_files(pieces)}]
        newest = max(times, default=0)
        return newest if newest < STARTED else 0

    def is_later(self, file: str) -> bool:  # of any file: the program may write it at any time
        """Whether a file was edited after this process began, which may have read another text."""
        return _edited(file) >= STARTED

    def tell_of_now(self, reads: Collection[Read], digest_of: Callable[[str], str | None]) -> bool:
        """Whether what was read of the world at import is kept as this process read it.

        Also where that cannot be told any more, since a file was edited after the process began.
        """
        files = {name: digest for kind, name, digest in reads if kind in FILES}
        variables = {name: digest for kind, name, digest in reads if kind in ENVS}
        if any(map(self.is_later, files)):
            return True
        return all(digest == env_digest(os.environ.get(name)) for name, digest in variables.items()) and all(
            digest == digest_of(name) for name, digest in files.items()
        )

    def _time(self, file: str) -> int:
        if file not in self._times:
            self._times[file] = _edited(file)
        return self._times[file]


def _edited(file: str) -> int:
    """When a file was last edited (ns); 0 if there is none."""
    try:
        st = os.stat(file)
    except (OSError, ValueError):
        return 0
    return max(st.st_mtime_ns, st.st_ctime_ns)


def _files(pieces: Iterable[Piece]) -> Iterator[str]:
    modules = {MAIN[0]}  # which may change what others hold
    for piece in pieces:
        if piece.cue in ("code", CLOSED) and piece.where[:1] not in ("", "<"):
            yield piece.where.rpartition(":")[0]
        elif piece.cue == "global":
            modules.add(_module_of(piece.name))
    for module in modules:
        file = scope_of(sys.modules.get(module)).get("__file__")
        if type(file) is str:
            yield file


def _module_of(label: str) -> str:
    """The module that holds what a label names; empty if none does."""
    name = label.partition(":")[0]
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    return name
