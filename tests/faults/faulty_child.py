"""Programs that run in a process of their own, for faults that would harm pytest itself.

Each test states its program; what it prints and warns comes back, and it must end well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

PRELUDE = """
import asyncio, glob, os, pathlib, resource, shutil, signal, sys, threading, time, traceback, warnings
import cachepy
from cachepy import (Session, cache_file, cache_tree_nodes, cache_tree_stale, cache_tree_sync, current_session,
                     track_file, use_session)

HERE = os.getcwd()
ROOT = os.path.join(HERE, "cache")
heard = []


def _hear(message, category, filename, lineno, file=None, line=None):
    heard.append((category.__name__, str(message)))


warnings.simplefilter("always", cachepy.CacheWarning)
warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # small bodies
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own, of a fork
warnings.showwarning = _hear


def left(root=ROOT):
    '''Claims and half-written files.'''
    return [n for _, _, names in os.walk(root) for n in names if n.endswith((".claim", ".tmp", ".break"))]


def entries(root=ROOT):
    return sorted(os.path.join(d, n) for d, _, names in os.walk(root) for n in names if n.endswith(".entry"))
"""


class Child:
    """A folder, and the programs that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"

    def start(self, program: str, *args: object, **env: str) -> subprocess.Popen[str]:
        (self.folder / "program.py").write_text(PRELUDE + textwrap.dedent(program))
        command = [sys.executable, "-X", "faulthandler", "program.py", *map(str, args)]
        path = os.environ.get("CACHEPY_UNDER_TEST", str(ROOT))
        whole = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **env}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=whole, stdout=pipe, stderr=pipe, text=True)

    def run(self, program: str, *args: object, limit: float = 60, **env: str) -> str:
        """What it printed; it must end by itself, with nothing on stderr."""
        process = self.start(program, *args, **env)
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"still running after {limit} s\n{out}\n{err}") from None
        assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}"
        assert not err, err
        return out


def open_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to: pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="cachepy-fault-"))
    folder.chmod(0o777)
    yield folder
    for each in folder.rglob("*"):
        if each.is_dir() and not each.is_symlink():
            each.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
