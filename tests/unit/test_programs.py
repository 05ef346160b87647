"""The helper of the other tests tells what is wrong with a program: what it says is right would else mean little."""

from __future__ import annotations

import signal
import time

import pytest

from tests.programs import LOG, Project

CACHED = """
from cachepy import cache_file
from say import log

@cache_file("cache", warn_cheap=False)
def f(x):
    log("f", x)
    return x + 1

print(f(1))
"""


def test_an_edit_is_seen_by_the_next_process(project):
    project.write("say.py", LOG)
    project.write("job.py", CACHED)
    assert project.run("job.py").silent() == "2\n"
    assert project.ran() == ["f 1"]
    assert project.run("job.py").lines == ["2"]
    assert project.ran() == []
    assert project.cachepy("status", "--cache-dir", "cache").returncode == 0
    project.edit("job.py", "x + 1", "x + 2")
    assert project.cachepy("status", "--cache-dir", "cache", "--json").json()["counts"] != {}
    assert project.cachepy("status", "--cache-dir", "cache", code=1).returncode == 1
    assert project.run("job.py").lines == ["3"]
    assert project.ran() == ["f 1"]
    assert project.leftovers() == []


@pytest.mark.parametrize(
    ("program", "expected", "why"),
    [
        ("1 / 0", {}, "ZeroDivisionError"),
        ("1 / 0", {"code": None}, "ZeroDivisionError"),
        ("raise SystemExit(2)", {}, "exit 2"),
        ("pass", {"code": 1}, "exit 0"),
        ("import traceback, sys\ntry: 1 / 0\nexcept Exception: traceback.print_exc()", {}, "ZeroDivisionError"),
        ("import time; time.sleep(1000)", {"limit": 0.5}, r"not finished within 0.5 s(.|\n)*job.py"),
    ],
    ids=["raises", "raises with any code", "exits", "ends well", "prints a traceback", "hangs"],
)
def test_what_a_program_may_not_do(project, program, expected, why):
    project.write("job.py", program)
    with pytest.raises(AssertionError, match=why):
        project.run("job.py", **expected)


def test_a_code_that_is_asked_for_may_have_a_traceback(project):
    assert "ZeroDivisionError" in project.run("-c", "1 / 0", code=1).stderr


def test_a_word_on_stderr(project):
    done = project.run("-c", "import sys; print('oh', file=sys.stderr)")
    with pytest.raises(AssertionError, match="oh"):
        done.silent()


@pytest.mark.parametrize("old", ["absent", "x"])
def test_an_edit_has_one_place(project, old):
    project.write("m.py", "x = x\n")
    with pytest.raises(AssertionError, match=f"times '{old}'"):
        project.edit("m.py", old, "y")


def test_no_setting_of_who_runs_the_tests_arrives(project, monkeypatch):
    monkeypatch.setenv("CACHEPY", "off")
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    shows = "import os; print(*(os.environ.get(k) for k in ('CACHEPY', 'PYTHONHASHSEED', 'MINE')))"
    assert project.run("-c", shows).lines == ["None None None"]
    assert project.run("-c", shows, PYTHONHASHSEED="5", MINE="me").lines == ["None 5 me"]
    assert Project(project.folder, MINE="all").run("-c", shows, MINE=None).lines == ["None None None"]


def test_each_text_is_later_than_the_one_before(project):
    times = [project.write("a.txt", text).stat().st_mtime_ns for text in "abcabc"]
    assert sorted(set(times)) == times


def test_a_head_stands_above_programs_alone(tmp_path):
    project = Project(tmp_path, "X = 1\n")
    assert project.write("m.py", "    print(X)\n").read_text() == "X = 1\nprint(X)\n"
    project.edit("m.py", "print(X)", "print(-X)")
    assert project.run("m.py").lines == ["-1"]
    assert project.write("a.txt", "    a").read_text() == "    a"


def test_it_waits_for_a_line_not_forever(project):
    project.write("say.py", LOG)
    project.start("-c", "import say; say.log('here', 1)")
    project.wait_for("here 1")
    with pytest.raises(AssertionError, match=r"'there' was not logged .*here 1"):
        project.wait_for("there", limit=0.1)


def test_nothing_outlives_the_block(tmp_path):
    forks = "import os, time\nprint(os.fork() or os.getpid(), flush=True)\ntime.sleep(1000)"
    with Project(tmp_path) as project:
        process = project.start("-c", forks)
        pids = {process.pid, *(int(process.stdout.readline()) for _ in range(2))}
    end = time.monotonic() + 30
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < end
    assert process.returncode == -signal.SIGKILL


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
