"""`with cachepy.progress():` and `CACHEPY_PROGRESS=1`: one line of what runs."""

from __future__ import annotations

import io
import re
import sys
import threading
from types import SimpleNamespace

import pytest

from cachepy import Session, cache_file, progress, use_session
from cachepy.calls import progress_line

PROGRAM = """
import time
from cachepy import cache_file, progress
cached = cache_file("cache", warn_cheap=False)

@cached
def part(n):
    return n

@cached
def total(n):
    return sum(map(part, range(n)))

if __name__ == "__main__":
    print(total(2), total(2))
    from multiprocessing import get_context
    with get_context("spawn").Pool(1) as pool:
        print(pool.apply(part, (7,)))
"""


@pytest.fixture
def cached(tmp_path):
    with use_session(Session()):
        yield cache_file(tmp_path / "c", warn_cheap=False)


class Screen(io.StringIO):
    def isatty(self):
        return True


def watched(cached, monkeypatch, wanted):
    """What is shown while a body waits until a look has told of it."""
    monkeypatch.setattr(progress_line, "_PAUSE", 0.01)
    seen = threading.Event()
    line = progress_line._Look.line

    def told(self):
        said = line(self)
        if wanted in said:
            seen.set()
        return said

    monkeypatch.setattr(progress_line._Look, "line", told)

    @cached(ignore_globals=["seen"])
    def inner(x):
        assert seen.wait(60)
        return x

    @cached
    def outer(x):
        return inner(x)

    inner_before = cached(lambda x: x)
    inner_before(1)
    with progress():
        assert outer(1) == outer(1) == 1


def test_a_log_has_few_lines(cached, monkeypatch, capsys):
    watched(cached, monkeypatch, "inner runs for")
    assert re.fullmatch(r"cachepy: 3 calls: 1 hit, 2 runs in .*, .* saved\n", capsys.readouterr().err)


def test_a_log_tells_at_last(cached, monkeypatch, capsys):
    monkeypatch.setattr(progress_line, "_FIRST", 0.0)
    monkeypatch.setattr(progress_line, "_MOST", 0.0)
    watched(cached, monkeypatch, "inner runs for")
    first, *_, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"cachepy: 0 calls(; \w+ runs for \d+ ms)?", first)
    assert re.fullmatch(r"cachepy: 3 calls: 1 hit, 2 runs in .*", last)


def test_a_terminal_is_renewed_in_place(cached, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    watched(cached, monkeypatch, "inner runs for")
    assert "cachepy: 3 calls: 1 hit, 2 runs in" in screen.getvalue()[-200:] and "\x1b[" in screen.getvalue()


def test_a_notebook_gets_html(cached, monkeypatch):
    import IPython
    import IPython.display

    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=1))
    monkeypatch.setattr(IPython.display, "display", lambda *_, **__: handle)
    watched(cached, monkeypatch, "inner runs for")
    assert any("inner runs for" in html for html in shown) and "3 calls" in shown[-1] and shown[-1].startswith("<code")


def test_for_a_whole_program(project):
    project.write("main.py", PROGRAM)
    ran = project.run("main.py", CACHEPY_PROGRESS="1")
    assert ran.stdout == "1 1\n7\n"
    assert re.fullmatch(r"cachepy: 4 calls: 1 hit, 3 runs in .*, .* saved\n", ran.stderr)
    assert project.run("main.py").stderr == ""
    assert project.run("main.py", CACHEPY_PROGRESS="0").stderr == ""


def test_errors_of_the_block_go_through(cached, capsys):
    with pytest.raises(ValueError, match="mine"), progress():
        raise ValueError("mine")
    assert capsys.readouterr().err == "cachepy: 0 calls\n"
