"""Clean copies of the project's files, and what is built from them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_TRACKED = shutil.ignore_patterns(
    ".git", ".venv", ".cachepy", "__pycache__", "*_cache", ".hypothesis", "build", "dist", "site", "out", "flights_data", "results"
)  # fmt: skip


def run(*command: object, cwd: Path, **environment: str) -> str:
    """What a command prints; its errors are those of the test."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CACHEPY", "SOURCE_DATE", "COV_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_sources(folder: Path) -> Path:
    """A clean copy: what git tracks, or, where the tests come from an sdist, what lies there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode or not listed.stdout:
        shutil.copytree(ROOT, folder, ignore=NOT_TRACKED)
        return folder
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(sources: Path, out: Path, *kinds: str) -> dict[str, Path]:
    """Build kinds (``sdist``, ``wheel``) with the backend that is installed here, so nothing is downloaded."""
    for kind in kinds:
        run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, cwd=sources)
    found = {"wheel" if file.suffix == ".whl" else "sdist": file for file in out.iterdir()}
    assert set(found) == set(kinds)
    return found
