"""`status --import` through the real command: whatever a module does when it is imported, asking runs nothing of it.

Each program is run once as a script, from whose calls a cache is made; then it is edited, and asked about.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.programs import Project

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
from pathlib import Path
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False)

def level(of):
    return of - of

LEVEL = level(1)

@cached
def f(x):
    with open("ran", "a") as file:
        file.write(f"f{x}")
    return x + LEVEL

@cached
async def g(x):
    with open("ran", "a") as file:
        file.write(f"g{x}")
    return x + LEVEL
"""
UNCLEAR = GOOD.replace("level(1)", "level(2)")  # what its import would tell, its text does not
GUARD = "\nif __name__ == '__main__':\n    import asyncio\n    f(1), asyncio.run(g(1))\n"
CALLS = 'run.py calls {} when it is imported: put that behind if __name__ == "__main__"'
F, G = CALLS.format("f"), CALLS.format("g")


def python(folder, *args, **more):
    """The answer of a process that would write compiled files, if `-B` were not among the arguments."""
    done = Project(folder, PYTHONDONTWRITEBYTECODE=None).run(*args, code=None, **more)
    assert "Traceback" not in done.stdout
    return done


def cachepy(folder, *args, **more):
    return python(folder, "-B", "-m", "cachepy", *args, **more)


def status(folder, *args, **more):
    return cachepy(folder, "status", "--import", "--cache-dir", "cache", *args, **more)


def tree(folder):
    """Every file with its content and time."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose script ran, with a guard."""
    folder = tmp_path_factory.mktemp("importing")
    (folder / "run.py").write_text(GOOD + GUARD)
    done = python(folder, "-B", "run.py")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(made, tmp_path):
    import shutil

    shutil.copytree(made, tmp_path / "project")
    (tmp_path / "project/ran").unlink()
    return tmp_path / "project"


FRESH, STALE, UNKNOWN = 0, 1, 3
# what stands behind the functions -> exit code, what stderr says
ODD = {
    "prints": ("print('noise')", FRESH, ""),
    "prints to its descriptors": ("import os\nos.write(1, b'noise')\nos.write(2, b'noise')", FRESH, ""),
    "prints megabytes": ("print('noise' * 3_000_000)", FRESH, ""),
    "hits": ("assert f(1) == 1", FRESH, ""),
    "hits without a save": ("f(1, _skip_save=True)", UNKNOWN, F),
    "runs": ("f(2)", UNKNOWN, F),
    "forces": ("f(1, _force=True)", UNKNOWN, F),
    "takes what has no key": ("f((x for x in []))", UNKNOWN, F),
    "catches exceptions": ("try:\n    f(2)\nexcept Exception:\n    pass", UNKNOWN, F),
    "catches all": ("try:\n    f(2)\nexcept:\n    pass", UNKNOWN, F),
    "catches all and ends": ("import os\ntry:\n    f(2)\nexcept:\n    os._exit(0)", UNKNOWN, F),
    "runs a coroutine": ("import asyncio\nasyncio.run(g(2))", UNKNOWN, G),
    "gathers coroutines": (
        (
            "import asyncio\nasync def main():\n    return await asyncio.gather(g(2), g(3), return_exceptions=True)\n"
            "asyncio.run(main())"
        ),
        UNKNOWN,
        G,
    ),
    "a memo": ("from functools import lru_cache\nlru_cache(f)(2)", UNKNOWN, F),
    "a partial in a map": ("from functools import partial\nlist(map(partial(f, 2), [()]))", UNKNOWN, F),
    "a thread": ("import threading\nt = threading.Thread(target=f, args=(2,))\nt.start()\nt.join()", UNKNOWN, F),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor as Pool\nwith Pool(2) as pool:\n    list(pool.map(f, [2, 3]))",
        UNKNOWN,
        F,
    ),
    "a forked child": (
        "import os\npid = os.fork()\nif not pid:\n    try:\n        f(2)\n    finally:\n        os._exit(0)\nos.waitpid(pid, 0)",
        UNKNOWN,
        F,
    ),
    "a pool of forks": ("import multiprocessing\nmultiprocessing.get_context('fork').Pool(1).map(f, [2])", UNKNOWN, F),
    "a process with a caller": (
        (
            "from concurrent.futures import ProcessPoolExecutor as Pool\nfrom cachepy import with_caller\n"
            "with Pool(1) as pool:\n    pool.submit(with_caller(f), 2).result()"
        ),
        UNKNOWN,
        F,
    ),
    "another program": (
        "import subprocess, sys\nsubprocess.run([sys.executable, 'other.py'])",
        UNKNOWN,
        'run.py starts other.py, which calls f, when it is imported: put that behind if __name__ == "__main__"',
    ),
    "dask": ("import dask\ndask.delayed(f)(2).compute(scheduler='threads')", UNKNOWN, F),
    "dask with a caller": ("from dask_plugin import delayed\ndelayed(f)(2).compute(scheduler='sync')", UNKNOWN, F),
    "clears": ("f.clear()", UNKNOWN, CALLS.format("f.clear")),
    "prunes": ("import cachepy\ncachepy.cache_prune('cache', 0)", UNKNOWN, CALLS.format("cache_prune")),
    "repairs": ("import cachepy\ncachepy.cache_repair('cache')", UNKNOWN, CALLS.format("cache_repair")),
    "refreshes": (
        "import cachepy\ncachepy.cache_tree_sync('cache')\ncachepy.cache_tree_refresh()",
        UNKNOWN,
        CALLS.format("cache_tree_refresh"),
    ),
    "checks by running": (
        "import cachepy\ncachepy.cache_verify('cache', rerun=1)", UNKNOWN, CALLS.format("cache_verify"),
    ),
    "asks": ("import cachepy\nf.is_cached(2), f.explain(1), f.key(3), cachepy.cache_verify('cache')", FRESH, ""),
    "exits at its end": ("import sys\nsys.exit(0)", FRESH, ""),
    "exits with a call at its end": ("import sys\nsys.exit(f(2))", UNKNOWN, F),
    "exits in its midst": ("import sys\nsys.exit(4)\ndef later(): pass", UNKNOWN, "it calls sys.exit(4)"),
    "parses what is not there": ("import argparse\nargparse.ArgumentParser().parse_args()", FRESH, ""),
    "parses what it lacks": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('x')\np.parse_args()\ny = 1",
        UNKNOWN,
        "it calls sys.exit(2)",
    ),
    "ends at once": ("import os\nos._exit(0)", UNKNOWN, "it ended the process that imported it (exit code 0)"),
    "is killed": ("import os\nos.kill(os.getpid(), 9)", UNKNOWN, "it ended the process that imported it (SIGKILL)"),
    "aborts": ("import os\nos.abort()", UNKNOWN, "it ended the process that imported it (SIGABRT)"),
    "never ends": ("while True:\n    pass", UNKNOWN, "its import took too long (CACHEPY_IMPORT_TIMEOUT"),
    "never ends, talking": ("while True:\n    print('noise')", UNKNOWN, "its import took too long"),
    "never ends, deaf": (
        (
            "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, "
            "range(1, 20))\nwhile True:\n    time.sleep(1)"
        ),
        UNKNOWN,
        "its import took too long",
    ),
    "raises": ("raise ValueError('boo')", UNKNOWN, "ValueError: boo"),
    "raises what has no text": (
        "class Odd(BaseException):\n    def __str__(self):\n        raise self\nraise Odd", UNKNOWN, "Odd"
    ),
    "does not compile": ("def (:", UNKNOWN, "SyntaxError"),
    "asks for a line": ("input()", UNKNOWN, "EOFError"),
    "wants a terminal": ("open('/dev/tty')", UNKNOWN, "OSError"),
    "a thread that never ends": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1e6,)).start()", FRESH, ""
    ),
    "leaves a process behind": ("import subprocess\nsubprocess.Popen(['sleep', '1000000'])", FRESH, ""),
    "forks and goes on twice": ("import os\nos.fork()", FRESH, ""),
    "closes all files": ("import os\nos.closerange(0, 1000)", FRESH, ""),
    "changes the folder": ("import os\nos.chdir('/')", FRESH, ""),
    "changes the way of imports": ("import sys\nsys.path.clear()", FRESH, ""),
    "at exit": ("import atexit\natexit.register(f, 2)", FRESH, ""),
    "handles signals": ("import signal\nsignal.signal(signal.SIGALRM, print)\nsignal.alarm(1)", FRESH, ""),
    "warnings are errors": ("import warnings\nwarnings.simplefilter('error')\nf(1)", FRESH, ""),
    "an edit": ("def f(x):\n    return x + 1\nf = cached(f)", STALE, ""),
    "a function is gone": ("del f", STALE, ""),
}


@pytest.mark.parametrize(("body", "code", "why"), ODD.values(), ids=ODD)
def test_asking_runs_nothing(project, body, code, why):
    (project / "run.py").write_text(f"{UNCLEAR}{body}\n")
    (project / "other.py").write_text("from run import f\nf(2)\n".replace("run", "steps"))
    (project / "steps.py").write_text(GOOD)
    before = tree(project)
    limit = {"CACHEPY_IMPORT_TIMEOUT": "3"} if "too long" in why else {}
    done = status(project, **limit)
    assert tree(project) == before
    assert (done.returncode, done.stderr.count("code of run could not be checked: " + why)) == (code, code == UNKNOWN), done
    said = {FRESH: "all 2 calls are fresh", STALE: "2 calls: 1 stale, 1 fresh", UNKNOWN: "2 calls: 2 unknown"}
    assert done.stdout.startswith(said[code])
    assert "noise" not in done.stdout
    assert code == UNKNOWN or done.stderr == ""


def test_one_bad_module_does_not_hide_the_others(project):
    """The others are asked again, whatever became of the process."""
    for name, end in {"dies": "import os\nos._exit(0)", "hangs": "while True: pass", "calls": "f(3)"}.items():
        (project / f"{name}.py").write_text(f"{GOOD}{GUARD}")
        assert python(project, "-B", f"{name}.py").returncode == 0
        (project / f"{name}.py").write_text(f"{UNCLEAR}{end}\n")
    path = project / "run.py"
    path.write_text(path.read_text().replace("return x", "return x + 0"))
    done = status(project, CACHEPY_IMPORT_TIMEOUT="8")
    assert done.returncode == STALE
    assert "code of run:f changed" in done.stdout
    assert done.stdout.count("\nstale ") == 2
    for name, why in {"dies": "it ended the process", "hangs": "took too long", "calls": "calls.py calls f"}.items():
        assert f"code of {name} could not be checked: {why}" in done.stderr.replace("its import ", "")


def test_no_process_is_left_behind(project):
    """Not even one that its module has started."""
    starts = "import subprocess\nPath('pid').write_text(str(subprocess.Popen(['sleep', '654321']).pid))\n"
    (project / "run.py").write_text(UNCLEAR + starts)
    assert status(project).returncode == FRESH
    path, deadline = Path("/proc", (project / "pid").read_text(), "cmdline"), time.monotonic() + 30
    while path.exists() and b"654321" in path.read_bytes():
        assert time.monotonic() < deadline


ENDS = {
    "raises": "raise RuntimeError('boom')",
    "imports what is not there": "import no_such_module",
    "ends the process": "import os\nos._exit(0)",
    "fails in its midst": "N = 1 / 0",
}


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_code_that_is_as_it_was_where_the_program_cannot_come_to_it(project, text):
    """Of the code itself the source files tell all; but only an import tells that the module has one no more."""
    (project / "run.py").write_text(f"{GOOD}{text}\n{GUARD}")
    done = status(project)
    assert done.returncode == UNKNOWN
    assert "code of run could not be checked: " in done.stderr
    (project / "run.py").write_text(f"{GOOD}N = 1\n{GUARD}")
    assert status(project).returncode == FRESH


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon"])
def test_a_time_that_is_none(project, text):
    (project / "run.py").write_text(UNCLEAR + GUARD)
    done = status(project, CACHEPY_IMPORT_TIMEOUT=text)
    assert done.returncode == UNKNOWN
    assert f"CACHEPY_IMPORT_TIMEOUT={text!r} must be a number of seconds above 0" in done.stderr


@pytest.mark.parametrize("command", [("explain", "f"), ("plan",), ("graph",), ("show", "f"), ("export", "-o", "page.html")], ids=str)
def test_every_command_that_imports(project, command):
    (project / "run.py").write_text(f"{UNCLEAR}f(2)\n")
    before = tree(project)
    done = cachepy(project, *command, "--import", "--cache-dir", "cache")
    assert (done.returncode, F in done.stderr) == (UNKNOWN, True)
    assert {k: v for k, v in tree(project).items() if k in before} == before


# ---------------------------------------------------------------- where modules are found

LIB = "def help(x):\n    return x\n"
USES = GOOD.replace("    return x", "    return help(x)")
# the files of a project, how it is started in its folder -> the file with the code that is edited
PLACES = {
    "a folder of scripts": ({"scripts/train.py": GOOD + GUARD}, ["scripts/train.py"], "scripts/train.py"),
    "a helper beside it": (
        {"scripts/train.py": "from lib import help\n" + USES + GUARD, "scripts/lib.py": LIB},
        ["scripts/train.py"], "scripts/lib.py",
    ),
    "another helper of that name": (
        {"scripts/train.py": "from lib import help\n" + USES + GUARD, "scripts/lib.py": LIB, "other/lib.py": "x = 1"},
        ["scripts/train.py"], "scripts/lib.py",
    ),
    "a package, run as a module": (
        {"pkg/__init__.py": "", "pkg/train.py": GOOD + GUARD}, ["-m", "pkg.train"], "pkg/train.py",
    ),
    "a package's program": (
        {"pkg/__init__.py": "", "pkg/__main__.py": "from .lib import help\n" + USES + GUARD, "pkg/lib.py": LIB},
        ["-m", "pkg"], "pkg/__main__.py",
    ),
    "a helper of a package's program": (
        {"pkg/__init__.py": "", "pkg/__main__.py": "from .lib import help\n" + USES + GUARD, "pkg/lib.py": LIB},
        ["-m", "pkg"], "pkg/lib.py",
    ),
    "a namespace package": ({"space/train.py": GOOD + GUARD}, ["-m", "space.train"], "space/train.py"),
    "a source folder on the path": (
        {"src/pkg/__init__.py": "", "src/pkg/lib.py": GOOD, "job.py": "from pkg.lib import f, g\n" + GUARD},
        ["job.py"], "src/pkg/lib.py",
    ),
    "a hyphen in its name": ({"my-job.py": GOOD + GUARD}, ["my-job.py"], "my-job.py"),
    "a number in front": ({"01_load.py": GOOD + GUARD}, ["01_load.py"], "01_load.py"),
    "a dot in its name": ({"load.v2.py": GOOD + GUARD}, ["load.v2.py"], "load.v2.py"),
    "no .py": ({"bin/job": GOOD + GUARD}, ["bin/job"], "bin/job"),
    "the name of a standard module": ({"scripts/calendar.py": GOOD + GUARD}, ["scripts/calendar.py"], "scripts/calendar.py"),
    "the name of a module of ours": ({"scripts/click.py": GOOD + GUARD}, ["scripts/click.py"], "scripts/click.py"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "start", "edited"), PLACES.values(), ids=PLACES)
def test_modules_are_found_where_they_were(tmp_path, files, start, edited):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path = os.pathsep.join([str(ROOT), "src", "space"])
    done = python(tmp_path, "-B", *start, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    done = status(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (FRESH, "all 2 calls are fresh\n", "")
    defines = next(name for name, text in files.items() if "level(1)" in text)
    text = (tmp_path / defines).read_text()
    (tmp_path / defines).write_text(text.replace("level(1)", "level(2)"))
    done = cachepy(tmp_path, "status", "--cache-dir", "cache")
    assert (done.returncode, done.stdout.splitlines()[0]) == (UNKNOWN, "2 calls: 2 unknown"), done.stderr
    done = status(tmp_path)  # imported from where it was
    assert (done.returncode, done.stdout, done.stderr) == (FRESH, "all 2 calls are fresh\n", "")
    (tmp_path / defines).write_text(text.replace("of - of", "of"))
    done = status(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (STALE, "2 calls: 2 stale"), done.stderr
    assert ".LEVEL changed" in done.stdout
    (tmp_path / defines).write_text(text)
    text = (tmp_path / edited).read_text()
    (tmp_path / edited).write_text(re.sub("( return .*)", r"\1 + 0", text))
    for done in (status(tmp_path), cachepy(tmp_path, "status", "--cache-dir", "cache")):
        assert (done.returncode, done.stdout.splitlines()[0]) == (STALE, "2 calls: 2 stale"), done.stderr


@pytest.mark.parametrize("start", [["-c", GOOD + "f(1)"], ["app.pyz"]], ids=["a text", "a zip"])
def test_what_has_no_file_of_its_own_is_unknown(tmp_path, start):
    import zipapp

    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text(GOOD + "f(1)")
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    assert python(tmp_path, "-B", *start).returncode == 0
    done = status(tmp_path)
    assert done.returncode == UNKNOWN
    assert "code of __main__ could not be checked: it cannot be imported: it is a prompt" in done.stderr
    done = cachepy(tmp_path, "status", "--cache-dir", "cache")
    assert (done.returncode, done.stdout.startswith("1 call: 1 unknown\n")) == (UNKNOWN, True)
    assert "code of __main__:f could not be checked: it came from no file" in done.stdout


def test_a_folder_as_a_program_has_a_file_that_cannot_be_imported(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text(GOOD + "f(1)")
    assert python(tmp_path, "-B", "app").returncode == 0
    assert status(tmp_path).stdout == "the only call is fresh\n"
    (tmp_path / "app/__main__.py").write_text(GOOD.replace("x + LEVEL", "x - LEVEL"))
    done = status(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (STALE, "1 call: 1 stale")
    (tmp_path / "app/__main__.py").write_text(UNCLEAR + "f(1)")
    done = status(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (UNKNOWN, "1 call: 1 unknown")
    assert "code of __main__ could not be checked: it cannot be imported: it is a prompt" in done.stderr


def test_a_module_in_a_zip(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as file:
        file.writestr("steps.py", GOOD)
        file.writestr("__main__.py", "from steps import f\nf(1)\n")
    assert python(tmp_path, "-B", "app.pyz").returncode == 0
    assert status(tmp_path).stdout == "the only call is fresh\n"


def test_two_projects_with_helpers_of_one_name(tmp_path):
    """Each is imported with its own: in one process the second would find the helper of the first."""
    for name, value in {"a": 1, "b": 2}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "lib.py").write_text(f"def help(x):\n    return x + {value}\n")
        text = "from lib import help\n" + USES.replace('"cache"', repr(str(tmp_path / "cache")))
        (tmp_path / name / f"job_{name}.py").write_text(text + GUARD)
        assert python(tmp_path, "-B", f"{name}/job_{name}.py").returncode == 0
    assert status(tmp_path).stdout == "all 4 calls are fresh\n"


# ---------------------------------------------------------------- other caches, and Python


def test_a_stale_call_of_another_cache_at_import(project):
    (project / "in.txt").write_text("1")
    program = GOOD + (
        "@cache_file('second', warn_cheap=False)\ndef read(p):\n    return Path(p).read_text()\nTEXT = read('in.txt')\n"
        "@cached\ndef h(x):\n    return f(x)\n" + GUARD + "    h(1)\n"
    )
    (project / "run.py").write_text(program)
    assert python(project, "-B", "run.py").returncode == 0
    assert status(project).stdout == "all 3 calls are fresh\n"
    (project / "in.txt").write_text("2")
    assert status(project).stdout == "all 3 calls are fresh\n"  # nobody reads the text
    (project / "run.py").write_text(program.replace("level(1)", "level(2)"))
    before = tree(project)
    done = status(project)
    assert (done.returncode, done.stdout.splitlines()[0]) == (UNKNOWN, "3 calls: 3 unknown")
    assert CALLS.format("read") in done.stderr
    assert tree(project) == before


ASK = """
import sys
import cachepy
cachepy.cache_tree_sync("cache")
print(sorted((each["node"]["fname"], each["state"]) for each in cachepy.cache_tree_stale(import_code=True).values()))
print(cachepy.cache_tree_plan(import_code=True).counts["stale"], cachepy.cache_tree_plan(import_code=True).unseen)
print("run" in sys.modules)
"""


def test_python_asks_the_same(project):
    path = project / "run.py"
    path.write_text(path.read_text().replace("return x", "return x + 0"))
    done = python(project, "-B", "-c", ASK)
    assert done.stdout.splitlines() == ["[('f', 'stale'), ('g', 'stale')]", "2 ()", "False"], done.stderr
    path.write_text(UNCLEAR + "f(2)")
    done = python(project, "-B", "-c", ASK)
    assert done.stdout.splitlines() == ["[('f', 'unknown'), ('g', 'unknown')]", "0 ('run',)", "False"], done.stderr


REFRESH = """
import sys
import cachepy
cachepy.cache_tree_sync("cache")
before = list(sys.path)
done = cachepy.cache_tree_refresh()
print(len(done.ran), *sorted(done.left.values()))
assert sys.path == before
"""


def test_a_refresh_runs_nothing_beside(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "in.txt").write_text("1")
    read = "@cached\ndef h(p):\n    return f(len(p.read_text()))\n"
    (tmp_path / "scripts/run.py").write_text(GOOD + read + GUARD + "    h(Path('in.txt'))\n")
    assert python(tmp_path, "-B", "scripts/run.py").returncode == 0
    (tmp_path / "ran").unlink()
    (tmp_path / "in.txt").write_text("22")
    (tmp_path / "scripts/run.py").write_text(UNCLEAR + read + "f(3)\n")
    done = python(tmp_path, "-B", "-c", REFRESH)
    assert done.stdout == f"0 g(1) cannot be run again: {F} h(in.txt) cannot be run again: {F}\n", done.stderr
    assert not (tmp_path / "ran").exists()
    (tmp_path / "scripts/run.py").write_text(UNCLEAR + read)
    done = python(tmp_path, "-B", "-c", REFRESH)
    assert done.stdout == "2\n", done.stderr
    assert (tmp_path / "ran").read_text() == "f2"


def test_a_hit_below_imports_without_running(project):
    """Verifying a caller may import the module of a call below; what that calls at import must not run beside it."""
    (project / "top.py").write_text(
        "import importlib\nfrom cachepy import cache_file\n@cache_file('cache', warn_cheap=False)\ndef top(name):\n"
        "    return importlib.import_module(name).f(1)\nif __name__ == '__main__':\n    print(top('low'))\n"
    )
    (project / "low.py").write_text(GOOD)
    assert python(project, "-B", "top.py").returncode == 0
    (project / "ran").unlink()
    (project / "low.py").write_text(UNCLEAR + "f(3)\n")
    done = python(project, "-B", "-c", "import top\nprint(top.top.is_cached('low'))")
    assert done.stdout in {"True\n", "False\n"}
    assert not (project / "ran").exists()


PATCHES = {  # what the script does at import to what a function in another module uses
    "a function": "lib.twice = lambda x: x * 5",
    "an entry of a table": "lib.TABLE['by'] = 5",
    "a class": "lib.By.number = 5",
    "a value": "lib.BY = 5",
    "by a third module": "import third",
    "by all of a third module": "from third import *",
    "by a fourth module": "import fourth",
    "by a module of a package": "import pack.inner",
    "by a package": "from pack.other import X",
    "by a module that a text names": "from importlib import import_module\nimport_module('third')",
    "if it is there": "try:\n    import third\nexcept ImportError:\n    pass",
    "in a function that is called": "def setup():\n    import third\nsetup()",
}
LIB = """
from cachepy import cache_file
BY = 2
TABLE = {"by": 2}
class By:
    number = 2
def twice(x):
    return x * 2
@cache_file("cache")
def plain(x):
    open("ran", "a").write("x")
    return [twice(x), TABLE["by"], By.number, BY]
"""


@pytest.mark.parametrize("script", ["a_run", "zz_run"])
@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_what_a_script_puts_into_a_module_counts(tmp_path, patch, script):
    """Modules are asked one after the other, and the script that changes one may come last."""
    (tmp_path / "lib.py").write_text(LIB)
    patching = "import lib\nlib.BY = 5\n"
    (tmp_path / "third.py").write_text(patching)
    (tmp_path / "fourth.py").write_text("import os\nimport third\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text(patching)
    (tmp_path / "pack/inner.py").write_text("")
    (tmp_path / "pack/other.py").write_text("X = 1\n")
    job = "import lib\nfrom cachepy import cache_file\n{}\n@cache_file('cache')\ndef top(x):\n    return lib.twice(x) + lib.BY\n"
    guard = "if __name__ == '__main__':\n    lib.plain(1), top(1)\n"
    path = tmp_path / f"{script}.py"
    path.write_text(job.format("") + guard)
    assert python(tmp_path, "-B", path.name).returncode == 0
    assert status(tmp_path).returncode == FRESH
    path.write_text(job.format(patch) + guard)
    (tmp_path / "ran").unlink()
    said = {status(tmp_path).returncode, cachepy(tmp_path, "status", "--cache-dir", "cache").returncode}
    assert not (tmp_path / "ran").exists()
    python(tmp_path, "-B", path.name)
    assert (tmp_path / "ran").exists(), "the truth: it ran"
    assert said <= {STALE, UNKNOWN}
    assert status(tmp_path).returncode == FRESH
