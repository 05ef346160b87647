"""A network mount for a test: see `network_mount`."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).with_name("network_mount.py")


@contextmanager
def mounted(folder: Path) -> Iterator[tuple[Path, Path]]:
    """One folder as another host sees it, and as this one does; the test is skipped where FUSE cannot be mounted."""
    there, here = folder / "there", folder / "here"
    there.mkdir()
    here.mkdir()
    command = [sys.executable, str(SERVER), str(there), str(here)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if server.stdout is None or server.stdout.readline() != "ready\n":
            pytest.skip("FUSE cannot be mounted here")
        yield there, here
    finally:
        server.communicate(timeout=60)
