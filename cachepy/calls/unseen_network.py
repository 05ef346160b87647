"""What bodies ask the network for: each host that they connect or send to, as the socket of Python is told.

All that is written in Python goes by it, asyncio too.  Readers and drivers written in C say it by their arguments: a
URL, the host of a database.  A connection that was kept from an earlier call counts where something is sent on it.

Not blamed on a body: what Dask and the like do to compute for it, what only reports, threads that were there before.
"""

from __future__ import annotations

import re
import sys
from _thread import get_ident
from weakref import WeakKeyDictionary

from cachepy.calls.entry_points import Pick
from cachepy.core.bodies import bodies
from cachepy.core.current import here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.file_events import FileEvents

    Picks = dict[str, list[tuple[str, list[Pick]]]]

_EPHEMERAL = 32_768  # ports from here on are another one in each run
_MOST = 10_000  # addresses
_ASIDE = frozenset({
    "distributed", "dask_plugin", "py4j", "ray", "ipyparallel",  # they compute for a body
    "sentry_sdk", "wandb", "opentelemetry", "prometheus_client", "statsd",  # they report
})  # fmt: skip
_SCHEMES = frozenset({
    "http", "https", "ftp", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs", "hf", "oss",
})  # fmt: skip
_PORTS = {"http": 80, "https": 443, "ftp": 21}
_SCHEME = re.compile(r"(\w+)://(?:[^/@?#]*@)?([^/?#]*)")
_HOST = re.compile(r"\b(?:host|server)\s*=\s*'?(?:tcp:)?([\w.-]+)", re.IGNORECASE)
_PORT = re.compile(r"\bport\s*=\s*'?(\d+)", re.IGNORECASE)


class Network:
    """The connections of this process; events: who hears of them."""

    def __init__(self, events: FileEvents) -> None:
        self._events = events
        self._hosts: dict[str, str] = {}  # address -> the name that was asked for
        self._connected: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._plain: Any = None  # `_socket.getaddrinfo`

    def picks(self) -> Picks:
        """What is to be seen of which module."""
        connects: Pick = _Method(self._connects, (("self", 0), ("address", 1)))
        sends: Pick = _Method(self._sends, (("self", 0),))
        return {
            "socket": [
                ("getaddrinfo", [Pick(self._looks_up, (("host", 0),))]),
                ("socket.connect", [connects]),
                ("socket.connect_ex", [connects]),
                ("socket.send", [sends]),
                ("socket.sendall", [sends]),
            ],
            "ssl": [("SSLSocket.send", [sends])],
            "grpc": [(name, [Pick(self._calls, (("target", 0),))]) for name in ("insecure_channel", "secure_channel")],
            **{module: [self._of_driver(module, *row)] for module, row in _DRIVERS.items()},
        }

    def _of_driver(self, module: str, name: str, parameter: str) -> tuple[str, list[Pick]]:
        def see(text: Any, host: Any, port: Any) -> None:
            self.tell(of_connection(module, text, host, port))

        return name, [Pick(see, ((parameter, 0), ("host", -1), ("port", -1)))]

    def _looks_up(self, _: Any) -> None:
        """A name is about to be looked up: from now on what it means is noted."""
        low = sys.modules["_socket"].__dict__
        if low["getaddrinfo"] != self._found:
            self._plain = low["getaddrinfo"]
            self._events.put(low, "getaddrinfo", self._found)

    def _found(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        found = self._plain(host, *args, **kwargs)
        if isinstance(host, str):
            if len(self._hosts) > _MOST:
                self._hosts.clear()
            self._hosts.update((row[4][0], host) for row in found if row[4][0] != host)
        return found

    def _connects(self, sock: Any, address: Any) -> None:
        name = self.name_of(address)
        if name is not None:
            self._connected[sock] = name
            self.tell(name)

    def _sends(self, sock: Any) -> None:
        if here() is None and not bodies:
            return
        name = self._connected.get(sock)
        if name is None:
            name = self._connected[sock] = self._of_peer(sock)
        if name:
            self.tell(name)

    def _of_peer(self, sock: Any) -> str:
        """Of a connection that nobody saw: whom it is with, if that is a server."""
        try:
            address = sock.getpeername()
        except OSError:
            return ""
        is_server = type(address) is tuple and len(address) > 1 and address[1] < _EPHEMERAL
        return (self.name_of(address) or "") if is_server else ""

    def _calls(self, target: Any) -> None:
        self.tell(f"network {str(target).rpartition('/')[2]}")

    def name_of(self, address: Any) -> str | None:
        """A host by the name that it was asked for; None of what is no address of the internet."""
        if type(address) is not tuple or len(address) < 2 or type(address[0]) is not str or type(address[1]) is not int:
            return None
        host: str = address[0]
        port: int = address[1]
        host = "localhost" if host == "::1" or host[:4] == "127." else self._hosts.get(host, host)
        host = f"[{host}]" if ":" in host else host
        return f"network {host}" if port >= _EPHEMERAL else f"network {host}:{port}"

    def tell(self, name: str | None) -> None:
        """The bodies for which this happens."""
        if name is not None and (here() is not None or bodies):
            at = self._events.above()
            if self._is_for_a_body(at):
                for sight in self._events.sights(at):
                    sight.ask(name)

    def _is_for_a_body(self, at: Any) -> bool:
        if _is_told_by_address():
            return False
        while at is not None:
            if str(at.f_globals.get("__name__")).partition(".")[0] in _ASIDE:
                return False
            if self._events.is_of_body(at):
                return True
            at = at.f_back
        me = get_ident()
        return here() is not None or not all(me in [t.ident for t in body.before] for body in list(bodies.values()))


def _is_told_by_address() -> bool:
    """Whether fsspec asks here, in its own thread, for what `far_reads` has told already."""
    asyn: Any = sys.modules.get("fsspec.asyn")
    thread = None if asyn is None else asyn.iothread[0]
    return thread is not None and thread.ident == get_ident()


_DRIVERS = {  # the function, and what its first parameter is called
    "psycopg2": ("connect", "dsn"),
    "psycopg": ("Connection.connect", "conninfo"),
    "pyodbc": ("connect", "connstring"),
    "MySQLdb": ("connect", "host"),
    "oracledb": ("connect", "dsn"),
    "pymssql": ("connect", "server"),
}


class _Method(Pick):
    """Of a method, with its object as the first argument."""

    __slots__ = ()

    def shifted(self) -> Pick:
        return self


def of_url(text: str) -> str | None:
    """What a URL leads to, without the name and the password in it; None if that is no host."""
    found = _SCHEME.search(text)
    if found is None or found[1].lower() not in _SCHEMES:
        return None
    scheme, host = found[1].lower(), found[2]
    if scheme not in _PORTS:
        return f"network {scheme}://{host}"
    return f"network {host}" if host.rpartition(":")[2].isdigit() else f"network {host}:{_PORTS[scheme]}"


def of_connection(library: str, text: Any, host: Any = None, port: Any = None) -> str:
    """The server of a database, by what a driver is given; never a password."""
    text = text if isinstance(text, str) else ""
    if not host:
        url, named = _SCHEME.search(text), _HOST.search(text)
        host = url[2] if url is not None else named[1] if named is not None else ""
        if not host and text and text.replace(".", "").replace("-", "").isalnum():  # a host alone
            host = text
    if not host:
        return f"a database by {library}"
    found = _PORT.search(text)
    port = port or (found[1] if found is not None else None)
    return f"network {host}:{port}" if port and ":" not in str(host) else f"network {host}"
