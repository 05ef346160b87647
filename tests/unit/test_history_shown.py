"""Where history is shown: everywhere the same; of processes and notebooks too; and the files that know it."""

from __future__ import annotations

import os

import pytest
from histories import LIB, LOAD_A, LOAD_BOTH, nothing_is_concluded, python, run, status

from tests.programs import Project


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    with Project(folder) as made:
        made.write("lib.py", LIB)
        made.write("a.txt", "a")
        made.write("b.txt", "b")
        yield made


# ---------------------------------------------------------------- processes

POOLS = {
    "fork": "from multiprocessing import get_context\n"
    "    with get_context('fork').Pool(2) as pool:\n        pool.map(load, {names})\n",
    "spawn": "from multiprocessing import get_context\n"
    "    with get_context('spawn').Pool(2) as pool:\n        pool.map(load, {names})\n",
    "forkserver": "from multiprocessing import get_context\n"
    "    with get_context('forkserver').Pool(2) as pool:\n        pool.map(load, {names})\n",
    "executor": "from concurrent.futures import ProcessPoolExecutor\n"
    "    with ProcessPoolExecutor(2) as pool:\n        list(pool.map(load, {names}))\n",
    "with_caller": "from concurrent.futures import ProcessPoolExecutor\n    from cachepy import with_caller\n"
    "    with ProcessPoolExecutor(2) as pool:\n        list(pool.map(with_caller(load), {names}))\n",
    "os.fork": "import os\n    for name in {names}:\n        if not os.fork():\n            load(name)\n            os._exit(0)\n"
    "        os.wait()\n",
    "chdir": "import os\n    from multiprocessing import get_context\n    os.chdir('sub')\n"
    "    with get_context('spawn').Pool(1) as pool:\n        pool.map(load, ['../' + each for each in {names}])\n",
}  # fmt: skip


def test_children_that_begin_a_file_at_once_lose_nothing_of_each_other():
    from cachepy.graph.program_files import line_of, records_in
    from cachepy.store.fs import PROGRAMS_HEAD

    one, two = ("made", "", "f:1"), ("made", "", "f:2")
    assert records_in(PROGRAMS_HEAD + line_of(one) + PROGRAMS_HEAD + line_of(two)) == ([one, two], False)


@pytest.mark.parametrize("how", POOLS)
def test_processes_of_a_program_are_part_of_it(project, how):
    (project / "sub").mkdir()
    text = "from lib import load\nif __name__ == '__main__':\n    " + POOLS[how]
    both, only_a = text.format(names="['a.txt', 'b.txt']"), text.format(names="['a.txt']")
    run(project, both)
    python(project, "job.py")
    python(project, "job.py")
    assert status(project) == (0, 2, 0)
    run(project, only_a)
    project.write("b.txt", "changed")
    assert status(project) == (0, 1, 1)
    run(project, both + "    os._exit(0)\n" if "import os" in text else both + "    import os\n    os._exit(0)\n")
    assert status(project)[2] == 0


# ---------------------------------------------------------------- below

def test_what_only_history_calls_is_history(project):
    run(project, "from lib import total\ntotal('a.txt', 'b.txt')\n")
    run(project, "from lib import total\ntotal('a.txt')\n")
    project.write("b.txt", "changed")
    assert status(project) == (0, 2, 2)


def test_what_others_call_too_is_not(project):
    run(project, "from lib import total, load\ntotal('a.txt', 'b.txt')\nload('b.txt')\n")
    run(project, "from lib import total, load\ntotal('a.txt')\n")
    run(project, "from lib import total, load\nload('b.txt')\n", name="other.py")
    project.write("b.txt", "changed")
    code, calls, history = status(project)
    assert (code, calls, history) == (1, 3, 1)


def test_a_hit_does_not_make_the_calls_below_history(project):
    run(project, "from lib import total, load\nload('b.txt')\ntotal('a.txt', 'b.txt')\n")
    run(project, "from lib import total, load\ntotal('a.txt', 'b.txt')\n")
    project.write("b.txt", "changed")
    assert status(project) == (1, 3, 0)


# ---------------------------------------------------------------- everywhere the same

VIEWS = [
    ["plan", "--json", "--all"], ["graph", "--json"], ["graph"], ["export", "--format", "json"],
    ["export", "--format", "dot"], ["export", "--format", "mermaid"], ["export", "--format", "html"],
    ["export", "--format", "prov"], ["graph", "--format", "dot"], ["graph", "--format", "json"],
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_history_is_shown_on_request_only(project, view):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    project.write("b.txt", "changed")
    done = project.cachepy(*view)
    assert "a.txt" in done.stdout
    assert "b.txt" not in done.stdout, done.stdout
    assert "1 call that its program no longer makes is left out; --history shows it" in done.stderr
    done = project.cachepy(*view, "--history")
    assert "b.txt" in done.stdout
    assert "left out" not in done.stderr


def test_plan_and_status_do_not_raise_an_alarm(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    project.write("b.txt", "changed")
    assert project.cachepy("status", "-q").returncode == 0
    assert project.cachepy("plan", "-q").returncode == 0
    shown = project.cachepy("explain", "load")
    assert "its program no longer makes it" in shown.stdout
    shown = project.cachepy("show", project.cachepy("status", "--json", "--history").json()["calls"][0]["id"])
    assert "stale" in shown.stdout
    assert "its program no longer makes it" in shown.stdout


def test_a_picture_leaves_it_out(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    done = project.cachepy("graph", "-o", "x.svg")
    assert "left out" in done.stderr
    assert "b.txt" not in (project / "x.svg").read_text()
    project.cachepy("graph", "-o", "x.svg", "--history")
    assert "b.txt" in (project / "x.svg").read_text()


ASKED = """
import sys, warnings
from cachepy import *
import cachepy
cache_tree_sync(".cachepy")
def number(found):
    return str(found).count("b.txt")
import inspect
for name in ("cache_tree_stale", "cache_tree_changed_files", "cache_tree_plan", "cache_tree_to_json", "cache_tree_to_dot",
             "cache_tree_to_mermaid", "cache_tree_to_prov", "cache_tree_to_html", "cache_tree_view"):
    ask = getattr(cachepy, name)
    assert not number(cachepy_text(ask())), name
    assert number(cachepy_text(ask(history=True))), name
assert cache_tree_summary()["nodes"] == 1 and cache_tree_summary(history=True)["nodes"] == 2
assert len([n for n, d in cache_tree_to_networkx().nodes(data=True)]) == 2
assert len([n for n, d in cache_tree_to_networkx(history=True).nodes(data=True)]) == 4
assert len(cache_tree_nodes()) == 2
"""
TEXT_OF = """
def cachepy_text(found):
    if hasattr(found, "_repr_html_"):
        return found._repr_html_()
    if hasattr(found, "calls"):
        return [each.label for each in found]
    return {i: each["node"]["label"] for i, each in found.items()} if isinstance(found, dict) else found
"""


def test_functions_leave_it_out_too(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    project.write("b.txt", "changed")
    run(project, TEXT_OF + ASKED, name="ask.py")


def test_refresh_runs_no_history_and_does_not_count_as_the_program(project):
    refresh = "from cachepy import *\ncache_tree_sync('.cachepy')\nprint(cache_tree_refresh({how}))\n"
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    project.write("b.txt", "changed")
    assert run(project, refresh.format(how=""), name="refresh.py").stdout == "nothing was stale\n"
    assert status(project) == (0, 1, 1)
    assert run(project, refresh.format(how="history=True"), name="refresh.py").stdout == "1 ran\n"
    assert status(project) == (0, 1, 1)
    project.write("a.txt", "changed")
    assert run(project, refresh.format(how=""), name="refresh.py").stdout == "1 ran\n"
    assert run(project, refresh.format(how=""), name="refresh.py").stdout == "nothing was stale\n"
    assert status(project) == (0, 1, 1)


# ---------------------------------------------------------------- the files

def programs(project):
    return sorted(p.name for p in (project / ".cachepy/programs").iterdir())


def test_care_knows_the_files(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    assert [name.rpartition("-")[0] or name for name in programs(project)] == ["job.py", "past"]
    assert project.cachepy("verify").returncode == 0
    assert project.cachepy("repair").returncode == 0
    assert status(project) == (0, 1, 1)
    project.cachepy("prune", "--older-than", "30", "--yes")
    assert status(project) == (0, 1, 1)


@pytest.mark.parametrize("name", ["job.py", "past"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"rubbish", None])
def test_damage_is_found_and_costs_no_run(project, name, content):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    path = next((project / ".cachepy/programs").glob(f"{name}*"))
    path.write_bytes(path.read_bytes()[:-3] if content is None else content)
    assert project.cachepy("verify").returncode == (1 if content != b"" else 0)
    status(project)
    python(project, "job.py")
    run(project, LOAD_BOTH)
    assert nothing_is_concluded(project)


def test_what_is_forgotten_leaves_the_files(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    project.cachepy("prune", "--older-than", "0", "--forget", "--yes")
    assert status(project) == (1, 0, 0)
    run(project, LOAD_BOTH)
    assert status(project) == (0, 2, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_says_nothing(project):
    run(project, LOAD_BOTH)
    folders = [project / ".cachepy", project / ".cachepy" / "programs"]
    for folder in folders:
        folder.chmod(0o500)
    try:
        run(project, LOAD_A)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert status(project) == (0, 2, 0)


# ---------------------------------------------------------------- notebooks

CELLS = """
import os, sys
os.environ.pop("JPY_SESSION_NAME", None)
if sys.argv[1] != "-":
    os.environ["JPY_SESSION_NAME"] = sys.argv[1]
sys.modules.setdefault("ipykernel", type(sys)("ipykernel"))
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("import sys; sys.path.insert(0, '.')", store_history=True, cell_id="first")
for row in sys.argv[2:]:
    cell, _, text = row.partition("=")
    done = shell.run_cell(text, store_history=True, cell_id=cell or None)
os._exit(0)
"""


def notebook(project, *cells, name="book.ipynb"):
    project.write("cells.py", CELLS)
    return python(project, "cells.py", name, *cells)


A, B = "from lib import load; load('a.txt')", "from lib import load; load('b.txt')"


def test_a_cell_that_ran_again_makes_what_it_made_before_history(project):
    notebook(project, f"one={A}; load('b.txt')", f"one={A}")
    project.write("b.txt", "changed")
    assert status(project) == (0, 1, 1)


def test_also_in_another_kernel(project):
    notebook(project, f"one={A}; load('b.txt')")
    notebook(project, f"one={A}")
    project.write("b.txt", "changed")
    assert status(project) == (0, 1, 1)


@pytest.mark.parametrize(
    "cells",
    [
        [f"one={B}", f"two={A}"],
        [f"one={B}", f"two={B}", f"one={A}"],
        [f"one={B}", f"one={A}; 1 / 0"],
        [f"one={B}", f"one={A}", f"one={B}"],
        [f"one={B}", f"one={A}", f"two={B}"],
    ],
    ids=["another cell", "also in another cell", "it failed", "and back", "moved to another cell"],
)
def test_else_cells_conclude_nothing(project, cells):
    notebook(project, f"zero={A}", *cells)
    assert nothing_is_concluded(project)


def test_a_cell_without_a_name_concludes_nothing(project):
    notebook(project, f"={A}; load('b.txt')", f"={A}", name="-")
    assert nothing_is_concluded(project)


def test_hot_calls_of_a_cell_are_made_again(project):
    repeat = f"{A}; [load('b.txt') for _ in range(9)]"
    notebook(project, f"one={repeat}", f"one={repeat}", f"one={repeat}")
    assert nothing_is_concluded(project)
