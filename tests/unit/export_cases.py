"""Graphs for the tests of exports, and the tools that read these back."""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import cachepy

NASTY = [
    'quote " in it', "back\\slash", "ends in backslash\\", "two\nlines", "tab\there", "<script>alert(1)</script>",
    "a;b", "a]b[c", "#35;", "#quot;", "&lt;", "end", "subgraph", "graph", "größe", "数据", "🦊", "\x07bell", "\\x07bell",
    "\x00", "{a|b}", "`code`", "1. list", "- list", "style: #a;", "%%comment", "--> x", "\udc80 surrogate", "\udc81 surrogate", "", " ",
    "\x9b control", "\ufffe",
    "x" * 5000, "\u2028 line", "\r return", "]]>", "<!--", "'single'", "%41", "a:b", "\N{RIGHT-TO-LEFT OVERRIDE}x",
]  # fmt: skip


def node(fname: str, key: str = "0a", **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": f"{fname}:{key}", "fname": fname, "module": "jobs", "hash": key, "parents": [], "children": [],
        "files": [], "file_hashes": {}, "outfile": Path("c/x.pkl"), "created": 1.5, "elapsed": 0.25, "inputs": {},
        "label": {},
    }  # fmt: skip
    return plain | more


def pipeline() -> dict[str, dict[str, Any]]:
    file = Path("data/raw.csv")
    load = node("load", files=[file], file_hashes={str(file): "ff"}, label={"path": "raw.csv"}, parents=["report:0c"])
    clean = node("clean", "0b", inputs={"frame": "load:0a"}, parents=["report:0c"])
    report = node("report", "0c", children=["load:0a", "clean:0b"], outfile=None)
    return {n["id"]: n for n in (report, load, clean)}


def nasty() -> dict[str, dict[str, Any]]:
    """Every text as the name of a function, an argument, a value, and a file."""
    nodes = {}
    for i, text in enumerate(NASTY):
        file = Path("dir") / f"{i}{text}".replace("\x00", "0")
        made = node(text, f"{i:02x}", label={text: text}, files=[file], file_hashes={str(file): "ff" if i % 2 else None})
        made["inputs"] = {text: f"{NASTY[i - 1]}:{i - 1:02x}"} if i else {}
        made["children"] = [f"{NASTY[0]}:00"] if i else []
        nodes[made["id"]] = made
    return nodes


def shuffled(nodes: dict[str, dict[str, Any]], seed: int) -> dict[str, dict[str, Any]]:
    dice = random.Random(seed)
    names = list(nodes)
    dice.shuffle(names)
    found = {}
    for name in names:
        found[name] = dict(nodes[name])
        for key in ("children", "parents", "files"):
            found[name][key] = dice.sample(nodes[name][key], len(nodes[name][key]))
    return found


def needed(what: str, *, is_there: bool) -> None:
    """Skip without a tool, but fail where all tools must be there, as in CI."""
    if not is_there:
        told = f"{what} is not installed"
        pytest.fail(told) if os.environ.get("CACHEPY_NEEDS_TOOLS") == "1" else pytest.skip(told)


def program(name: str) -> str:
    """Where a program is."""
    found = shutil.which(name)
    needed(f"the program {name}", is_there=found is not None)
    return str(found)


def package(name: str) -> Any:
    needed(f"the package {name}", is_there=importlib.util.find_spec(name) is not None)
    return importlib.import_module(name)


@pytest.fixture
def real(tmp_path, monkeypatch) -> dict[str, dict[str, Any]]:
    """The graph of a program that ran: files by name, an input, a stale call."""
    monkeypatch.chdir(tmp_path)
    with cachepy.use_session(cachepy.Session()):

        @cachepy.cache_file(tmp_path / "cache")
        def load(path):
            return Path(path).read_text().split()

        @cachepy.cache_file(tmp_path / "cache")
        def shout(words, missing):
            return [word.upper() for word in words], cachepy.track_file(missing).exists()

        @cachepy.cache_file(tmp_path / "cache")
        def all_of(paths):
            return [shout(load(path), tmp_path / "none.txt") for path in paths]

        names = ["plain.txt", "<b> & \"quote\".txt", "größe 数据 'x'.txt"]
        for name in names:
            Path(name).write_text(f"a text of more than a few letters, {name}")
        all_of(names)
        Path("plain.txt").write_text("another")
        yield cachepy.cache_tree_nodes()
