"""Claims that others hold, and how long they are waited for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from opened import opened_below

from cachepy.store import entryfile
from cachepy.store.claims import Claims

LEASE = 0.4  # s, instead of 4


def host(name):
    made = Claims()
    made.owner().host = name
    return made


def block(host, pid, start, token):
    """What stands in a claim."""
    text = f"{host}\n{pid}\n{start or ''}\n{token}".encode()
    return entryfile.START.pack(entryfile.MAGIC, len(text)) + text


def write(path, *content, behind=b""):
    with open(path, "wb") as file:
        file.write(block(*content) + behind)


def wait_for(waiter, path, limit):
    """The claim and how long it took, in seconds; None if it was not to be had in time."""
    began = time.monotonic()
    while time.monotonic() - began < limit:
        claim = waiter.acquire(path)
        if claim is not None:
            return claim, time.monotonic() - began
        time.sleep(0.01)
    return None, limit


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def open_files(path):
    """In the folder of a claim: threads of other tests open files, too."""
    return opened_below(Path(path).parent)
