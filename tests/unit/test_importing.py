"""`status --import` through the real command: whatever a module does when it is imported, asking runs nothing of it.

Each program is run once as a script, from whose calls a cache is made; then it is edited, and asked about.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
from pathlib import Path
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False)

@cached
def f(x):
    with open("ran", "a") as file:
        file.write(f"f{x}")
    return x

@cached
async def g(x):
    with open("ran", "a") as file:
        file.write(f"g{x}")
    return x
"""
GUARD = "\nif __name__ == '__main__':\n    import asyncio\n    f(1), asyncio.run(g(1))\n"
CALLS = 'run.py calls {} when it is imported: put that behind if __name__ == "__main__"'
F, G = CALLS.format("f"), CALLS.format("g")


def environment(**more):
    names = {"CACHEPY_DIR", "PYTHONDONTWRITEBYTECODE", "CACHEPY_IMPORT_TIMEOUT"}
    return {k: v for k, v in os.environ.items() if k not in names} | {"PYTHONPATH": str(ROOT)} | more


def python(folder, *args, **more):
    done = subprocess.run(
        [sys.executable, *args], cwd=folder, env=environment(**more), capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=240,
    )  # fmt: skip
    assert "Traceback" not in done.stdout
    return done


def cachepy(folder, *args, **more):
    done = python(folder, "-B", "-m", "cachepy", *args, **more)
    assert "Traceback" not in done.stderr
    return done


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
        "import asyncio\nasync def main():\n    return await asyncio.gather(g(2), g(3), return_exceptions=True)\n"
        "asyncio.run(main())",
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
        "from concurrent.futures import ProcessPoolExecutor as Pool\nfrom cachepy import with_caller\n"
        "with Pool(1) as pool:\n    pool.submit(with_caller(f), 2).result()",
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
    "ends at once": ("import os\nos._exit(0)", UNKNOWN, "it ends the process that imports it (exit code 0)"),
    "is killed": ("import os\nos.kill(os.getpid(), 9)", UNKNOWN, "it ends the process that imports it (SIGKILL)"),
    "aborts": ("import os\nos.abort()", UNKNOWN, "it ends the process that imports it (SIGABRT)"),
    "never ends": ("while True:\n    pass", UNKNOWN, "its import takes too long (CACHEPY_IMPORT_TIMEOUT"),
    "never ends, talking": ("while True:\n    print('noise')", UNKNOWN, "its import takes too long"),
    "never ends, deaf": (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, "
        "range(1, 20))\nwhile True:\n    time.sleep(1)",
        UNKNOWN,
        "its import takes too long",
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
    (project / "run.py").write_text(f"{GOOD}{body}\n")
    (project / "other.py").write_text("from run import f\nf(2)\n".replace("run", "steps"))
    (project / "steps.py").write_text(GOOD)
    before = tree(project)
    limit = {"CACHEPY_IMPORT_TIMEOUT": "3"} if "too long" in why else {}
    done = status(project, **limit)
    assert tree(project) == before
    assert (done.returncode, done.stderr.count("code of run could not be looked at: " + why)) == (code, code == UNKNOWN), done
    said = {FRESH: "all 2 calls are fresh", STALE: "2 calls: 1 stale, 1 fresh", UNKNOWN: "nothing is stale as far as"}
    assert done.stdout.startswith(said[code])
    assert "noise" not in done.stdout
    assert code == UNKNOWN or done.stderr == ""
