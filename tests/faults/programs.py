"""Programs that tests run in processes of their own, with a limit: whatever could hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cachepy

PACKAGE = Path(cachepy.__file__).parents[1]

PRELUDE = '''
import asyncio, faulthandler, json, multiprocessing, os, random, signal, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cachepy
from cachepy import cache_file, cache_tree_nodes, cache_tree_sync, track_file, with_caller

warnings.simplefilter("ignore", cachepy.CheapCallWarning)  # small bodies
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python's own, of a fork
HERE = Path(__file__).parent
CACHE = HERE / os.environ.get("CACHE_NAME", "cache")


def log(*words):
    """One line, written at once, whichever process writes."""
    fd = os.open(HERE / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)
'''


class Programs:
    """A folder with modules that begin with the same prelude."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(PRELUDE + "\n" + textwrap.dedent(text))

    def start(self, name: str, *args: object, **env: str) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CACHEPY")}
        process = subprocess.Popen(
            [sys.executable, f"{name}.py", *map(str, args)],
            cwd=self.folder,
            env={**clean, "PYTHONPATH": str(PACKAGE), "PYTHONFAULTHANDLER": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], limit: float = 60) -> tuple[str, str]:
        """Its output and its errors; it has to end well and in time, else the fault handler tells where it stands."""
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            out, err = process.communicate(timeout=20)
            raise AssertionError(f"not finished within {limit} s\n{out}\n{err}") from None
        assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}"
        return out, err

    def run(self, name: str, *args: object, limit: float = 60, **env: str) -> str:
        """What it printed; it must print no errors."""
        out, err = self.finish(self.start(name, *args, **env), limit)
        assert not err, err
        return out

    def main(self, text: str, *args: object, limit: float = 60, **env: str) -> str:
        self.write("main", text)
        return self.run("main", *args, limit=limit, **env)

    def ran(self) -> Counter[str]:
        log = self.folder / "log"
        return Counter(log.read_text().splitlines() if log.exists() else [])

    def forget(self) -> None:
        (self.folder / "log").unlink(missing_ok=True)

    def leftovers(self) -> list[str]:
        """Claims, temporary files and mailboxes that nobody needs any more."""
        files = [p for p in (self.folder / "cache").rglob("*") if p.is_file()]
        return [str(p) for p in files if p.name.endswith((".claim", ".tmp", ".break")) or p.parent.name == "runs"]

    def close(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):  # what it left behind, children of its own included
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
