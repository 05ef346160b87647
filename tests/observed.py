"""Bodies whose files are observed: how often they run is told by lines in a file that they only add to."""

from __future__ import annotations

from pathlib import Path

import pytest

import cachepy
from cachepy import cache_file


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory, and a session of its own."""
    monkeypatch.chdir(tmp_path)
    with cachepy.use_session(cachepy.Session()):
        yield tmp_path


def ran():
    with open("log", "a") as log:
        log.write("x")


def runs():
    return len(Path("log").read_text())


def write(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def again(body, edit, *args, **options):
    """How often it runs: first, after the edit, and once more."""
    Path("log").unlink(missing_ok=True)
    cached = cache_file("cache", warn_cheap=False, **options)(body)
    cached.clear()
    cached(*args)
    first = runs()
    edit()
    value = cached(*args)
    second = runs() - first
    assert cached(*args) == value
    assert runs() == first + second, "it runs again though nothing changed"
    assert first == 1
    return second
