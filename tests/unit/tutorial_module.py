"""The user's module of the tutorial, and what reads its graph."""

from __future__ import annotations

import importlib.util
import os
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cachepy
from cachepy import cache_tree_nodes
from tests.programs import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


ROOT = Path(__file__).parents[2]

PIPELINE = '''
"""Counts of words, normalised."""

import json
import os
from pathlib import Path

from cachepy import cache_file, track_file

CACHE = os.environ["TUTORIAL_CACHE"]


def say(word):
    with open(os.environ["TUTORIAL_LOG"], "a") as log:
        log.write(word + " ")


@cache_file(CACHE)
def load_counts(path):
    say("load_counts")
    text = track_file(path).read_text()
    return {word: text.split().count(word) for word in sorted(set(text.split()))}


@cache_file(CACHE)
def normalize(counts):
    say("normalize")
    total = sum(counts.values())
    return {word: count / total for word, count in counts.items()}


@cache_file(CACHE)
def pipeline(path):
    say("pipeline")
    return normalize(load_counts(path))


if __name__ == "__main__":
    print(json.dumps(pipeline(Path("words.txt"))))
'''


@contextmanager
def fresh_session() -> Iterator[None]:
    try:
        from cachepy import Session, use_session
    except ImportError:
        cachepy.cache_tree_reset()
        yield
    else:
        with use_session(Session()):
            yield


class Tutorial:
    """A user's folder: the module, a data file, a cache directory."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.path, self.cache, self.words, self.log = path, path / "cache", path / "words.txt", path / "log"
        self.env = {"TUTORIAL_CACHE": str(self.cache), "TUTORIAL_LOG": str(self.log)}
        (path / "counting.py").write_text(PIPELINE)
        self.words.write_text("a b b c")

    def load(self) -> ModuleType:
        """The module, freshly imported, as a session of the user's would."""
        spec = importlib.util.spec_from_file_location("counting", self.path / "counting.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self.monkeypatch.setitem(sys.modules, "counting", module)
        spec.loader.exec_module(module)
        return module

    def ran(self) -> list[str]:
        """The bodies that ran since the last question."""
        words = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return words

    def python(self, text: str, *, cwd: Path | None = None) -> Any:
        """Run a text in a new process with the module at hand; what it prints, read as JSON."""
        begin = "import json\nfrom pathlib import Path\nimport cachepy\nimport counting\n"
        project = Project(cwd or self.path, **self.env, PYTHONPATH=f"{ROOT}{os.pathsep}{self.path}")
        return project.run("-W", "error", "-c", begin + textwrap.dedent(text)).json()


def by_name() -> dict[str, dict[str, Any]]:
    nodes = cache_tree_nodes()
    named = {node["fname"]: node for node in nodes.values()}
    assert len(named) == len(nodes)
    return named


def names(ids: Any) -> set[str]:
    nodes = cache_tree_nodes()
    return {nodes[i]["fname"] for i in ids}


def by_named(fname: str) -> str:
    (one,) = [i for i, node in cache_tree_nodes().items() if node["fname"] == fname]
    return one


# -- other processes ------------------------------------------------------------------------------

SHOW = """
    nodes = cachepy.cache_tree_nodes()
    print(json.dumps([value, {i: [n["fname"], n["hash"], sorted(n["parents"]), sorted(n["children"]),
          sorted(map(str, n["files"])), {str(k): v for k, v in n["file_hashes"].items()}, str(n["outfile"]),
          n["created"], n["elapsed"], n["inputs"], n["module"]] for i, n in nodes.items()}]))
    """
