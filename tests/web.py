"""A server of the web that has one page, under every name."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Web:
    """The server; a `with` block ends it.

    status, content: of the page; tag: whether it has an ETag; heads: the status for HEAD; asked: the methods so far.
    """

    def __init__(self) -> None:
        self.status, self.content, self.tag, self.heads = 200, b"1", True, 200
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.command)
                status = outer.status if self.command == "GET" or outer.heads == 200 else outer.heads
                self.send_response(status)
                if outer.tag:
                    self.send_header("ETag", f'"{hash(outer.content)}"')
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(outer.content)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/x.csv"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
