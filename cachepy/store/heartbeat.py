"""Signs of life for claims while this process cannot give any: a body keeps the GIL, or the process is stopped.

A waiter on another host knows of an owner only that its claim is touched.  So where other hosts may look, a small
helper touches the claims that are held for longer than a heartbeat.  It is nobody's child, so that no program waits
for it, and it ends with its owner: its input is closed, or the owner is not there any more.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket

_PATIENCE = 2.0  # s that we wait for a helper that does not read
# which claims to touch, and which no more, comes on stdin, a line each: sign, token, path in hex
_HELPER = """
import os, select, sys
owner, pause = int(sys.argv[1]), float(sys.argv[2])
def start():
    try:
        with open("/proc/%d/stat" % owner, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19]
    except OSError:
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            return None
        return b""
began = start()
if began is None or os.fork():
    os._exit(0)
held, rest = {}, b""
while start() == began:
    if select.select([0], [], [], pause)[0]:
        data = os.read(0, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\\n")
        for line in lines:
            sign, token, path = line.split(b" ")
            path = bytes.fromhex(path.decode())
            held.pop(path, None)
            if sign == b"+":
                held[path] = token
    for path, token in held.items():
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                is_ours = token in os.read(fd, 4096)
            finally:
                os.close(fd)
            if is_ours:
                os.utime(path)
        except OSError:
            pass
"""


class Keeper:
    """The helper of this process, started when there is something to keep."""

    def __init__(self) -> None:
        self._helper: socket | None = None
        self._kept: set[tuple[str, str]] = set()
        self._is_possible = _can_start()

    def keep(self, claims: Iterable[tuple[str, str]], pause: float) -> None:
        """Have these claims touched, and no others; each is a path and what stands in the file.  Never an error."""
        wanted = set(claims)
        if wanted == self._kept or not self._is_possible:
            return
        lines = [_line(b"-", *each) for each in self._kept - wanted]
        lines += [_line(b"+", *each) for each in wanted - self._kept]
        try:
            if self._helper is None:
                self._helper = _start(pause)
            _send(self._helper, b"".join(lines))
            self._kept = wanted
        except (OSError, RuntimeError, ImportError):  # it was killed, or cannot be started: we go on without
            self._is_possible = False
            self.forget()

    def forget(self) -> None:
        """Close our end of its input; in a forked child that is only the child's copy."""
        helper, self._helper, self._kept = self._helper, None, set()
        if helper is not None:
            helper.close()


def _can_start() -> bool:
    """Whether `sys.executable` is Python: in a program that embeds it, that would be the program again."""
    name = os.path.basename(sys.executable or "").lower()
    return os.name == "posix" and name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


def _start(pause: float) -> socket:
    """Start the helper; our end of its input."""
    import socket
    import subprocess

    ours, its = socket.socketpair()
    try:
        with its:
            subprocess.run(  # noqa: S603 - this very Python, with our own text
                [sys.executable, "-I", "-S", "-c", _HELPER, str(os.getpid()), str(pause)],
                stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd="/", start_new_session=True, check=False,
            )  # fmt: skip  # in a session of its own: Ctrl-Z and Ctrl-C are not for it
        ours.settimeout(_PATIENCE)
    except BaseException:
        ours.close()
        raise
    return ours


def _send(helper: socket, data: bytes) -> None:
    """A program may have chosen to die of writing to a closed pipe; of this it must not."""
    import socket

    flags = getattr(socket, "MSG_NOSIGNAL", 0)
    while data:
        data = data[helper.send(data, flags) :]


def _line(sign: bytes, path: str, token: str) -> bytes:
    return b"%s %s %s\n" % (sign, token.encode(), os.fsencode(path).hex().encode())
