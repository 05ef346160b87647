"""Who holds a claim: host, boot, process and start time; how that is written, read, and known to be dead."""

from __future__ import annotations

import os

from cachepy.store.entryfile import MAGIC, START, format_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALIVE = "?"  # a process exists; whether it is the one that was meant is not known
_PIDS = 1 << 31


def stat_fields(pid: int) -> list[bytes]:
    """What Linux tells of a process behind its name, which may hold anything: its state first (``man 5 proc``)."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def process_start(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None if there is no such process."""
    try:
        fields = stat_fields(pid)
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (FileNotFoundError, ProcessLookupError):
        return _exists(pid) if os.path.exists("/proc/self/stat") else _alive(pid)  # it may be hidden from us
    except OSError:
        return _alive(pid)


def _alive(pid: int) -> str | None:
    """Without /proc: when the process started, as psutil knows it, else ALIVE if there is one of this number."""
    try:
        from psutil import STATUS_ZOMBIE, NoSuchProcess, Process
    except ImportError:
        return _exists(pid)
    try:
        process = Process(pid)
        return None if process.status() == STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except NoSuchProcess:
        return None
    except Exception:  # of another user, or whatever a strange system says
        return _exists(pid)


def _exists(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ALIVE


def host_id() -> str:
    """Names this machine since its last start: processes are comparable only within it."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        return f"{os.uname().nodename}:{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "?")


class Owner:
    """The process, as written into its claims; made anew after a fork."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.host = host_id()
        self.start = process_start(self.pid)
        user = os.geteuid() if hasattr(os, "geteuid") else ""
        self.origin = f"{self.host.partition(':')[0]}:{self.pid}:{self.start}:{user}"  # as events have it
        self._token = f"{self.pid}-{self.start}-"
        self._text = f"{self.host}\n{self.pid}\n{self.start or ''}\n".encode()

    def sign(self, mark: str) -> tuple[str, bytes]:
        """The token of a claim and what stands in it; mark: no other claim of this process has it."""
        token = self._token + mark
        text = self._text + token.encode()
        return token, START.pack(MAGIC, len(text)) + text

    def is_self(self, other: tuple[Any, ...]) -> bool:
        """Whether the owner of a claim is this very process."""
        return other[:3] == (self.host, self.pid, self.start)

    def is_dead(self, other: tuple[Any, ...]) -> bool:
        """Whether the owner of a claim is certainly gone (only ever known on the same host)."""
        return self.lives(other) is False

    def lives(self, other: tuple[Any, ...]) -> bool | None:
        """Whether the owner of a claim is there; None if that is not known, as of another host."""
        host, pid, start, _ = other
        now = process_start(pid) if host == self.host else ALIVE
        if now is None:
            return False
        return None if ALIVE in (now, start) else now == start


def is_running(origin: str) -> bool:
    """Whether the process that recorded an event is there still; False if nobody knows, as of another host."""
    host, pid, start, *_ = (*origin.split(":"), "", "")
    return host == host_id().partition(":")[0] and pid.isdecimal() and process_start(int(pid)) == start


def start_of(path: str) -> bytes:
    """The beginning of a file; without waiting for a fifo, and in few frames: the stack may be near its end."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def read_claim(path: str) -> Any:
    """Who holds a claim; None while it is being written, or if it is gone."""
    try:
        return owner_in(start_of(path))
    except OSError:
        return None


def owner_in(data: bytes) -> tuple[str, int, str | None, str] | None:
    """Host, process, start and token in the beginning of a claim, or of an entry; None if they are not there.

    In every format these four lines come first: who waits for a call has to know its owner, whatever his version.
    """
    if len(data) < START.size:
        return None
    magic, length = START.unpack_from(data)
    text = data[START.size : START.size + length]
    fields = text.decode("utf-8", "replace").split("\n")
    if format_of(magic) is None or len(text) != length or len(fields) < 4 or not fields[1].isdecimal():
        return None
    pid = int(fields[1]) if len(fields[1]) < 12 else 0
    return (fields[0], pid, fields[2] or None, fields[3]) if 0 < pid < _PIDS else None
