"""What people edit between two submissions of a job, and what `cachepy status` says of it before the job runs again.

Each row edits one small project, asks, and then runs it: what the bodies log is the truth.  Nothing here says what has
to be stale; only that a row may be `unknown` (in the usual form, without ``--import``) is written down.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "properties"))

from asking_program import SPY
from asking_story import Bench, Said, Servers

pytestmark = pytest.mark.stress  # six minutes; `test_sources` has the same question for smaller projects

RUN = '''
"""A pipeline."""
import logging
import os
import sys
from functools import partial
from pathlib import Path

import spy
from cachepy import cache_file, track_file
from flow import VERSION, steps
from flow.extra import *
from flow.units import scale as rescale
import flow.units as units

try:
    import no_such_module
except ImportError:
    no_such_module = None

log = logging.getLogger(__name__)
cached = cache_file("cache", warn_cheap=False)
LIMIT = 10
LOW = 1
HIGH = 9
OPTIONS = {"method": "mean", "deep": [1, 2]}
TABLE = {"inc": lambda x: x + 1, "dec": lambda x: x - 1}
if sys.platform == "win32":
    SEP = ";"
else:
    SEP = ":"
COUNT = 0
third = partial(units.power, 3)
DERIVED = LIMIT * 2


def helper(x, by=2):
    """Helps."""
    total = x + by
    return total


def note(x):
    global COUNT
    return f"{x:>3} of {LIMIT}"


def unused(x):
    return x


@cached
def load(path):
    spy.ran("load")
    return [int(word) for word in path.read_text().split()]


@cached
def clean(values, low=0):
    spy.ran("clean")
    return [value for value in values if value < LIMIT and value >= low]


@cached
def total(values):
    spy.ran("total")
    log.debug("total")
    return sum(helper(value) for value in values)


@cached
def notes(n):
    spy.ran("notes")
    return note(n) + SEP + OPTIONS["method"]


@cached
def tabled(n):
    spy.ran("tabled")
    return [TABLE["inc"](n), rescale(n), third(n), units.twice(n), starred(n)]


@cached
def bounds(n):
    spy.ran("bounds")
    return [LOW, HIGH, DERIVED, VERSION]


@cached
def found():
    spy.ran("found")
    return track_file("settings.txt").read_text()


if __name__ == "__main__":
    print(total(clean(load(Path("a.txt")))))
    print(notes(1), tabled(2), bounds(3), found())
    print(steps.report(4), steps.Model(2).fit(5), steps.typed(6), steps.late(7), steps.wrapped(8))
'''

STEPS = '''
from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field

import spy
from cachepy import cache_file

from . import units
from .units import scale

cached = cache_file("cache", warn_cheap=False)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Base:
    offset = 5

    def shift(self, x):
        return x + self.offset


class Shape(Base):
    sides = 4

    @property
    def area(self):
        return self.sides * 2

    def __repr__(self):
        return "Shape"


@dataclass
class Setting:
    rate: float = 0.5
    names: list = field(default_factory=list)


def repeat(times):
    def outer(function):
        @functools.wraps(function)
        def inner(*args):
            return [function(*args) for _ in range(times)]

        return inner

    return outer


@repeat(2)
def doubled(x):
    return x * 2


def make(k):
    def inner(x):
        return x * k

    return inner


by_three = make(3)


class Model:
    depth = 3

    def __init__(self, k):
        self.k = k

    @cached
    def fit(self, x):
        spy.ran("fit")
        return [x * self.k, self.depth, self.score(x)]

    def score(self, x):
        return x + 1

    def unused(self):
        return 0


@cached
def report(n):
    spy.ran("report")
    return [Colour.RED.value, Shape().shift(n), Shape().area, Setting().rate, doubled(n), by_three(n), scale(n)]


@cached
def typed(n: int) -> list[int]:
    spy.ran("typed")
    left, right = n, n + 1
    while left < 100:
        left += right
    return [left]


@cached
def late(n):
    spy.ran("late")
    from flow import lazy

    return lazy.used(n)


def plain(n):
    spy.ran("plain")
    return units.twice(n)


wrapped = cached(plain)
'''

BASE = {
    "run.py": RUN,
    "spy.py": SPY,
    "flow/__init__.py": 'from flow.units import twice\n\nVERSION = "1"\n',
    "flow/steps.py": STEPS,
    "flow/units.py": (
        "FACTOR = 10\n\n\ndef scale(x):\n    return x * FACTOR\n\n\ndef twice(x):\n    return x * 2\n\n\n"
        "def power(k, x):\n    return x**k\n\n\ndef idle(x):\n    return x\n"
    ),
    "flow/extra.py": 'STAR = 2\n\n\ndef starred(x):\n    return x + STAR\n\n\ndef idle_star(x):\n    return x\n',
    "flow/lazy.py": "def used(x):\n    return x + 1\n\n\ndef idle(x):\n    return x\n",
    "a.txt": "1 2 3 20",
    "settings.txt": "on",
}
Edit = tuple[str, str, str] | Callable[[dict[str, str]], None]


def swap(name: str, old: str, new: str) -> Callable[[dict[str, str]], None]:
    def edit(files: dict[str, str]) -> None:
        assert old in files[name], (name, old)
        files[name] = files[name].replace(old, new)

    return edit


def put(name: str, text: str) -> Callable[[dict[str, str]], None]:
    return lambda files: files.__setitem__(name, text)


def both(*edits: Callable[[dict[str, str]], None]) -> Callable[[dict[str, str]], None]:
    def edit(files: dict[str, str]) -> None:
        for each in edits:
            each(files)

    return edit


def black(files: dict[str, str]) -> None:
    """As a formatter leaves it: other line breaks and quotes, magic commas, blank lines."""
    text = files["run.py"].replace("[value for value in values if value < LIMIT and value >= low]", (
        "[\n        value\n        for value in values\n        if value < LIMIT and value >= low\n    ]"
    ))
    files["run.py"] = text.replace('"mean"', "'mean'").replace("\n\n\n", "\n\n").replace('OPTIONS["method"]', "OPTIONS['method']")


def reorder(files: dict[str, str]) -> None:
    head, *blocks = files["run.py"].split("\n\n\n")
    *blocks, main = blocks
    files["run.py"] = "\n\n\n".join([head, *reversed(blocks), main])


def tabs(files: dict[str, str]) -> None:
    files["flow/units.py"] = files["flow/units.py"].replace("    ", "\t")


R, S, U = "run.py", "flow/steps.py", "flow/units.py"
ROWS: dict[str, Callable[[dict[str, str]], None]] = {
    # nothing that anything goes by
    "comment at the end": swap(R, "COUNT = 0\n", "COUNT = 0  # counts\n"),
    "comment in a body": swap(R, "    total = x + by", "    # adds\n    total = x + by"),
    "docstring of a helper": swap(R, '"""Helps."""', '"""Helps a lot."""'),
    "docstring of the module": swap(R, '"""A pipeline."""', '"""The pipeline."""'),
    "blank lines": swap(R, "def helper", "\n\n\n\ndef helper"),
    "shebang": swap(R, '\n"""A pipeline."""', '#!/usr/bin/env python3\n"""A pipeline."""'),
    "encoding line": swap(R, '\n"""A pipeline."""', '# -*- coding: utf-8 -*-\n"""A pipeline."""'),
    "formatted": black,
    "functions in another order": reorder,
    "tabs": tabs,
    "CRLF": lambda files: files.__setitem__(R, files[R].replace("\n", "\r\n")),
    "new import": swap(R, "import os\n", "import os\nimport json\n"),
    "import of a new name": swap(R, "from pathlib import Path", "from pathlib import Path, PurePath"),
    "unused import gone": swap(R, "import os\n", ""),
    "imports sorted": swap(R, "import os\nimport sys\n", "import sys\nimport os\n"),
    "from __future__ in the script": swap(R, "import logging", "from __future__ import annotations\nimport logging"),
    "no from __future__ in the module": swap(S, "from __future__ import annotations\n", ""),
    "unrelated function": swap(R, "def unused(x):\n    return x", "def unused(x):\n    return x + 1"),
    "unrelated function gone": swap(R, "def unused(x):\n    return x\n", ""),
    "new plain function": swap(R, "def unused", "def extra(x):\n    return 3\n\n\ndef unused"),
    "new cached function": swap(R, "def unused", "@cached\ndef extra(x):\n    return 3\n\n\ndef unused"),
    "new cached function, called": both(
        swap(R, "def unused", '@cached\ndef extra(x):\n    spy.ran("extra")\n    return 3\n\n\ndef unused'),
        swap(R, "    print(notes(1)", "    print(extra(1))\n    print(notes(1)"),
    ),
    "new constant": swap(R, "LOW = 1\n", "LOW = 1\nMIDDLE = 5\n"),
    "main block only": swap(R, "    print(notes(1)", "    print('more')\n    print(notes(1)"),
    "main block calls less": swap(R, "bounds(3), ", ""),
    "main block calls with another argument": swap(R, "bounds(3)", "bounds(4)"),
    "a main function": swap(
        R, 'if __name__ == "__main__":\n', 'def main():\n    pass\n\n\nif __name__ == "__main__":\n    main()\n'
    ),
    "unrelated method": swap(S, "def unused(self):\n        return 0", "def unused(self):\n        return 1"),
    "unrelated member of a module": swap(U, "def idle(x):\n    return x", "def idle(x):\n    return x + 1"),
    "unrelated member of a module imported late": swap("flow/lazy.py", "def idle(x):\n    return x", "def idle(x):\n    return 5"),
    "unrelated member of a star import": swap("flow/extra.py", "def idle_star(x):\n    return x", "def idle_star(x):\n    return 5"),
    "new name in __init__": swap("flow/__init__.py", "VERSION", "OTHER = 2\nVERSION"),
    "alias of a file touched": swap("a.txt", "20", "20"),
    "a line of the other platform": swap(R, 'SEP = ";"', 'SEP = ","'),
    "print at import": swap(R, "COUNT = 0\n", 'COUNT = 0\nprint("imported")\n'),
    "assert added in main": swap(R, "    print(total", "    assert LIMIT\n    print(total"),
    # what something may go by
    "rename a local variable": swap(R, "    total = x + by\n    return total", "    result = x + by\n    return result"),
    "rename a parameter of a helper": swap(R, "def helper(x, by=2):", "def helper(x, add=2):\n    by = add"),
    "type hint of a cached function": swap(S, "def typed(n: int)", "def typed(n: float)"),
    "type hint added to a helper": swap(R, "def helper(x, by=2):", "def helper(x: int, by: int = 2) -> int:"),
    "default of a helper": swap(R, "by=2", "by=3"),
    "default of a cached function": swap(R, "low=0", "low=2"),
    "new parameter with a default": swap(R, "def notes(n)", "def notes(n, deep=False)"),
    "constant": swap(R, "LIMIT = 10", "LIMIT = 100"),
    "constant written another way": swap(R, "LIMIT = 10", "LIMIT = 5 + 5"),
    "two constants swapped": swap(R, "LOW = 1\nHIGH = 9", "LOW = 9\nHIGH = 1"),
    "constants in another order": swap(R, "LOW = 1\nHIGH = 9", "HIGH = 9\nLOW = 1"),
    "dict global": swap(R, '"mean"', '"median"'),
    "dict global, a key nobody reads": swap(R, "[1, 2]}", "[1, 3]}"),
    "derived constant": swap(R, "LIMIT * 2", "LIMIT * 3"),
    "f-string": swap(R, "{x:>3} of", "{x:>4} of"),
    "lambda in a dict": swap(R, "lambda x: x + 1", "lambda x: x + 2"),
    "other lambda in a dict": swap(R, "lambda x: x - 1", "lambda x: x - 2"),
    "argument of a partial": swap(R, "partial(units.power, 3)", "partial(units.power, 2)"),
    "function of a partial": swap(U, "x**k", "x**k + 1"),
    "platform block": swap(R, 'SEP = ":"', 'SEP = "/"'),
    "platform block turned": swap(R, 'sys.platform == "win32"', 'sys.platform == "linux"'),
    "global statement": swap(R, "    global COUNT\n", ""),
    "global statement that counts": swap(R, "    global COUNT\n", "    global COUNT\n    COUNT += 1\n"),
    "body of a cached function": swap(R, "return sum(", "return 1 + sum("),
    "body of a helper": swap(R, "total = x + by", "total = x - by"),
    "helper through an alias": swap(U, "return x * FACTOR", "return x * FACTOR + 1"),
    "global of a helper elsewhere": swap(U, "FACTOR = 10", "FACTOR = 11"),
    "helper through a star import": swap("flow/extra.py", "STAR = 2", "STAR = 3"),
    "module imported late": swap("flow/lazy.py", "return x + 1", "return x + 2"),
    "value in __init__": swap("flow/__init__.py", '"1"', '"2"'),
    "class attribute": swap(S, "sides = 4", "sides = 5"),
    "attribute of a base class": swap(S, "offset = 5", "offset = 6"),
    "method of a base class": swap(S, "return x + self.offset", "return x - self.offset"),
    "property": swap(S, "self.sides * 2", "self.sides * 3"),
    "special method": swap(S, 'return "Shape"', 'return "shape"'),
    "dataclass field": swap(S, "rate: float = 0.5", "rate: float = 0.75"),
    "new dataclass field": swap(S, "    names: list", "    more: int = 3\n    names: list"),
    "enum member": swap(S, "RED = 1", "RED = 3"),
    "new enum member": swap(S, "BLUE = 2", "BLUE = 2\n    GREEN = 4"),
    "argument of a decorator": swap(S, "@repeat(2)", "@repeat(3)"),
    "body of a decorator": swap(S, "for _ in range(times)]", "for _ in range(times + 1)]"),
    "decorator gone": swap(S, "@repeat(2)\n", ""),
    "argument of a factory": swap(S, "make(3)", "make(4)"),
    "body of a factory": swap(S, "return x * k\n\n    return", "return x * k + 1\n\n    return"),
    "class of self": swap(S, "depth = 3", "depth = 4"),
    "method that a method calls": swap(S, "def score(self, x):\n        return x + 1", "def score(self, x):\n        return x + 2"),
    "__init__ of self": swap(S, "self.k = k", "self.k = k + 1"),
    "function that is wrapped by hand": swap(S, "return units.twice(n)", "return units.twice(n) + 1"),
    "helper moved to another module": both(
        swap(R, 'def helper(x, by=2):\n    """Helps."""\n    total = x + by\n    return total\n', "from flow.moved import helper\n"),
        put("flow/moved.py", "def helper(x, by=2):\n    total = x + by\n    return total\n"),
    ),
    "helper renamed with its uses": swap(R, "helper", "assist"),
    "cached function renamed with its uses": both(swap(R, "notes(", "remarks("), swap(R, '"notes"', '"remarks"')),
    "cached function moved to another module": both(
        swap(R, '@cached\ndef found():\n    spy.ran("found")\n    return track_file("settings.txt").read_text()\n', "from flow.moved import found\n"),
        put("flow/moved.py", (
            'import spy\nfrom cachepy import cache_file, track_file\n\ncached = cache_file("cache", warn_cheap=False)\n\n\n'
            '@cached\ndef found():\n    spy.ran("found")\n    return track_file("settings.txt").read_text()\n'
        )),
    ),
    "version of a decorator": swap(R, "@cached\ndef bounds", '@cached(version="2")\ndef bounds'),
    "env_vars of a decorator": swap(R, "@cached\ndef bounds", '@cached(env_vars=["HOME"])\ndef bounds'),
    "decorator of cachepy gone": swap(R, "@cached\ndef bounds", "def bounds"),
    "warn_cheap of a decorator": swap(R, 'cache_file("cache", warn_cheap=False)', 'cache_file("cache", warn_cheap=False, verbose=False)'),
    "logger by another name": swap(R, "getLogger(__name__)", 'getLogger("job")'),
    "import alias": both(swap(R, "scale as rescale", "scale as resize"), swap(R, "rescale(", "resize(")),
    "conditional import fails otherwise": swap(R, "import no_such_module", "import no_such_module_2"),
    "a function instead of a lambda": swap(R, '{"inc": lambda x: x + 1,', '{"inc": units.twice,'),
    "while to for": swap(S, "while left < 100:", "for _ in range(3):"),
    "unpacking": swap(S, "left, right = n, n + 1", "left = n\n    right = n + 1"),
    "log line": swap(R, 'log.debug("total")', 'log.debug("total now")'),
    "file of an argument": swap("a.txt", "20", "21"),
    "file that is found": swap("settings.txt", "on", "off"),
    "helper overridden below": swap(R, "def unused", "def helper(x, by=2):\n    return x * by\n\n\ndef unused"),
    "constant set again below": swap(R, "COUNT = 0\n", "COUNT = 0\nLIMIT = 50\n"),
    "constant in a loop": swap(R, "COUNT = 0\n", "COUNT = 0\nfor LIMIT in (5, 6):\n    pass\n"),
    "constant changed in place": swap(R, "COUNT = 0\n", 'COUNT = 0\nOPTIONS["method"] = "sum"\n'),
    "constant changed elsewhere": swap("flow/__init__.py", 'VERSION = "1"', 'VERSION = "1"\nfrom flow import units\nunits.FACTOR = 12\n'),
    "constant from the environment": swap(R, "LIMIT = 10", 'LIMIT = int(os.environ.get("NO_SUCH", "12"))'),
    "constant from a call": swap(R, "LIMIT = 10", "LIMIT = len('twelve letters')"),
    "constant from an import": swap(R, "LIMIT = 10", "from flow.units import FACTOR as LIMIT"),
    "try around an import": swap(R, "from flow.extra import *", "try:\n    from flow.extra import *\nexcept ImportError:\n    pass"),
    "with at top level": swap(R, "COUNT = 0\n", 'COUNT = 0\nwith open("a.txt") as stream:\n    LIMIT = int(stream.read().split()[-1])\n'),
    "del at top level": swap(R, "COUNT = 0\n", "COUNT = 0\ndel unused_name\n".replace("del unused_name", "unused_name = 1\ndel unused_name")),
    "class patched at top level": swap(S, "by_three = make(3)\n", "by_three = make(3)\nShape.sides = 7\n"),
    "function patched from the script": swap(R, "COUNT = 0\n", "COUNT = 0\nunits.twice = lambda x: x * 5\n"),
    "default list": swap(R, "def helper(x, by=2):", "def helper(x, by=2, more=[1]):"),
    "walrus": swap(R, "    total = x + by\n", "    if (total := x + by) > 100:\n        pass\n"),
    "comprehension": swap(R, "sum(helper(value) for value in values)", "sum([helper(value) for value in values])"),
    "nothing but a new file": put("notes.md", "x"),
    "a new module nobody imports": put("flow/other.py", "X = 1\n"),
}
# what the value of a name is, is known only by running the top of its module
UNKNOWN = {
    *("argument of a partial", "function of a partial", "argument of a decorator", "body of a decorator"),
    *("argument of a factory", "body of a factory", "decorator gone", "constant changed in place", "constant in a loop"),
    *("constant changed elsewhere", "constant from the environment", "constant from a call", "with at top level"),
    *("class patched at top level", "function patched from the script", "function that is wrapped by hand"),
    *("derived constant", "print at import", "warn_cheap of a decorator", "logger by another name", "constant"),
    *("constant set again below",),
    # weaker than could be: a dict counts as a whole, what moved to another module is not followed there
    "helper moved to another module",
    *("lambda in a dict", "other lambda in a dict", "a function instead of a lambda"),
    *("cached function moved to another module", "decorator of cachepy gone"),
}


UNCACHED = {"decorator of cachepy gone": "bounds", "global statement that counts": "notes"}


class Row(Bench):
    def __init__(self, name: str, place: Path, servers: Servers) -> None:
        super().__init__(place, servers, ["run.py"])
        self.name, self.files = name, dict(BASE)
        self.uncached = {UNCACHED.get(name, "")}

    def may_be_unknown(self, said: Said) -> str:
        return "computed" if self.name in UNKNOWN and not said.form else "needless"

    def sources(self) -> str:
        return self.name

    def write(self) -> None:
        for name, text in self.files.items():
            path = self.home / name
            path.parent.mkdir(exist_ok=True)
            if not path.exists() or path.read_bytes() != text.encode():
                path.write_bytes(text.encode())

    def run(self) -> None:
        self.write()
        self.program()
        self.since = [("row", self.name)]
        ROWS[self.name](self.files)
        self.write()
        self.program(self.ask(""))

    def quiet(self) -> None:
        if self.name != "global statement that counts":  # which runs each time, and is said to
            super().quiet()

    def judge(self, said: Said, ran: set[str], log: Any, *rest: Any, **more: Any) -> None:
        super().judge(said, ran, log, *rest, **more)
        if said.rc == 1 and not log and "calls less" not in self.name:
            self.fail(f"status {said.form} gave 1, and nothing ran: {said.why}")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    pair = Servers()
    yield pair
    pair.close()


@pytest.mark.parametrize("name", ROWS)
def test_status_says_what_the_edit_does(servers: Servers, tmp_path: Path, name: str) -> None:
    Row(name, tmp_path, servers).run()
