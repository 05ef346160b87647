"""Fresh processes for tests of what a program, or a command, says and does."""

from __future__ import annotations

import os
import subprocess
import sys
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
