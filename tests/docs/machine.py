"""A reader's machine: a folder with a terminal, an interactive session of Python, and a cluster beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = __file__.rpartition("/tests/")[0]
SCHEDULER = "tcp://scheduler:8786"
SHARED = "/shared/"
HOME = "/home/me"
LIMIT = 120  # seconds for one command: it hangs
CLUSTER = """
import sys
from dask.distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
SESSION = """
import contextlib, io, json, linecache, sys, traceback

def _enter(text, place):
    linecache.cache[place] = len(text), None, text.splitlines(True), place
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            exec(compile(text, place, "exec"), sys.modules["__main__"].__dict__)
        except BaseException:
            return printed.getvalue(), traceback.format_exc()
    return printed.getvalue(), ""

for _line in sys.stdin:
    print(json.dumps(_enter(*json.loads(_line))), file=sys.__stdout__, flush=True)
"""


def settings(folder: Path) -> dict[str, str]:
    """The environment of a reader who has installed cachepy, with this Python as ``python``."""
    left_out = {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "MPLBACKEND"}
    kept = {k: v for k, v in os.environ.items() if k not in left_out and not k.startswith(("CACHEPY_", "PYTHON"))}
    return kept | {
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "PYTHONUNBUFFERED": "1",  # what a terminal shows of stdout and stderr stands in the order of writing
        "PYTHONDONTWRITEBYTECODE": "1",  # two edits within a second are two edits
        "MPLBACKEND": "agg",
        "DASK_LOGGING__DISTRIBUTED": "error",  # that a worker took long to end is of this machine
        "PYTHONWARNINGS": "ignore:Port 8787 is already in use:UserWarning",  # by another dashboard on this machine
    }


def shell_reads(script: str) -> str:
    """What the shell has to say against a script."""
    return subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, timeout=LIMIT).stderr


class Machine:
    """Everything that it starts ends with the ``with`` block."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._open = folder, ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self, program: str) -> subprocess.Popen[str]:
        """A child that ends when its input does."""
        child = self._open.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=self.folder,
                env=settings(self.folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        self._open.callback(child.stdin.close)
        return child

    @cached_property
    def _cluster(self) -> str:
        address = self._start(CLUSTER).stdout.readline().strip()
        assert address, "no cluster could be started"
        return address

    @cached_property
    def _session(self) -> subprocess.Popen[str]:
        return self._start(SESSION)

    def _stands_for(self, text: str) -> Iterator[tuple[str, str]]:
        """What differs between the page and this machine."""
        if SCHEDULER in text:
            yield SCHEDULER, self._cluster
        yield SHARED, f"{self.folder}/shared/"
        yield HOME, str(self.folder)

    def _here(self, text: str) -> str:
        for there, here in self._stands_for(text):
            text = text.replace(there, here)
        return text

    def _there(self, text: str) -> str:
        return text.replace(f"{self.folder}/shared/", SHARED).replace(str(self.folder), HOME)

    def write(self, name: str, body: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(body), encoding="utf-8")

    def typed(self, command: str) -> str:
        """What a terminal shows for a command."""
        done = subprocess.run(
            ["sh", "-c", self._here(command)],
            cwd=self.folder,
            env=settings(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        allowed = (0, 1) if command.startswith("cachepy ") else (0,)  # 1: something is stale
        assert done.returncode in allowed, f"$ {command}\n{done.stdout}"
        return self._there(done.stdout)

    def entered(self, lines: str, place: str) -> str:
        """What lines print that are entered into the page's session."""
        child: Any = self._session
        child.stdin.write(json.dumps([self._here(lines), place]) + "\n")
        child.stdin.flush()
        printed, error = json.loads(child.stdout.readline())
        assert not error, f"{place}\n{error}"
        return self._there(printed)
