"""What the fork servers of the tests tell the processes that they fork."""

from __future__ import annotations

import os
import sys
import time


def begin_now() -> None:
    """Let the child stand for a process that begins here: files that were written before are what it loads."""
    for name, module in list(sys.modules.items()):
        if name.startswith("cachepy.") and "STARTED" in vars(module):
            module.STARTED = time.time_ns()  # type: ignore[attr-defined]


def take_for_the_first_environment() -> None:
    """Let what the environment is now be that with which this process was started, which a forked one has from its parent."""
    from cachepy.calls import environment

    place = os.memfd_create("environ")
    os.write(place, b"\0".join(os.fsencode(f"{name}={value}") for name, value in os.environ.items()))
    environment._PLACE = f"/proc/self/fd/{place}"
