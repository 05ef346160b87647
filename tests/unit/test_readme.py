"""README.md is true: its programs run as a user copies them, show what it shows, and its links lead somewhere.

A ``python`` block whose first line is ``# name.py`` is a file of that name; a ``console`` block is typed
in the same folder, in the order of the page.  Programs that need a cluster are compiled only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(match[1], match[2], TEXT.count("\n", 0, match.start()) + 1) for match in BLOCK.finditer(TEXT)]
KNOWN = {"python", "console", "sh"}
PROGRAMS = {
    (re.match(r"# (\w+\.py)\n", body) or ["", f"line_{line}.py"])[1]: body
    for kind, body, line in BLOCKS
    if kind == "python"
}


def needs_cluster(body: str) -> bool:
    return re.search(r"^\s*(from|import) (dask_plugin|distributed|dask\.distributed)\b", body, re.MULTILINE) is not None


ALONE = sorted(name for name, body in PROGRAMS.items() if not needs_cluster(body))


def typed(command: str, folder: Path) -> str:
    """What a terminal shows for a command, with this Python as ``python``."""
    settings = {k: v for k, v in os.environ.items() if k not in {"CACHEPY_DIR", "PYTHONPATH", "PYTHONSAFEPATH"}}
    settings |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "agg",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    allowed = (0, 1) if command.startswith("cachepy ") else (0,)  # 1: something is stale
    assert done.returncode in allowed, f"$ {command}\n{done.stdout}"
    return done.stdout


def timeless(text: str) -> str:
    """How long something took differs each time."""
    return re.sub(r"\b\d+(\.\d)? m?s\b", "0 ms", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with the programs of the page in it."""
    path = tmp_path_factory.mktemp("readme")
    for name in ALONE:
        (path / name).write_text(PROGRAMS[name], encoding="utf-8")
    return path


def test_the_terminal_shows_what_the_page_shows(folder):
    for kind, body, line in BLOCKS:
        if kind != "console":
            continue
        commands = [part.partition("\n") for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]]
        assert commands, f"README.md:{line}: no command in this block"
        for command, _, shown in commands:
            assert timeless(typed(command, folder)) == timeless(shown), f"README.md:{line}: {command}"
    assert (folder / "graph.png").stat().st_size > 10_000


def test_every_program_is_run_on_the_page():
    shown = "".join(body for kind, body, _ in BLOCKS if kind == "console")
    assert {name for name in ALONE if f"$ python {name}\n" not in shown} == set()


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_compiles(name):
    compile(PROGRAMS[name], name, "exec")


def test_every_block_says_what_it_is():
    assert {f"line {line}: {kind!r}" for kind, _, line in BLOCKS if kind not in KNOWN} == set()


def test_public_names_exist():
    """Names in the text that look like parts of the public API."""
    import cachepy

    named = set(re.findall(r"\b(?:cache_(?!tree\b)\w+|plot_cache_graph|track_file|load_config)\b", TEXT))
    assert named, "the page names no part of the API"
    assert {name for name in named if not hasattr(cachepy, name)} == set()


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_relative_links_lead_somewhere(page):
    prose = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    local = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_the_commands_come_first_and_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    first = next(body for kind, body, _ in BLOCKS if kind == "sh")
    targets = re.findall(r"^make (\w+)", first, re.MULTILINE)
    assert targets == ["demo", "test"]
    assert BLOCKS[0][0] == "sh"
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_picture_is_small_enough_to_load():
    picture = ROOT / "docs" / "graph.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000
