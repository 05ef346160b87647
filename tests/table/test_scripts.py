"""Scripts: the same program started again, or imported, makes no call again, and an edit is seen; asked by the command.

What a function is called in ``__main__``, by which names it is held, and what its own name leads to in the end says
nothing about its results.
"""

from __future__ import annotations

import os
import re

import pytest

from tests.programs import Project

HEAD = """
import functools
from functools import lru_cache, partial, wraps
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)
def ran(name):
    print("RAN", name)
def timed(fn):
    def inner(*args):
        return fn(*args)
    return inner
def named(fn):
    return wraps(fn)(timed(fn))
"""
PLAIN = """
def load(n):
    ran("load")
    return [n] * 3
"""
CACHED = f"@cached{PLAIN}"
TOTAL = """
@cached
def total(n):
    ran("total")
    return sum({load}(n)) + n
"""
FROM_TABLE = TOTAL.format(load="TABLE['load']")
MAIN = """
def main():
    for n in (1, 2):
        total(n)
if __name__ == "__main__":
    main()
"""
HELD = {
    "another name": f"{PLAIN}cached_load = cached(load)\n{TOTAL.format(load='cached_load')}",
    "a table": f"{PLAIN}TABLE = {{'load': cached(load)}}\n{FROM_TABLE}",
    "a list": f"{PLAIN}STEPS = [cached(load)]\n{TOTAL.format(load='STEPS[0]')}",
    "a table, by its decorator": f"TABLE = {{}}\ndef register(fn):\n    TABLE[fn.__name__] = fn\n    return fn\n"
    f"@register\n{CACHED}{FROM_TABLE}",
    "wraps": f"@named\n{CACHED}{TOTAL.format(load='load')}",
    "no wraps": f"@timed\n{CACHED}{TOTAL.format(load='load')}",
    "no wraps, twice": f"@timed\n@timed\n{CACHED}{TOTAL.format(load='load')}",
    "no wraps around wraps": f"@timed\n@named\n{CACHED}{TOTAL.format(load='load')}",
    "lru_cache": f"@lru_cache\n{CACHED}{TOTAL.format(load='load')}",
    "lru_cache, another name": f"{PLAIN}quick = lru_cache(cached(load))\n{TOTAL.format(load='quick')}",
    "a partial": f"{PLAIN}quick = partial(cached(load))\n{TOTAL.format(load='quick')}",
    "a partial under its name": f"{CACHED}load = partial(load)\n{TOTAL.format(load='load')}",
    "a static method": f"{PLAIN}class Steps:\n    load = staticmethod(cached(load))\n{TOTAL.format(load='Steps.load')}",
    "an object": f"{PLAIN}class Step:\n    def __init__(self, fn):\n        self.fn = fn\n    def __call__(self, n):\n"
    f"        return self.fn(n)\nstep = Step(cached(load))\n{TOTAL.format(load='step')}",
    "a closure": f"{PLAIN}def maker(load):\n    return lambda n: load(n)\ngo = maker(cached(load))\n{TOTAL.format(load='go')}",
    "an object under its name": f"class Step:\n    def __init__(self, fn):\n        self.fn = fn\n"
    f"    def __call__(self, n):\n        return self.fn(n)\n@Step\n{CACHED}{TOTAL.format(load='load')}",
    "a number under its name": f"{CACHED}STEPS = [load]\nload = 3\n{TOTAL.format(load='STEPS[0]')}",
    "nothing under its name": f"{CACHED}first = load\ndel load\n{TOTAL.format(load='first')}",
    "a function under its name": f"{CACHED}first = load\ndef load(n):\n    return first(n)\n{TOTAL.format(load='load')}",
    "a lambda under its name": f"{CACHED}first = load\nload = lambda n: first(n)\n{TOTAL.format(load='load')}",
    "a class under its name": f"{CACHED}first = load\nclass load(list):\n    def __init__(self, n):\n"
    f"        super().__init__(first(n))\n{TOTAL.format(load='load')}",
    "a cached one under its name": f"{CACHED}first = load\n@cached\ndef load(n):\n    ran('load2')\n"
    f"    return [*first(n), 0]\n{TOTAL.format(load='load')}",
    "its result under its name": f"{CACHED}{TOTAL.format(load='(lambda n: [n])')}"
    "def main():\n    global load\n    load = load(1)\n    total(1)\nif __name__ == '__main__':\n    main()\n",
    "a class with a cached method": "class Job:\n    @cached\n    def load(self, n):\n        ran('load')\n        return [n] * 3\n"
    f"go = Job().load\n{TOTAL.format(load='go')}",
}


@pytest.fixture
def project(project: Project) -> Project:
    project.write("imports.py", "import job\njob.main()\n")
    return project


def run(project: Project, *args: str, seed: str = "0") -> list[str]:
    """The bodies that ran."""
    return re.findall(r"RAN (\w+)", project.run(*args, PYTHONHASHSEED=seed).stdout)


def status(project: Project) -> tuple[int, str]:
    done = project.cachepy("status", "--import", "--cache-dir", "cache")
    return done.returncode, done.stdout + done.stderr


def is_settled(project: Project) -> None:
    """Nothing runs again, however the program is started; and the command says so."""
    assert run(project, "job.py", seed="7") == []
    assert status(project)[0] == 0, status(project)
    assert run(project, "imports.py", seed="3") == []
    assert run(project, "-c", "import runpy; runpy.run_path('job.py', run_name='__main__')") == []
    assert run(project, "job.py") == []


@pytest.mark.parametrize("held", HELD)
def test_by_whatever_name_a_cached_function_is_held(project: Project, held: str) -> None:
    text = HEAD + HELD[held] + (MAIN if "def main" not in HELD[held] else "")
    project.write("job.py", text)
    assert run(project, "job.py")
    is_settled(project)
    project.write("job.py", text.replace("[n] * 3", "[n] * 4"))
    code, said = status(project)
    assert code == 1, said
    assert "load" in run(project, "job.py")
    is_settled(project)


IN_THE_KEY = {
    "a default": PLAIN + TOTAL.replace("(n):", "(n, load=cached(load)):").format(load="load"),
    "cached twice": f"@cached\n{CACHED}{TOTAL.format(load='load')}",
}


@pytest.mark.parametrize("held", IN_THE_KEY)
def test_a_cached_function_that_is_part_of_a_key(project: Project, held: str) -> None:
    """As an argument it counts by its code: with other code it is another call."""
    text = HEAD + IN_THE_KEY[held] + MAIN
    project.write("job.py", text)
    assert run(project, "job.py")
    is_settled(project)
    project.write("job.py", text.replace("[n] * 3", "[n] * 4"))
    assert run(project, "job.py") == ["total", "load"] * 2
    assert run(project, "imports.py", seed="3") == run(project, "job.py") == []

LOG = "import logging\nlog = logging.getLogger(__name__)\n"
USES = """
@cached
def total(n):
    ran("total")
    {use}.info("x")
    return n
"""
NAMED_AFTER_IT = {
    "a logger": LOG + USES.format(use="log"),
    "a logger below it": f"{LOG}LOGS = {{'a': log.getChild('a')}}\n" + USES.format(use="LOGS['a']"),
    "an adapter": f"{LOG}log = logging.LoggerAdapter(log, {{}})\n" + USES.format(use="log"),
    "its method": f"{LOG}class Log:\n    info = log.info\n" + USES.format(use="Log"),
    "a derived logger": "import logging\nclass Log(logging.Logger):\n    pass\nlog = Log(__name__)\n" + USES.format(use="log"),
    "a logger in a class": "import logging\nclass Job:\n    log = logging.getLogger(__name__ + '.Job')\n"
    + USES.format(use="Job.log"),
    "a logger with a handler": f"{LOG}log.addHandler(logging.NullHandler())\n" + USES.format(use="log"),
    "a logger's level": LOG + USES.format(use="log").replace("return n", "return n + log.isEnabledFor(10)"),
    "a logger's own level": f"{LOG}log.setLevel(10)\n"
    + USES.format(use="log").replace("return n", "return n + log.isEnabledFor(10)"),
    "a default": LOG + USES.format(use="log").replace("(n)", "(n, log=log)"),
    "an instance": f"{LOG}class Job:\n    def __init__(self):\n        self.log = log\n    @cached\n    def go(self, n):\n"
    f"        ran('go')\n        return n\njob = Job()\n{USES.format(use='log').replace('return n', 'return job.go(n)')}",
    "classes": "import enum, typing\nfrom dataclasses import make_dataclass\nM = make_dataclass('M', ['a'])\n"
    "E = enum.Enum('E', 'A B')\nX = typing.NewType('X', int)\nT = typing.TypeVar('T')\nITEMS = [M(1), E.A, X, T]\n"
    + USES.format(use="ITEMS").replace('.info("x")', ""),
    "objects with a lock": "import threading\nclass Box:\n    def __init__(self):\n        self.lock = threading.Lock()\n"
    "        self.n = 3\nbox = Box()\n" + USES.format(use="box.n").replace('.info("x")', ""),
    "a pool": "from multiprocessing import Pool\n" + USES.format(use="Pool").replace('.info("x")', ""),
}


@pytest.mark.parametrize("named", NAMED_AFTER_IT)
def test_what_is_named_after_the_script(project: Project, named: str) -> None:
    project.write("job.py", HEAD + NAMED_AFTER_IT[named] + MAIN)
    assert run(project, "job.py")
    is_settled(project)


def test_loggers_of_other_names_are_told_apart(project: Project) -> None:
    text = HEAD + NAMED_AFTER_IT["a logger"].replace("return n", "return log.name") + MAIN
    project.write("job.py", text)
    assert run(project, "job.py") == ["total", "total"]
    project.write("job.py", text.replace("getLogger(__name__)", "getLogger('other')"))
    assert status(project)[0] == 1
    assert run(project, "job.py") == ["total", "total"]


# -- reasons: of the run that was valid last

REASONED = """
import os, sys
from pathlib import Path
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False, verbose=True, env_vars=["LEVEL"])

def by(x):
    return x * 1

@cached
def load(path: Path):
    return [by(len(path.read_text()))]

@cached
def total(n):
    return sum(load(Path("a.txt"))) + n

@cached
def direct(path: Path):
    return by(len(path.read_text()))

if __name__ == "__main__":
    if "why" in sys.argv:
        print(*total.explain(1).reasons, sep="; ")
        print(*direct.explain(Path("a.txt")).reasons, sep="; ")
    else:
        total(1), direct(Path("a.txt"))
"""
STATES = {
    "code": lambda project, new: project.write("job.py", REASONED.replace("x * 1", "x * 2" if new else "x * 1")),
    "code that gives the same": lambda project, new: project.write("job.py", REASONED.replace("x * 1", "1 * x" if new else "x * 1")),
    "file": lambda project, new: project.write("a.txt", "changed" if new else "one"),
    "variable": lambda project, new: os.environ.update(LEVEL="2" if new else "1"),
}
WORDS = {"code": "code of", "code that gives the same": "code of", "file": "a.txt changed", "variable": "LEVEL changed"}
BACK_AND_FORTH = [
    *((away, then, [1, 0]) for away in STATES for then in STATES if WORDS[away] != WORDS[then]),
    *(("code", "file", steps) for steps in ([1, 0, 1], [1, 0, 1, 0])),
    *(("file", "code", steps) for steps in ([1, 0, 1], [1, 0, 1, 0])),
]


@pytest.mark.parametrize(("away", "then", "steps"), BACK_AND_FORTH)
def test_reasons_are_those_of_the_run_that_was_valid_last(
    project: Project, monkeypatch: pytest.MonkeyPatch, away: str, then: str, steps: list[int]
) -> None:
    monkeypatch.setenv("LEVEL", "1")
    STATES["code"](project, 0)
    STATES["file"](project, 0)
    project.run("job.py")
    for new in steps:
        STATES[away](project, new)
        project.run("job.py")
    STATES[then](project, 1)
    _, told = status(project)
    explained = "".join(
        project.cachepy("explain", each, "--import", "--cache-dir", "cache").stdout for each in ("total", "direct")
    )
    asked = project.run("job.py", "why").stdout
    ran = "\n".join(s for s in project.run("job.py").stderr.splitlines() if s.startswith("run "))
    for said in (told, explained, asked, ran):
        assert WORDS[then] in said and WORDS[away] not in said, said
    assert {*re.findall(r"(?m)^run (?:total|direct)\(.*?\): (.*)$", ran)} <= {*asked.splitlines()}


# -- calls while the script or a module is loaded

EARLY = {
    "all globals": "@cached\ndef load(n):\n    ran('load')\n    return [globals()['SCALE'] * n]\nSCALE = 3\nFIRST = load(1)\nLATER = 7\n",
    "a function defined later": "@cached\ndef load(n):\n    ran('load')\n    return [later(n) if n > 1 else n]\n"
    "FIRST = load(1)\ndef later(n):\n    return n * 2\n",
    "a value defined later": "@cached\ndef load(n):\n    ran('load')\n    return [n * SCALE if n > 1 else n]\nFIRST = load(1)\nSCALE = 5\n",
    "a value set anew": "SCALE = 1\n@cached\ndef load(n):\n    ran('load')\n    return [n * SCALE]\nFIRST = load(1)\nSCALE = 5\n",
    "a cached function defined later": "@cached\ndef load(n):\n    ran('load')\n    return low(n) if n > 1 else [n]\n"
    "FIRST = load(1)\n@cached\ndef low(n):\n    ran('low')\n    return [n]\n",
    "a name that is missed": "@cached\ndef load(n):\n    ran('load')\n    try:\n        return later(n)\n    except NameError:\n"
    "        return [0]\nFIRST = load(1)\ndef later(n):\n    return [n]\n",
    "its own name later": "@cached\ndef load(n):\n    ran('load')\n    return [n]\nFIRST = load(1)\nfirst = load\n"
    "def load(n):\n    return first(n)\n",
}


@pytest.mark.parametrize("where", ["script", "module"])
@pytest.mark.parametrize("early", EARLY)
def test_a_call_before_all_is_defined(project: Project, early: str, where: str) -> None:
    """The results that it has then and later are both kept: no process makes one of them again, none is blamed."""
    defined = HEAD + EARLY[early] + TOTAL.format(load="load")
    project.write("early.py", defined if where == "module" else "")
    project.write("job.py", (defined if where == "script" else "from early import *\n") + MAIN)
    assert run(project, "job.py")
    is_settled(project)
