"""Objects below one address, by fsspec: listed, read, written whole, and made only where none is.

Nothing here relies on renaming, on locks, or on the order of a listing.
"""

from __future__ import annotations

import os

from cachepy.store.asking import FRESH, Asker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_LOCAL = ("file", "local")
_READ_ONLY = ("http", "https", "github", "zip", "tar")  # protocols that nobody expects to write by


class Objects:
    """Objects whose names begin at an address.

    Examples
    --------
    >>> objects = Objects("memory://doc")
    >>> objects.create("a/1", b"x"), objects.create("a/1", b"y")
    (True, False)
    >>> objects.read("a/1"), objects.names("a/")
    (b'x', {'a/1': 1})
    """

    def __init__(self, url: str, patience: float | None = None) -> None:
        self.url = url.rstrip("/")
        self.protocol = self.url.partition("://")[0] if "://" in self.url else "file"
        self.can_create = True  # a write of the store itself may be on the condition that nothing is there
        self.is_read_only = self.protocol in _READ_ONLY
        self._asker = Asker(f"the remote cache {self.url}", patience)
        self._ask = self._asker.ask
        self._made: tuple[int, Any, str] | None = None

    def __repr__(self) -> str:
        return f"Objects({self.url!r})"

    # -- what is asked

    def names(self, prefix: str = "") -> dict[str, int]:
        """The objects whose names begin so, each with its bytes; a prefix ends at a slash, or is in its last part."""
        try:
            return dict(self._ask(self._names, prefix))
        except FileNotFoundError as error:  # not of a prefix, below which nothing is: of all that it lies in
            raise self._asker.failed(f"is not there ({error})") from error

    def read(self, name: str, size: int = 0, most: int | None = None) -> bytes:
        """An object, or its beginning; FileNotFoundError if there is none. size: how long it is, if that is known."""
        data: bytes = self._ask(self._read, name, most or size, size=min(size, most or size))
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put an object there, whatever was."""
        self._ask(self._write, name, data, size=len(data))

    def create(self, name: str, data: bytes) -> bool:
        """Put an object there if there is none; False if there is one.

        Where the store knows no such condition (see `can_create`), two may succeed at once.
        """
        return bool(self._ask(self._create, name, data, size=len(data)))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; they may be gone."""
        names = list(names)
        if names:
            self._ask(self._remove, names)

    def is_at_rest(self) -> bool:
        """Whether nothing is asked for now, because there was no answer a moment ago."""
        return self._asker.is_at_rest()

    @property
    def requests(self) -> int:
        """How many were made."""
        return self._asker.requests

    # -- how

    def _fs(self) -> tuple[Any, str]:
        """The file system, made anew in a forked child, and the path below it."""
        if self._made is None or self._made[0] != os.getpid():
            from fsspec.core import url_to_fs

            options = {**FRESH, "auto_mkdir": True} if self.protocol in _LOCAL else FRESH
            fs, path = url_to_fs(self.url, **options)
            self._made = os.getpid(), fs, path.rstrip("/")
        return self._made[1:]

    def _names(self, prefix: str) -> dict[str, int]:
        fs, root = self._fs()
        folder, _, start = prefix.rpartition("/")
        base = f"{root}/{folder}" if folder else root
        if _lists_by_prefix(fs):
            found = fs.find(base, prefix=start, detail=True) if start else _listed(fs, base)
        else:
            try:
                found = fs.find(base, detail=True)
            except FileNotFoundError:
                found = {}
        cut, whole = len(root) + 1, f"{root}/{prefix}"
        names = {path[cut:]: info for path, info in found.items() if path.startswith(whole)}
        return {name: int(info.get("size") or 0) for name, info in names.items() if not name.endswith(".part")}

    def _read(self, name: str, end: int) -> bytes:
        fs, root = self._fs()
        part = {"start": 0, "end": end} if end and _lists_by_prefix(fs) else {}  # else it is asked first how long it is
        return bytes(fs.cat_file(f"{root}/{name}", **part))

    def _write(self, name: str, data: bytes) -> None:
        fs, root = self._fs()
        path = f"{root}/{name}"
        if self.protocol in _LOCAL:
            _replace(fs, path, data)
            return
        self._make_room(fs, path)
        fs.pipe_file(path, data)

    def _create(self, name: str, data: bytes) -> bool:
        fs, root = self._fs()
        path = f"{root}/{name}"
        if self.protocol in _LOCAL:
            return _link(fs, path, data)
        self._make_room(fs, path)
        try:
            fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if "PreconditionFailed" in f"{error!r}" or getattr(error, "errno", None) == 17:
                return False
            raise
        except (TypeError, ValueError, NotImplementedError):  # it knows no such mode
            self.can_create = False
            if fs.exists(path):
                return False
            fs.pipe_file(path, data)
        return True

    def _make_room(self, fs: Any, path: str) -> None:
        """Where folders are more than parts of names."""
        if not _lists_by_prefix(fs) and self.protocol != "memory":
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _remove(self, names: list[str]) -> None:
        fs, root = self._fs()
        try:
            fs.rm([f"{root}/{name}" for name in names])
        except FileNotFoundError:
            if len(names) > 1:
                for name in names:
                    self._remove([name])


def _listed(fs: Any, base: str) -> dict[str, Any]:
    """All below a folder, by one request: where nothing is, some ask once more whether it is an object itself."""
    parent, _, last = base.rpartition("/")
    return dict(fs.find(parent, prefix=f"{last}/", detail=True)) if "/" in parent else dict(fs.find(base, detail=True))


def _lists_by_prefix(fs: Any) -> bool:
    """Whether it is a store of objects: one listing gives all names that begin so."""
    find = getattr(type(fs), "_find", None) or type(fs).find
    return "prefix" in find.__code__.co_varnames[: find.__code__.co_argcount + find.__code__.co_kwonlyargcount]


def _replace(fs: Any, path: str, data: bytes) -> None:
    part = _part(fs, path, data)
    try:
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def _link(fs: Any, path: str, data: bytes) -> bool:
    """A file is there whole or not at all, and only once."""
    part = _part(fs, path, data)
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(part)
    return True


def _part(fs: Any, path: str, data: bytes) -> str:
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    part = f"{path}.{os.urandom(6).hex()}.part"
    fs.pipe_file(part, data)
    return part
