"""What is on its way to a remote cache: sent at once, or by a thread of its own; before a program ends all has gone."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from weakref import ref

from cachepy.core.current import NOBODY, enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import ReferenceType

_MOST = 1 << 28  # bytes that may be under way; who sends more waits


class Sender:
    """Sends in the order of its calls; send: puts one object there; last: is called when all has gone."""

    def __init__(self, send: Callable[[str, bytes], object], last: Callable[[], None]) -> None:
        self._send = send
        self._last = last
        self.is_in_background = False
        self._todo: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        _at_end(ref(self))

    def send(self, name: str, data: bytes) -> None:
        """Send an object now, or soon."""
        if not self.is_in_background:
            self._send(name, data)
            return
        if self._pid != os.getpid():  # what the parent has to send, the parent sends
            self._pid, self._thread, self._bytes = os.getpid(), None, 0
            self._todo, self._changed = SimpleQueue(), threading.Condition()
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < _MOST)
            self._bytes += len(data) + 1
            self._todo.put((name, data))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cachepy-remote", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        enter(NOBODY)
        while True:
            name, data = self._todo.get()
            try:
                self._send(name, data)
            finally:
                with self._changed:
                    self._bytes -= len(data) + 1
                    self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all has been sent, or could not be."""
        if self._thread is not None and self._pid == os.getpid():
            with self._changed:
                self._changed.wait_for(lambda: not self._bytes)
        self._last()


def _at_end(sender: ReferenceType[Sender]) -> None:
    """Before threads end: later, libraries can start none, and connections need them."""

    def flush() -> None:
        found = sender()
        if found is not None:
            found.flush()

    try:
        threading._register_atexit(flush)  # type: ignore[attr-defined]  # what concurrent.futures goes by
    except (AttributeError, RuntimeError):
        import atexit

        atexit.register(flush)
