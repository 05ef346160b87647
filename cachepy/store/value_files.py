"""Values beside their entries, in a form that others read: `values/<function>/<arguments>-<key>-<content>.<suffix>`.

The run's trace names the file by a dep: its path below the cache directory, and the checksum and size of its content.
So whoever has a run knows its file, a signature covers it, and a moved directory stays valid.  In the entry there is a
`Beside` instead of the value; it says how the file was written.

The name ends in the first digits of the content's digest: a file under ``values`` is cachepy's if they agree, and runs
of one call that gave equal bytes share one.  It is written in a folder of its own, which goes, and renamed.
"""

from __future__ import annotations

import os
import stat as stats
from itertools import count

from xxhash import xxh3_128

from cachepy.core.kinds import VALUE_FILES
from cachepy.core.model import VALUE_FILE, Dep
from cachepy.errors import EntryError, EntryReplacedError, UntrustedEntryError
from cachepy.store import value_formats
from cachepy.store.fs import listed, mark, safe_name, unlink, write_all
from cachepy.store.layout import TEMPORARY, VALUES
from cachepy.store.payload import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from cachepy.core.model import Event, Trace
    from cachepy.store.payload import Payload
    from cachepy.store.trust import Trust

_LABEL = 40  # characters of the arguments in a name
_DIGITS = 8  # of the key, and of the content's digest
_CHUNK = 1 << 20
_SIGNED = "sha256"  # what stands in a signed trace must be a digest that nobody can forge
_PLAIN = "xxh3"
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_count = count()


class Beside:
    """What an entry holds instead of a value that lies in a file: how that was written."""

    __slots__ = ("by", "codec", "detail", "form")

    def __init__(self, form: Any, detail: str, codec: str | None, by: str = "") -> None:
        self.form, self.detail, self.codec = form, detail, codec
        self.by = by  # the versions of the libraries that wrote it

    def __reduce__(self) -> tuple[Any, ...]:
        return Beside, (self.form, self.detail, self.codec, self.by)


# ---------------------------------------------------------------- what a run says of its file


def named_in(trace: Trace) -> list[tuple[str, str]]:
    """The name of each value file of a run, below the cache directory, and what it says of the content."""
    return [(dep.name, dep.digest or "") for dep in trace.deps if dep.kind in VALUE_FILES]


def files_of(root: str, event: Event) -> list[str]:
    """The paths of the value files of a run; not names that lead elsewhere, as anybody may write."""
    return [os.path.join(root, name) for name, _ in named_in(event.trace) if _is_plain(name)]


def all_files_of(root: str, event: Event, value: str) -> list[str]:
    """All that one run has on disk: the file of its value (an entry or an older one), and what lies beside it."""
    return [value, *files_of(root, event)]


def are_there(root: str, event: Event) -> bool:
    """Whether the value files of a run are there, whatever is in them."""
    return all(os.path.exists(os.path.join(root, name)) for name, _ in named_in(event.trace))


def unneeded(root: str, before: Iterable[Event], after: Iterable[Event]) -> list[str]:
    """The value files of runs that no run names which stays."""
    kept = {path for event in after for path in files_of(root, event)}
    return [path for event in before for path in files_of(root, event) if path not in kept]


def _is_plain(name: str) -> bool:
    folders = name.split("/")
    is_safe = all(each not in ("", ".", "..") and os.sep not in each and "\0" not in each for each in folders)
    return len(folders) == 3 and folders[0] == VALUES and is_safe


# ---------------------------------------------------------------- writing


class Draft:
    """A value that has been written, and is not in its place yet."""

    def __init__(self, root: str, trust: Trust, fname: str, beside: Beside) -> None:
        self.root, self._trust, self._beside = root, trust, beside
        self._home = f"{root}/{VALUES}/{safe_name(fname)}"
        self._folder = f"{self._home}/.{os.getpid()}.{id(self):x}.{next(_count)}{TEMPORARY}"
        self._suffix = value_formats.suffix_of(beside.form, beside.codec)
        self._path = f"{self._folder}/value.{self._suffix}"
        self._said = ""
        self.size = 0

    def write(self, value: Any) -> Any:
        """Write the value, and give what is read back."""
        try:
            self._trust.make_folder(self._folder)
        except FileNotFoundError:  # another one removed the empty folder around it just now
            self._trust.make_folder(self._folder)
        mark(f"{self._folder}/CACHEDIR.TAG", self._trust)  # if the process dies now, it is known as ours
        beside = self._beside
        beside.detail = value_formats.write(beside.form, value, self._path, beside.codec)
        beside.by = value_formats.versions(beside.form, beside.detail)
        self._open_up()
        self._said = said_of(self._path, is_signed=self._trust.key is not None)
        self.size = size_of(self._path)
        return read(self._path, beside, self._said)

    def _open_up(self) -> None:
        for path in _parts(self._path):
            if self._trust.umask is not None:
                os.chmod(path, (0o777 if os.path.isdir(path) else 0o644) & ~self._trust.umask)

    def place(self, labels: Iterable[str], key: str) -> tuple[Payload, Dep]:
        """Give the file its name; what the entry holds, and what the trace says."""
        digits = self._said.partition(":")[2][:_DIGITS]
        name = f"{_short(labels)}{key[:_DIGITS]}-{digits}.{self._suffix}"
        path = f"{self._home}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):  # a damaged one: it cannot be replaced at once
            os.rename(path, f"{self._folder}/before")
        os.replace(self._path, path)
        self.discard()
        return pack(self._beside), Dep(VALUE_FILE, f"{VALUES}/{os.path.basename(self._home)}/{name}", self._said)

    def discard(self) -> None:
        """Remove what is left of the writing."""
        from shutil import rmtree

        rmtree(self._folder, ignore_errors=True)
        if not os.path.exists(self._folder):
            _remove_empty(self._home)


def _short(labels: Iterable[str]) -> str:
    """Short texts of arguments as the beginning of a name, with a dash behind them."""
    lasts = [label.strip("'\"").replace("\\", "/").rstrip("/").rpartition("/")[2] for label in labels]
    text = "_".join(filter(None, lasts))[:_LABEL]
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-=") else "_" for c in text).lstrip(".-")
    return f"{safe}-" if safe else ""


# ---------------------------------------------------------------- reading


def settled(
    root: str, event: Event, value: Any, trust: Trust, digest: Callable[[Any], str] | None = None
) -> Any:
    """What an entry holds, or what lies beside it; EntryError if that is not what was written.

    digest: of a value; what is read by other code than it was written by is compared.
    """
    if type(value) is not Beside:
        return value
    (name, said), *more = named_in(event.trace) or [("", "")]
    path = os.path.join(root, name)
    if more or not _is_plain(name):
        raise EntryError(f"{root} has an entry that names {name!r}, which cannot be the file of its value")
    if trust.key is not None and not said.startswith(_SIGNED):
        raise UntrustedEntryError(f"{path} was written without the signing key: it is not used")
    try:
        for each in _parts(path):
            trust.check_owner(each, os.lstat(each).st_uid)
    except FileNotFoundError:
        raise EntryReplacedError(f"{path} is gone") from None
    found = read(path, value, said)
    is_same_code = isinstance(value.form, str) and value.by == value_formats.versions(value.form, value.detail)
    if not is_same_code and digest is not None and digest(found) != event.trace.result:
        raise EntryError(f"{path} is read otherwise than when it was written: its library or its format changed")
    return found


def read(path: str, beside: Beside, said: str) -> Any:
    """The value in a file whose content is checked in full."""
    data = check(path, said, keeps=not value_formats.is_tree(beside.form))
    return value_formats.read(beside.form, beside.detail, beside.codec, path, data)


def check(path: str, said: str, *, keeps: bool = False) -> bytes:
    """EntryError if the content is not what was written, EntryReplacedError if there is none; the bytes, if wanted."""
    kind = said.partition(":")[0]
    try:
        if keeps and os.path.isfile(path):
            data = _whole(path)
            now = _said(kind, [data])
        else:
            data, now = b"", _said(kind, _content(path))
    except FileNotFoundError:
        raise EntryReplacedError(f"{path} is gone") from None
    if now != said:
        raise EntryError(f"{path} is not as it was written: its checksum differs")
    return data


def said_of(path: str, *, is_signed: bool) -> str:
    """What a trace says of a file or folder: by a digest that nobody can forge, where entries are signed."""
    return _said(_SIGNED if is_signed else _PLAIN, _content(path))


def _said(kind: str, chunks: Iterable[bytes]) -> str:
    if kind == _SIGNED:
        import hashlib

        digest: Any = hashlib.sha256()
    else:
        digest = xxh3_128()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return f"{kind}:{digest.hexdigest()}:{size}"


def _whole(path: str) -> bytes:
    with open(path, "rb", opener=_open_file) as file:
        return file.read()


def _content(path: str) -> Iterator[bytes]:
    """The bytes of a file; of a folder the names and bytes of all below it."""
    for each in _parts(path):
        if each != path:
            yield f"\0{os.path.relpath(each, path)}\0".encode("utf-8", "surrogatepass")
        if not os.path.isdir(each):
            with open(each, "rb", opener=_open_file) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk


def _open_file(path: str, flags: int) -> int:
    fd = os.open(path, flags | _OPEN)
    if not stats.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise EntryError(f"{path} is no file")
    return fd


def _parts(path: str) -> Iterator[str]:
    """A file; or a folder and all below it, in the order of their names."""
    yield path
    if os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            yield from _parts(f"{path}/{name}")


# ---------------------------------------------------------------- carrying them elsewhere


def carried(root: str, event: Event) -> dict[str, str]:
    """The files in which the value of a run lies beside its entry: the names below the cache directory, the paths."""
    paths = [each for path in files_of(root, event) for each in _parts(path) if not os.path.isdir(each)]
    return {os.path.relpath(path, root).replace(os.sep, "/"): path for path in paths}


def arrive(root: str, event: Event, parts: dict[str, bytes], trust: Trust) -> None:
    """Put the files of a run, which came from elsewhere, in their places; EntryError if they are not what it says."""
    for name, said in named_in(event.trace):
        path = os.path.join(root, name)
        if not _is_plain(name):
            raise EntryError(f"{root} is to have {name!r}, which cannot be the file of a value")
        if os.path.exists(path) and said_of(path, is_signed=said.startswith(_SIGNED)) == said:
            continue
        folder = f"{os.path.dirname(path)}/.{os.getpid()}.{next(_count)}{TEMPORARY}"
        trust.make_folder(folder)
        mark(f"{folder}/CACHEDIR.TAG", trust)
        try:
            for each, data in parts.items():
                if each == name or each.startswith(f"{name}/"):
                    _write_part(f"{folder}/value{each[len(name):]}", data, trust)
            check(f"{folder}/value", said)
            os.replace(f"{folder}/value", path)
        finally:
            from shutil import rmtree

            rmtree(folder, ignore_errors=True)


def _write_part(path: str, data: bytes, trust: Trust) -> None:
    if ".." in path.split("/"):
        raise EntryError(f"{path} leads elsewhere")
    trust.make_folder(os.path.dirname(path))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        trust.open_up(fd)
        write_all(fd, data)
    finally:
        os.close(fd)


# ---------------------------------------------------------------- looking after them


def size_of(path: str) -> int:
    """The bytes of a file, or of all below a folder; 0 if it is gone."""
    try:
        return sum(os.lstat(each).st_size for each in _parts(path) if not os.path.isdir(each))
    except OSError:
        return 0


def remove(path: str) -> None:
    """Remove a value file, best effort, and its folder if that is empty then."""
    if os.path.isdir(path) and not os.path.islink(path):
        from shutil import rmtree

        rmtree(path, ignore_errors=True)
    else:
        unlink(path)
    _remove_empty(os.path.dirname(path))


def _remove_empty(folder: str) -> None:
    for each in (folder, os.path.dirname(folder)):
        try:
            os.rmdir(each)
        except OSError:  # there is something in it, or it is gone
            return


def stored(root: str) -> Iterator[str]:
    """The paths of all that lies where value files do; no link leads out of there."""
    top = os.path.join(root, VALUES)
    for folder in [] if os.path.islink(top) else listed(top):
        home = os.path.join(top, folder)
        if not os.path.islink(home):
            yield from (os.path.join(home, name) for name in listed(home))


def is_ours(path: str) -> bool:
    """Whether cachepy wrote a file there: its name tells of its content."""
    name = os.path.basename(path)
    try:
        found = [_said(kind, _content(path)).partition(":")[2][:_DIGITS] for kind in (_PLAIN, _SIGNED)]
    except (EntryError, OSError):
        return False
    return any(f"-{each}." in name for each in found)
