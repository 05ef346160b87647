"""Fresh processes for tests of what a program, or a command, says and does; and what this one has open."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OWN = {"CACHEPY_DIR", "PYTHONHASHSEED", "PYTHONPATH"}  # of who runs the tests; Dask sets the seed for its workers


def python(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, as a user without settings would, but for the variables given; it must not break."""
    whole = {k: v for k, v in os.environ.items() if k not in _OWN} | {"PYTHONPATH": str(ROOT)} | env
    done = subprocess.run(
        [sys.executable, *args], cwd=folder, env=whole, capture_output=True, text=True, check=False, timeout=240,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def opened_below(folder: Path) -> int:
    """How many files in a folder this process has open: threads of other tests open files, too."""
    paths = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            paths.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sum(path.startswith(f"{folder}/") for path in paths)
