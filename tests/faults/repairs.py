"""A small pipeline whose cache is damaged, and looks at its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cachepy import cache_file, cache_tree_nodes, cache_tree_sync
from cachepy.session import Session, use_session


class Program:
    """A small pipeline: nested calls, a flow edge, and a call with three runs of which an old one holds."""

    def __init__(self, root, folder):
        self.path = folder / "x"
        cf = cache_file(root, ignore_globals=["self", "read", "clean"])

        @cf
        def read(name):
            return Path(name).read_text()

        @cf
        def clean(text):
            return text * 40

        @cf
        def report(name):
            return len(clean(read(name)))

        self.read, self.clean, self.report = read, clean, report

    def run(self):
        for text in ("a" * 99, "b" * 99, "c" * 99, "a" * 99):
            self.path.write_text(text)
            self.report(str(self.path))
        self.clean(self.read(str(self.path)))


def graph(root):
    """The graph as another process reads it; a warning is an error (see filterwarnings)."""
    with use_session(Session()):
        cache_tree_sync(root)
        return cache_tree_nodes()


def listing(root):
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "", p.stat().st_mtime_ns)
        for p in [root, *root.rglob("*")]
    }


def only(root, pattern):
    (found,) = (p for p in root.rglob(pattern) if "broken" not in p.parts)
    return found


def first(root, pattern):
    return min(root.rglob(pattern))


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
