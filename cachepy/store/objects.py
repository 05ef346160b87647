"""Objects below one address, by fsspec: listed, read, written whole, and made only where none is.

Nothing here relies on renaming, on locks, or on the order of a listing.  Each request has an end: what gives no answer
is `RemoteError`, and then nothing is asked for a while.  Requests run in threads of their own, which belong to no call:
what they open and whom they ask is no input of a body that runs meanwhile.
"""

from __future__ import annotations

import os
import time
from queue import SimpleQueue
from threading import Thread

from cachepy.core.current import NOBODY, enter, leave
from cachepy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

PATIENCE = 20.0  # s for an answer, beside what its size takes
_SLOWEST = 250_000.0  # bytes in a second; slower counts as no answer
_REST = 30.0  # s for which nothing is asked after there was no answer
_AT_ONCE = 16  # requests
_LOCAL = ("file", "local")
_READ_ONLY = ("http", "https", "github", "zip", "tar")  # protocols that nobody expects to write by
_OPTIONS = {"use_listings_cache": False, "skip_instance_cache": True}


class RemoteError(OSError):
    """A remote store cannot be used; the text names it, and what it said.

    Examples
    --------
    >>> from cachepy.store.objects import RemoteError
    >>> str(RemoteError("s3://results gave no answer"))
    's3://results gave no answer'
    """


def patience_of_environment() -> float:
    """``CACHEPY_REMOTE_TIMEOUT``, in seconds."""
    text = os.environ.get("CACHEPY_REMOTE_TIMEOUT", "")
    try:
        seconds = float(text or PATIENCE)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"CACHEPY_REMOTE_TIMEOUT must be a number of seconds, not {text!r}")
    return seconds


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
        self.requests = 0  # that were made
        self._patience = patience_of_environment() if patience is None else patience
        self._rests_until = 0.0
        self._why = ""
        self._made: tuple[int, Any, str] | None = None

    def __repr__(self) -> str:
        return f"Objects({self.url!r})"

    # -- what is asked

    def names(self, prefix: str = "") -> dict[str, int]:
        """The objects whose names begin so, each with its bytes; a prefix ends at a slash, or is in its last part."""
        try:
            return dict(self._ask(self._names, prefix))
        except FileNotFoundError as error:  # not of a prefix, below which nothing is: of all that it lies in
            raise self._failed(f"is not there ({error})") from error

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
        return time.monotonic() < self._rests_until

    # -- how

    def _ask(self, do: Callable[..., Any], *args: Any, size: int = 0) -> Any:
        """What a request gives; FileNotFoundError of what is not there, else RemoteError."""
        if self.is_at_rest():
            raise RemoteError(self._why)
        self.requests += 1
        answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        Thread(target=_answer, args=(answers, do, args), name="cachepy-remote", daemon=True).start()
        seconds = self._patience + size / _SLOWEST
        try:
            value, error = answers.get(timeout=seconds)
        except Exception:  # `Empty`, whose module need not be loaded for it
            raise self._failed(f"gave no answer within {seconds:.0f} s") from None
        if error is None:
            return value
        if isinstance(error, FileNotFoundError):
            raise error
        if isinstance(error, PermissionError):
            raise self._failed(f"refuses this ({error})") from error
        if isinstance(error, ImportError):
            raise self._failed(f"needs a package that is not installed ({error})") from error
        raise self._failed(f"cannot be used ({type(error).__name__}: {error})") from error

    def _failed(self, what: str) -> RemoteError:
        self._why = f"the remote cache {self.url} {what}"[:500]
        self._rests_until = time.monotonic() + _REST
        return RemoteError(self._why)

    def _fs(self) -> tuple[Any, str]:
        """The file system, made anew in a forked child, and the path below it."""
        if self._made is None or self._made[0] != os.getpid():
            from fsspec.core import url_to_fs

            options = {**_OPTIONS, "auto_mkdir": True} if self.protocol in _LOCAL else _OPTIONS
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


def _answer(answers: SimpleQueue[tuple[Any, BaseException | None]], do: Callable[..., Any], args: Any) -> None:
    enter(NOBODY)
    try:
        answers.put((do(*args), None))
    except BaseException as error:
        answers.put((None, error))


def at_once(do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """What it gives of each, made side by side: waiting for one is waiting for all."""
    items = list(items)
    found: list[Any] = [None] * len(items)
    todo: SimpleQueue[int] = SimpleQueue()
    for i in range(len(items)):
        todo.put(i)

    def work() -> None:
        enter(NOBODY)
        while not todo.empty():
            try:
                i = todo.get_nowait()
            except Exception:  # another one took the last
                return
            try:
                found[i] = do(items[i])
            except Exception as error:
                found[i] = error

    threads = [Thread(target=work, name="cachepy-remote", daemon=True) for _ in range(min(_AT_ONCE, len(items)) - 1)]
    for each in threads:
        each.start()
    before = enter(NOBODY)
    try:
        work()
    finally:
        leave(before)
    for each in threads:
        each.join()
    return found


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
