"""A call at the top of a program that the program no longer makes is history, not an alarm."""

from __future__ import annotations

import shutil
import signal

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


# ---------------------------------------------------------------- what a program no longer makes

ENDS = {
    "end": "from lib import load\n{calls}\n",
    "guard": "from lib import load\nif __name__ == '__main__':\n    {calls}\n",
    "main": "from lib import load\ndef main():\n    {calls}\nmain()\n",
    "exit": "import sys\nfrom lib import load\n{calls}\nsys.exit()\n",
    "exit 0": "import sys\nfrom lib import load\n{calls}\nsys.exit(0)\n",
    "exit None": "import sys\nfrom lib import load\n{calls}\nsys.exit(None)\n",
    "exit of the name": "from sys import exit as leave\nfrom lib import load\n{calls}\nleave(0)\n",
    "exit of main": "import sys\nfrom lib import load\ndef main():\n    {calls}\nif 1:\n    sys.exit(main())\n",
    "exit of main with 0": "import sys\nfrom lib import load\ndef main():\n    {calls}\n    return 0\nsys.exit(main())\n",
    "exit of a variable": "import sys\nfrom lib import load\ndef main():\n    {calls}\n    return len('') \ncode = main()\n"
    "sys.exit(code)\n",
    "quit": "from lib import load\n{calls}\nquit()\n",
    "raise": "from lib import load\n{calls}\nraise SystemExit(0)\n",
    "raise the class": "from lib import load\n{calls}\nraise SystemExit\n",
    "raise of main": "from lib import load\ndef main():\n    {calls}\nraise SystemExit(main())\n",
    "thread": "import threading\nfrom lib import load\ndef work():\n    {calls}\n"
    "t = threading.Thread(target=work)\nt.start()\nt.join()\n",
    "pool of threads": "from concurrent.futures import ThreadPoolExecutor\nfrom lib import load\n"
    "def work(_):\n    {calls}\nwith ThreadPoolExecutor(2) as pool:\n    list(pool.map(work, [1]))\n",
    "asyncio": "import asyncio\nfrom lib import load\nasync def main():\n    {calls}\nasyncio.run(main())\n",
    "late import": "def main():\n    from lib import load; {calls}\nmain()\n",
    "exec": "from lib import load\nexec('{calls}'.replace(chr(7), chr(39)))\n",
}
BOTH, ONLY_A = "load('a.txt'); load('b.txt')", "load('a.txt')"


@pytest.mark.parametrize("how", ENDS)
def test_a_program_that_ends_without_a_call_makes_it_history(project, how):
    quoted = (lambda text: text.replace("'", "\7")) if how == "exec" else str
    run(project, ENDS[how].format(calls=quoted(BOTH)))
    project.write("b.txt", "changed")
    assert status(project) == (1, 2, 0)
    run(project, ENDS[how].format(calls=quoted(ONLY_A)))
    assert status(project) == (0, 1, 1)
    assert status(project, "--history") == (1, 2, 1)


LATE_THREAD = """
import threading
def work():
    threading.main_thread().join()
    from lib import load
    load('a.txt')
threading.Thread(target=work).start()
"""
STOPS = {
    "error": (LOAD_A + "1 / 0\n", 1),
    "error in main": ("from lib import load\ndef main():\n    load('a.txt')\n    1 / 0\nmain()\n", 1),
    "exit 1": (LOAD_A + "import sys\nsys.exit(1)\n", 1),
    "exit with a text": (LOAD_A + "import sys\nsys.exit('no')\n", 1),
    "exit of main with 3": ("import sys\nfrom lib import load\ndef main():\n    load('a.txt')\n    return 3\nsys.exit(main())\n", 3),
    "exit inside": ("import sys\nfrom lib import load\ndef main():\n    load('a.txt')\n    sys.exit(2)\nsys.exit(main())\n", 2),
    "exit of a variable": (LOAD_A + "import sys\ncode = 4\nsys.exit(code)\n", 4),
    "a function called exit": (LOAD_A + "def exit(code):\n    raise SystemExit(5)\nexit(0)\n", 5),
    "raise": (LOAD_A + "raise SystemExit(6)\n", 6),
    "interrupt": (LOAD_A + "raise KeyboardInterrupt\n", -signal.SIGINT),
    "os._exit": (LOAD_A + "import os\nos._exit(0)\n", 0),
    "kill": (LOAD_A + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", -signal.SIGKILL),
    "term": (LOAD_A + "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n", -signal.SIGTERM),
    "a call that fails": (LOAD_A + "try:\n    load('none.txt')\nexcept OSError:\n    pass\n", 0),
    "stdin": (LOAD_A + "import sys\nfor name in sys.stdin:\n    load(name.strip())\n", 0),
    "input": (LOAD_A + "try:\n    load(input())\nexcept EOFError:\n    pass\n", 0),
    "late thread": (LATE_THREAD, 0),
    "fork": (LOAD_A + "import os\nif os.fork():\n    os.wait()\n    1 / 0\n", 1),
}  # fmt: skip


@pytest.mark.parametrize("how", STOPS)
def test_nothing_is_concluded_from_a_program_that_stops(project, how):
    run(project, LOAD_BOTH)
    text, code = STOPS[how]
    run(project, text, code=code)
    assert status(project)[2] == 0
    project.write("b.txt", "changed")
    assert status(project)[0] == 1
    run(project, LOAD_A)
    assert status(project)[2] == 1


@pytest.mark.parametrize("args", [["-c", LOAD_A], ["-i", "job.py"], []], ids=["-c", "-i", "prompt"])
def test_prompts_and_texts_conclude_nothing(project, args):
    run(project, LOAD_BOTH)
    project.write("job.py", LOAD_A)
    python(project, *args, stdin=LOAD_A)
    assert nothing_is_concluded(project)


def test_a_call_that_is_made_again_is_no_history_even_if_the_program_then_fails(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    assert status(project) == (0, 1, 1)
    run(project, LOAD_BOTH + "1 / 0\n", code=1)
    assert nothing_is_concluded(project)


def test_a_call_that_is_made_again_is_no_history_even_if_the_program_is_killed(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    run(project, LOAD_BOTH + "import os\nos._exit(9)\n", code=9)
    assert nothing_is_concluded(project)


def test_a_call_at_a_prompt_is_made_again(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_A)
    python(project, "-c", LOAD_BOTH)
    assert nothing_is_concluded(project)


def test_what_is_asked_for_is_cared_for(project):
    text = "from lib import load\nload('a.txt')\nif not load.is_cached('b.txt'):\n    load('b.txt')\n"
    run(project, text)
    run(project, text)
    assert nothing_is_concluded(project)


def test_a_program_that_is_run_again_unchanged_changes_nothing(project):
    run(project, LOAD_BOTH)
    before = {p: p.read_bytes() for p in project.folder.rglob("*") if p.is_file()}
    python(project, "job.py")
    python(project, "job.py", PYTHONHASHSEED="7")
    assert {p: p.read_bytes() for p in project.folder.rglob("*") if p.is_file()} == before
    assert status(project) == (0, 2, 0)


# ---------------------------------------------------------------- which program

def test_a_call_that_two_programs_make_is_history_when_both_make_it_no_more(project):
    run(project, LOAD_BOTH)
    run(project, LOAD_BOTH, name="other.py")
    run(project, LOAD_A)
    assert nothing_is_concluded(project)
    run(project, LOAD_A, name="other.py")
    assert status(project) == (0, 1, 1)


BY_ARGUMENT = "import sys\nfrom lib import load\nload(sys.argv[1])\n"
BY_VARIABLE = "import os\nfrom lib import load\nload(os.environ['WHICH'])\n"
BY_TASK = "import os\nfrom lib import load\nload('ab'[int(os.environ.get('SLURM_ARRAY_TASK_' + 'ID'))] + '.txt')\n"
BY_MODULE = "import which\nfrom lib import load\nload(which.name)\n"


def test_other_arguments_are_another_program(project):
    for name in ("a.txt", "b.txt", "a.txt"):
        run(project, BY_ARGUMENT, name)
    assert nothing_is_concluded(project)


def test_variables_that_a_program_names_are_another_program(project):
    project.write("which.py", "import os\nname = os.environ['WHICH']\n")
    for text in (BY_VARIABLE, BY_MODULE):
        for name in ("a.txt", "b.txt", "a.txt", "b.txt", "a.txt"):
            run(project, text, WHICH=name)
    for task in "01010":
        run(project, BY_TASK, SLURM_ARRAY_TASK_ID=task)
    assert nothing_is_concluded(project)


ASKS = "import os\nos.environ.get('SPEED')\n"


@pytest.mark.parametrize(
    ("first", "then"),
    [(ASKS + LOAD_BOTH, LOAD_A), (LOAD_BOTH, ASKS + LOAD_A), (ASKS + LOAD_BOTH, ASKS.replace("SPEED", "SIZE") + LOAD_A)],
    ids=["no more", "now", "another"],
)
@pytest.mark.parametrize("env", [{}, {"SPEED": "2"}, {"SPEED": "2", "SIZE": "3"}], ids=lambda env: " ".join(env) or "none")
def test_an_edit_of_which_variables_it_names_leaves_a_program_the_same(project, first, then, env):
    run(project, first, **env)
    run(project, then, **env)
    assert status(project) == (0, 1, 1)
    run(project, first, **env)
    assert status(project) == (0, 2, 0)


@pytest.mark.parametrize(("first", "then"), [({}, {"SPEED": "2"}), ({"SPEED": "2"}, {}), ({"SPEED": "2"}, {"SPEED": "3"})])
def test_other_values_of_what_both_name_are_another_program(project, first, then):
    run(project, ASKS + LOAD_BOTH, **first)
    run(project, ASKS + ASKS.replace("SPEED", "SIZE") + LOAD_A, **then)
    assert nothing_is_concluded(project)


def test_another_folder_is_another_program(project):
    project.write("main.py", "import sys\nsys.path.insert(0, '..')\nfrom pathlib import Path\nfrom lib import load\n"
                  "load(Path('x.txt').read_text())\n")  # fmt: skip
    for name in "ab":
        (project / name).mkdir()
        (project / name / "x.txt").write_text(str(project / f"{name}.txt"))
        Project(project / name).run("../main.py")
    assert nothing_is_concluded(project)


def test_a_module_is_a_program(project):
    (project / "pack").mkdir()
    project.write("pack/__main__.py", LOAD_BOTH)
    project.write("pack/work.py", LOAD_A)
    python(project, "-m", "pack")
    python(project, "-m", "pack.work")
    assert status(project) == (0, 2, 0)
    project.write("pack/__main__.py", LOAD_A)
    python(project, "-m", "pack")
    project.write("b.txt", "changed")
    assert status(project) == (0, 1, 1)


@pytest.mark.parametrize("way", ["moved", "copied"])
def test_a_project_in_another_place_is_the_same_program(project, way):
    run(project, LOAD_BOTH)
    new = project.folder.with_name("elsewhere")
    (shutil.move if way == "moved" else shutil.copytree)(project.folder, new)
    there = Project(new)
    run(there, LOAD_A)
    assert status(there)[2] == 1


def test_tools_that_run_tests_are_no_programs(project):
    project.write("test_it.py", "from lib import load\ndef test_a():\n    load('a.txt')\n    load('b.txt')\n")
    python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    project.write("test_it.py", "from lib import load\ndef test_a():\n    load('a.txt')\n")
    python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert nothing_is_concluded(project)


# ---------------------------------------------------------------- below other calls

STEPS = """from cachepy import cache_file
from lib import load
cached = cache_file(".cachepy", warn_cheap=False)
@cached
def low(name):
    return load(name)
@cached
def top():
    return {}
"""
TOP = "from steps import top\ntop()\n"


@pytest.mark.parametrize("way", ["load('{}.txt')", "low('{}.txt')"])
def test_what_a_caller_does_not_make_any_more_is_history(project, way):
    project.write("steps.py", STEPS.format(way.format("b")))
    run(project, TOP)
    project.write("steps.py", STEPS.format(way.format("a")))
    run(project, TOP)
    count = 3 if "low" in way else 2
    project.write("b.txt", "changed")
    assert status(project) == (0, count, count - 1)
    run(project, TOP)
    assert status(project) == (0, count, count - 1)
    project.write("steps.py", STEPS.format(way.format("b")))
    run(project, TOP)
    project.write("a.txt", "changed")
    assert status(project) == (0, count, count - 1)
    project.write("b.txt", "changed again")
    assert status(project)[0] == 1


@pytest.mark.parametrize("who", ["another program", "a prompt, since", "a hit, since", "another caller"])
def test_what_somebody_else_makes_is_none(project, who):
    project.write("steps.py", STEPS.format("load('b.txt')"))
    if who == "another program":
        run(project, "from lib import load\nload('b.txt')\n", name="other.py")
    if who == "another caller":
        run(project, "from steps import low\nlow('b.txt')\n", name="other.py")
    run(project, TOP)
    project.write("steps.py", STEPS.format("load('a.txt')"))
    run(project, TOP)
    if who.endswith("since"):
        project.write("b.txt", "changed" if who == "a prompt, since" else "b")
        python(project, "-c", "from lib import load; load('b.txt')")
    project.write("b.txt", "changed again")
    assert status(project)[0] == 1
