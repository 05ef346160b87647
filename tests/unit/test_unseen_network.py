"""Hosts that bodies ask, by a server in a thread: by which name they are recorded, and who is not blamed."""

from __future__ import annotations

import asyncio
import http.client
import logging.handlers
import socket
import sys
import threading
import types
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cachepy import UnseenInputError, UnseenInputWarning, cache_file, cache_tree_nodes
from cachepy.calls import file_watch
from cachepy.calls.file_events import events
from cachepy.calls.library_files import Notes
from cachepy.calls.unseen_network import Network, of_connection, of_url
from tests.observed import folder  # noqa: F401 - a fixture

HERE = ["network localhost"]


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@contextmanager
def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def port(folder):
    with served() as found:
        yield found


def recorded(body, *args, **options):
    """What one run of a body is recorded with."""
    cached = cache_file("cache", warn_cheap=False, **{"unseen": "ok", "ignore_globals": ["KEPT"], **options})(body)
    cached(*args)
    (node,) = [each for each in cache_tree_nodes().values() if each["fname"] == body.__name__]
    return node["unseen"]


def by_urllib(port):
    return urllib.request.urlopen(f"http://localhost:{port}/").read()


def by_address(port):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()


def by_requests(port):
    import requests

    return requests.get(f"http://localhost:{port}/", timeout=5).content


def by_socket(port):
    with socket.socket() as plain:
        return plain.connect_ex(("127.0.0.1", port))


def by_asyncio(port):
    async def ask():
        reader, writer = await asyncio.open_connection("localhost", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return line

    return asyncio.run(ask())


def in_threads(port):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(by_urllib, [port, port]))


def in_a_thread_of_its_own_with_code_of_a_library(port):
    def serve():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(urllib.request.urlopen, f"http://localhost:{port}/").result().read()

    return serve()


@pytest.mark.parametrize(
    "body", [by_urllib, by_address, by_requests, by_socket, by_asyncio, in_threads,
             in_a_thread_of_its_own_with_code_of_a_library]
)  # fmt: skip
def test_a_host_is_recorded_without_a_port_of_the_moment(body, port):
    assert recorded(body, port) == HERE


def test_a_coroutine(port):
    @cache_file("cache", unseen="ok")
    async def ask(port):
        _, writer = await asyncio.open_connection("localhost", port)
        writer.close()

    asyncio.run(ask(port))
    assert [node["unseen"] for node in cache_tree_nodes().values()] == [HERE]


KEPT: list[http.client.HTTPConnection] = []


def over_a_kept_connection(number):
    KEPT[0].request("GET", "/")
    return number, KEPT[0].getresponse().read()


def test_a_connection_of_an_earlier_call_counts_where_it_is_used(port):
    file_watch.start()
    KEPT[:] = [http.client.HTTPConnection("localhost", port)]
    KEPT[0].connect()
    assert recorded(over_a_kept_connection, 1) == HERE
    KEPT.pop().close()


def test_it_is_said_and_refused(port):
    with pytest.warns(UnseenInputWarning, match="by_urllib depends on network localhost, whose changes"):
        recorded(by_urllib, port, unseen="warn")
    with pytest.raises(UnseenInputError, match="by_address depends on network localhost"):
        recorded(by_address, port, unseen="error")
    assert not cache_file("cache")(by_address).is_cached(port)


# ---------------------------------------------------------------- who is not blamed


def local(path):
    first, second = socket.socketpair()
    first.sendall(b"x")
    second.recv(1)
    first.close()
    second.close()


def logs(port):
    handler = logging.handlers.SocketHandler("127.0.0.1", port)
    handler.emit(logging.makeLogRecord({"msg": "x"}))
    handler.close()


def serves(number):
    """It answers others, and asks nobody."""
    with served() as port:
        return number, port > 0


@pytest.mark.parametrize("body", [local, logs, serves])
def test_what_asks_no_host(body, port):
    assert recorded(body, port) == []


def test_what_does_not_observe(port):
    assert recorded(by_urllib, port, observe=False) == []


def test_threads_that_were_there_before(port):
    asked, go, done = [], threading.Event(), threading.Event()

    def waits(connect=socket.create_connection):
        go.wait()
        asked.append(connect(("127.0.0.1", port)))
        done.set()

    waits.__code__ = waits.__code__.replace(co_filename=http.client.__file__)  # code of a library
    threading.Thread(target=waits, daemon=True).start()

    def body(number):
        go.set()
        return done.wait(5), number

    assert recorded(body, 1, ignore_globals=["go", "done"]) == []
    asked.pop().close()


def test_dask_computes_for_a_body(port):
    def body(port):
        scope = {"__name__": "distributed.comm.tcp", "socket": socket}
        code = compile("socket.create_connection(('127.0.0.1', port)).close()", http.client.__file__, "exec")
        exec(code, scope | {"port": port})

    assert recorded(body, port) == []


# ---------------------------------------------------------------- by which name


def test_the_name_that_was_looked_up(monkeypatch):
    network = Network(events)
    network._plain = lambda host, *_: [(2, 1, 6, "", ("93.184.216.34", 443)), (10, 1, 6, "", ("2001:db8::1", 443, 0, 0))]
    network._found("example.org", 443)
    assert network.name_of(("93.184.216.34", 443)) == "network example.org:443"
    assert network.name_of(("2001:db8::1", 443, 0, 0)) == "network example.org:443"
    assert network.name_of(("2001:db8::2", 5432, 0, 0)) == "network [2001:db8::2]:5432"
    assert network.name_of(("127.0.0.1", 5432)) == network.name_of(("::1", 5432, 0, 0)) == "network localhost:5432"
    assert network.name_of(("10.0.0.1", 50_000)) == "network 10.0.0.1"


@pytest.mark.parametrize("address", ["/run/socket", b"\0name", (1, 2), ("eth0",), None, ("a", "b")])
def test_what_is_no_address_of_the_internet(address):
    assert Network(events).name_of(address) is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://ann:secret@example.org/a?b=c://d", "network example.org:443"),
        ("http://example.org:8080/a", "network example.org:8080"),
        ("s3://bucket/a.parquet", "network s3://bucket"),
        ("/vsicurl/https://example.org/a.tif", "network example.org:443"),
        ("sqlite:///a.db", None),
        ("memory://a", None),
        ("data/a.csv", None),
    ],
)
def test_urls(url, name):
    assert of_url(url) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("host=db.example.org port=5433 password=secret",), "network db.example.org:5433"),
        (("postgresql://ann:secret@db.example.org/a",), "network db.example.org"),
        (("DRIVER={x};SERVER=tcp:db.example.org,1433;PWD=secret",), "network db.example.org"),
        (("", "db", 5432), "network db:5432"),
        (("db.example.org",), "network db.example.org"),
        (("DSN=all;PWD=secret",), "a database by driver"),
        ((None,), "a database by driver"),
    ],
)
def test_databases_without_passwords(given, name):
    assert of_connection("driver", *given) == name


def test_a_reader_in_c_that_is_given_a_url():
    asked = []
    told = types.SimpleNamespace(ask=asked.append, read=asked.append, rewrite=asked.append)
    Notes(told, lambda: True)._read("s3://bucket/a.parquet")
    assert asked == ["network s3://bucket"]


def test_a_driver_in_c(folder, monkeypatch):
    driver = types.ModuleType("pymssql")
    exec(compile("def connect(server='', **more):\n    return 'rows'", http.client.__file__, "exec"), vars(driver))
    driver.connect.__module__ = "pymssql"
    monkeypatch.setitem(sys.modules, "pymssql", driver)
    file_watch.stop()  # it is looked for when bodies are watched again

    def body(number):
        return number, driver.connect(host="db.example.org", password="secret")

    assert recorded(body, 1, ignore_globals=["driver"]) == ["network db.example.org"]
