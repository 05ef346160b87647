"""The files of a cache, and how they are damaged."""

from __future__ import annotations

import hashlib


def listing(root):
    """Every file with its content and times."""
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "", p.stat().st_mtime_ns)
        for p in [root, *root.rglob("*")]
    }


def only(root, pattern):
    (found,) = root.rglob(pattern)
    return found


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
