"""What reads the pages of a scheduler."""

from __future__ import annotations

import json
import shutil
import time
from urllib.request import urlopen

from cachepy.core.model import Dep, Event, Trace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = [
    "</script><script>document.title='run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
    "a\"b'c\\d{e}=1",
    "two\nlines\r\tand \0 null",
    "ünï – 漢字 \U0001f600",
    "lone \ud800 surrogate",
    "\u202eright to left",
    "x" * 5000,
]


def wait_for(path):
    """Bodies wait for files: events cannot be sent to workers."""
    import os
    import time

    for _ in range(600):
        if os.path.exists(path):
            return
        time.sleep(0.05)
    raise TimeoutError(path)


def until(look):
    for _ in range(600):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError


def address(client):
    return client.dashboard_link.removesuffix("/status")


def read(client, path):
    with urlopen(address(client) + path, timeout=30) as answer:
        return answer.read().decode()


def data_of(client):
    """The data of the page, surely new."""
    part = client.cluster.scheduler.plugins["cachepy-scheduler"]
    part.dashboard.live._next = float("-inf")
    return json.loads(read(client, "/cachepy/graph.json"))


# -- the graph by function


def event(
    name, *, qualname=None, module="m", code="c1", result=None, calls=(), args=(), files=(), at=1.0, key="0" * 32
):
    qualname = qualname or name
    deps = (Dep("code", f"{module}:{qualname}", code), *[Dep("file", f, "1") for f in files])
    trace = Trace(deps, tuple(Dep("call", f"{n}:{'0' * 32}", r) for n, r in calls), result or f"result of {name}")
    return Event(
        f"{name}:{key}", name, module, qualname, key, f"run {at}", trace, {f"a{i}": d for i, d in enumerate(args)}, {},
        "/cache", None, "/", at, 0.5, at, "here",
    )  # fmt: skip
