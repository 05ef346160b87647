"""A store of objects as it is in the cloud: S3 by moto, in a process of its own, behind a proxy that counts and fails."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

ACCOUNT = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
_PASSED = {"connection", "transfer-encoding", "host"}  # headers of one connection


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class S3:
    """The server, and buckets in it."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the S3 server does not start")

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body)
        body = connection.getresponse().read()
        connection.close()
        return body

    def reset(self) -> None:
        """Nothing but one empty bucket."""
        self.ask("POST", "/moto-api/reset")
        self.ask("PUT", "/results")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Proxy:
    """Between a program and the server.

    asked: each request as (method, path); fault: is asked for each, and may answer in its place: with a status, with
    "cut" (half of the answer), "drop" (a closed connection), or "hang"; delay: seconds before each.
    """

    def __init__(self, port: int) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fault: Any = None
        self.delay = 0.0
        self.bytes = 0
        self._going = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, ValueError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None: ...

            def _pass(self) -> None:
                body = self._body()
                outer.asked.append((self.command, self.path))
                time.sleep(outer.delay)
                fault = outer.fault(self.command, self.path) if outer.fault is not None else None
                if fault == "hang":
                    while outer._going and outer.fault is not None:
                        time.sleep(0.05)
                    fault = "drop"
                if fault == "drop":
                    self.close_connection = True
                    return
                if isinstance(fault, int):
                    self._answer(fault, [], b"<Error><Code>%s</Code></Error>" % _CODES[fault])
                    return
                status, headers, answer = outer._forward(port, self, body)
                self._answer(status, headers, answer, cut=fault == "cut")

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _answer(self, status: int, headers: Any, body: bytes, *, cut: bool = False) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in {*_PASSED, "content-length", "server", "date"}:
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length", len(body)) if self.command == "HEAD" else len(body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    outer.bytes += len(body)
                    self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection |= cut

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _forward(self, port: int, request: BaseHTTPRequestHandler, body: bytes) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _PASSED | {"content-length", "expect"}}
        headers["Content-Length"] = str(len(body))
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.getheaders(), answer.read()
        connection.close()
        return found

    @property
    def env(self) -> dict[str, str]:
        """What a program needs to reach the server through here."""
        return ACCOUNT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def kinds(self) -> list[str]:
        """What was asked since the last time: list, get, put, head, delete; with what of."""
        asked, self.asked = self.asked, []
        return [_kind(*each) for each in asked]

    def close(self) -> None:
        self._going, self.fault = False, None
        self._server.shutdown()
        self._server.server_close()


def _kind(method: str, path: str) -> str:
    path = unquote(path)
    if "list-type" in path:
        return f"list {path.partition('prefix=')[2].partition('&')[0].partition('/')[2].partition('/')[0]}"
    if "?delete" in path:
        return "delete"
    return f"{method.lower()} {path.split('/')[3]}"


_CODES = {403: b"AccessDenied", 404: b"NoSuchKey", 500: b"InternalError", 503: b"SlowDown"}
