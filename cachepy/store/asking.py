"""Requests to what is far, each with an end: what gives no answer is an error, and then nothing is asked for a while.

They run in threads of their own, which belong to no call: what they open and whom they ask is no input of a body that
runs meanwhile.
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
FRESH: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
"""Options of a file system of fsspec that remembers nothing of what it was told before."""
_SLOWEST = 250_000.0  # bytes in a second; slower counts as no answer
_REST = 30.0  # s for which nothing is asked after there was no answer
_AT_ONCE = 16  # requests


class RemoteError(OSError):
    """What is far cannot be used; the text names it, and what it said.

    Examples
    --------
    >>> from cachepy.store.asking import RemoteError
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


class Asker:
    """Asks one store; name: what the texts of errors call it.

    Examples
    --------
    >>> asker = Asker("the shop")
    >>> asker.ask(max, 1, 2), asker.requests
    (2, 1)
    """

    def __init__(self, name: str, patience: float | None = None) -> None:
        self.requests = 0  # that were made
        self._name = name
        self._patience = patience_of_environment() if patience is None else patience
        self._rests_until = 0.0
        self._why = ""

    def is_at_rest(self) -> bool:
        """Whether nothing is asked for now, because there was no answer a moment ago."""
        return time.monotonic() < self._rests_until

    def ask(self, do: Callable[..., Any], *args: Any, size: int = 0) -> Any:
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
            raise self.failed(f"gave no answer within {seconds:.0f} s") from None
        if error is None:
            return value
        if isinstance(error, FileNotFoundError):
            raise error
        if isinstance(error, PermissionError):
            raise self.failed(f"refuses this ({error})") from error
        if isinstance(error, ImportError):
            raise self.failed(f"needs a package that is not installed ({error})") from error
        raise self.failed(f"cannot be used ({type(error).__name__}: {error})") from error

    def failed(self, what: str) -> RemoteError:
        """The error of a store that does not do what it is there for; from now on it has its rest."""
        self._why = f"{self._name} {what}"[:500]
        self._rests_until = time.monotonic() + _REST
        return RemoteError(self._why)


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
