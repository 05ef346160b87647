"""Random projects of cached functions as people lay them out, and the edits between two runs of a job.

A `Drawn` project is fixed for one story; a `State` is what edits change.  `render` writes both as files.  Nothing here knows
what has to run: that is seen by running the program.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

DATA = ("a.txt", "b.txt", "c.txt")
TABLE = "table.json"
LAYOUTS = ("flat", "scripts", "package", "module")  # module: python -m pkg.run
SHAPES = ("func", "func", "func", "method", "static", "closure", "decorated", "assigned", "dict")
HELPERS = (
    *("", "plain", "chain", "default", "lambda", "partial", "method", "classattr", "field", "decorated", "enum"),
    *("tools", "from", "alias", "inside", "fstring", "inner"),
)
GLOBALS = ("", "int", "dict", "tuple", "calc", "environ", "table", "here", "logger", "ifelse")
# what these become is computed when the module is imported: an edit of what they go by may be unknown without an import
COMPUTED_HELPERS = ("partial", "decorated", "method")
COMPUTED_GLOBALS = ("calc", "environ", "table", "here")
COMPUTED_SHAPES = ("method", "closure", "assigned", "dict", "decorated")
KINDS = ("int", "list", "text", "array", "coarse", "coarse", "flat")
MODES = ("call", "loop", "if", "lambda")


@dataclass(frozen=True)
class Call:
    """A place where a cached function is called, in the body of another or in the main block."""

    callee: int
    mode: str
    shift: int
    path: int  # the data file that is given, if the callee takes one
    feed: int | None  # the function whose result is given, if the callee takes one


@dataclass(frozen=True)
class Func:
    index: int
    module: int  # 0: the script
    shape: str
    kind: str
    helper: str
    glob: str
    path: bool
    value: bool
    default: bool
    reads: int | None  # a file that the body finds by itself
    env: bool
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Drawn:
    layout: str
    guarded: bool
    has_main: bool  # def main()
    funcs: tuple[Func, ...]
    roots: tuple[Call, ...]
    pipe: bool  # one call writes a file, another reads it
    modules: int

    @property
    def folder(self) -> str:
        """Where the modules are."""
        return {"flat": "", "scripts": "scripts/", "package": "pkg/", "module": "pkg/"}[self.layout]

    @property
    def script(self) -> str:
        return {"flat": "run.py", "scripts": "scripts/run.py", "package": "run.py", "module": "pkg/run.py"}[self.layout]

    @property
    def argv(self) -> list[str]:
        return ["-m", "pkg.run"] if self.layout == "module" else [self.script]

    @property
    def is_package(self) -> bool:
        return self.folder == "pkg/"

    def file_of(self, module: int) -> str:
        return self.script if module == 0 else f"{self.folder}lib{module}.py"


@dataclass
class State:
    """Everything that edits change."""

    names: list[str]
    consts: list[int]
    helpers: list[int]
    globs: list[int]
    defaults: list[int]
    comments: list[int]
    versions: list[int]
    tools: int = 0
    unrelated: int = 0
    rotate: int = 0
    main_n: int = 0
    main_text: int = 0
    pipe: int = 0
    dropped: set[int] = field(default_factory=set)  # functions that are gone with their uses
    lost: set[int] = field(default_factory=set)  # functions that are gone, and still used
    silent: set[int] = field(default_factory=set)  # roots that the main block makes no more
    broken: int | None = None
    deleted: int | None = None
    files: list[str | None] = field(default_factory=list)
    table: int = 1
    env: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def first(cls, project: Drawn) -> State:
        zeros = [0] * len(project.funcs)
        names = [f"f{f.index}" for f in project.funcs]
        files: list[str | None] = ["1 2", "3 4", "5"]
        return cls(names, *[list(zeros) for _ in range(6)], files=files, env={"PA_N": None, "PA_E": None})

    def take_code(self, old: State) -> None:
        """Edit all sources back."""
        data = self.files, self.table, self.env
        self.__dict__.update(copy.deepcopy(old.__dict__))
        self.files, self.table, self.env = data


# -- sources --------------------------------------------------------------------------------------

SPY = '''
import os
import zlib


def ran(name):
    fd = os.open(os.environ["PA_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (name + "\\n").encode())
    os.close(fd)


def mix(parts):
    return zlib.crc32(repr(parts).encode())


def as_int(parts):
    return mix(parts) + 1000


def as_list(parts):
    return [mix(parts), len(parts)]


def as_text(parts):
    return "text %d " % mix(parts) + "." * 80


def as_array(parts):
    import numpy

    return numpy.arange(4) + mix(parts)


def as_coarse(parts):
    return [mix(parts) % 2, 7]


def as_flat(parts):
    return ["flat", 7]


def plain(value):
    return value.tolist() if hasattr(value, "tolist") else value
'''


def render(project: Drawn, state: State) -> dict[str, str | None]:
    """Path in the project to text of all the files; None: it is not there."""
    place = project.folder
    out: dict[str, str | None] = {f"{place}spy.py": SPY}
    out[f"{place}tools.py"] = _tools(state)
    if project.is_package:
        out["pkg/__init__.py"] = ""
    for m in range(project.modules):
        out[project.file_of(m)] = _module(project, state, m)
    if state.broken is not None:
        name = project.file_of(state.broken)
        out[name] = f"{out[name]}\ndef (:\n"
    if state.deleted is not None:
        out[project.file_of(state.deleted)] = None
    out |= dict(zip(DATA, state.files, strict=True))
    out[TABLE] = f'{{"rate": {state.table}}}'
    return out


def _tools(state: State) -> str:
    return f"""
SCALE = {state.tools}


def helps(x):
    return x * 3 + SCALE


def unrelated(x):
    return x + {state.unrelated}
"""


def _module(project: Drawn, state: State, m: int) -> str:
    funcs = [f for f in project.funcs if f.module == m and f.index not in state.dropped | state.lost]
    turn = state.rotate % len(funcs) if funcs else 0
    dots = "." if project.is_package and (m or project.layout == "module") else ""
    inner = f"from {dots or 'pkg' if project.is_package else ''} import " if project.is_package else "import "
    above = "Path(__file__).parent.parent" if project.folder else "Path(__file__).parent"
    here = "Path(__file__).parent" if project.script == "run.py" and m == 0 else above
    lines = [f'"""Module {m}, {state.main_text}."""'] if state.main_text else []
    lines += [
        *("import enum", "import functools", "import json", "import logging", "import os", "import sys"),
        *("from dataclasses import dataclass", "from pathlib import Path", ""),
        "from cachepy import cache_file, track_file",
        *(f"{inner}{name}" for name in ("spy", "tools")),
        *(f"{inner}lib{k}" for k in range(m + 1, project.modules)),
        *((f"from {dots or 'pkg.'}tools import helps" if project.is_package else "from tools import helps"), ""),
        *((f"{inner}tools as handy"), ""),
        f"HERE = {here}",
        'cached = cache_file(HERE / "cache", warn_cheap=False)',
        'log = logging.getLogger(__name__)',
        "",
        f"def unrelated(x):\n    return x + {state.unrelated}",
        "",
    ]
    if m == 0 and project.pipe:
        lines += _pipe(state)
    # a function that is called at import (unguarded) comes before what is below it all the same: bodies run at the end
    for f in funcs[turn:] + funcs[:turn]:
        lines += _function(project, state, f, inner)
    if m == 0:
        lines += _main(project, state)
    return "\n".join(lines) + "\n"


def _pipe(state: State) -> list[str]:
    return f"""
@cached(file_args=["src"])
def trim(src, out):
    spy.ran("trim")
    with open(src) as source, open(out, "w") as target:
        target.write(source.read().strip() + " {state.pipe}")
    track_file(out)


@cached
def count(path):
    spy.ran("count")
    return [len(path.read_text()), spy.mix(path.read_text())]

""".splitlines()


def _spell(project: Drawn, state: State, m: int, i: int) -> str:
    """How module `m` calls function `i`."""
    f = project.funcs[i]
    name = state.names[i]
    place = "" if f.module == m else f"lib{f.module}."
    return {
        "method": f"{place}JOB{i}.{name}",
        "static": f"{place}Box{i}.{name}",
        "dict": f'{place}TABLE{i}["go"]',
    }.get(f.shape, f"{place}{name}")


def _made(project: Drawn, state: State, m: int, call: Call, n: str) -> str:
    callee = project.funcs[call.callee]
    args = [f"({n} + {call.shift}) % 3"]
    if callee.path:
        args.append(f"p=Path({DATA[call.path]!r})")
    if callee.value:
        fed = call.feed is not None and call.feed not in state.dropped
        feeder = project.funcs[call.feed] if fed and call.feed is not None else None
        if feeder is None or feeder.value:
            args.append(f"v=[1, {call.shift}]")
        else:
            inner = Call(feeder.index, "call", 0, call.path, None)
            made = _made(project, state, m, inner, "1")
            args.append(f"v=[{made}, {made.replace('(1 + 0)', '(2 + 0)')}]" if call.mode == "loop" else f"v={made}")
    return f"{_spell(project, state, m, call.callee)}({', '.join(args)})"


def _called(project: Drawn, state: State, m: int, call: Call, n: str, keep: str) -> list[str]:
    if call.callee in state.dropped:
        return []
    made = f"spy.plain({_made(project, state, m, call, n)})"
    if call.mode == "if":
        return [f"if {n} % 2 == 0:", f"    {keep.format(made)}"]
    if call.mode == "lambda":
        return [f"later = lambda: {made}", keep.format("later()")]
    return [keep.format(made)]


def _function(project: Drawn, state: State, f: Func, inner: str) -> list[str]:
    i, comment = f.index, state.comments[f.index]
    name = state.names[i]
    params = ["n", *["p"] * f.path, *["v"] * f.value, *[f"d={state.defaults[i]}"] * f.default]
    body = [f"spy.ran({name!r})", f"parts = [n, {state.consts[i]}]"]
    if comment:
        body[:0] = [f'"""About {i}, {comment}."""', *[""] * comment, f"# comment {comment}"]
    body += ["parts.append(p.read_text())"] * f.path + ["parts.append(spy.plain(v))"] * f.value
    body += ["parts.append(d)"] * f.default
    if f.reads is not None:
        place = f"HERE / {DATA[f.reads]!r}" if f.glob == "here" else repr(DATA[f.reads])
        body.append(f"parts.append(track_file({place}).read_text())")
    body += ["parts.append(os.environ.get('PA_E'))"] * f.env
    body += _used_helper(f, inner)
    body += _used_global(f)
    for call in f.calls:
        body += _called(project, state, f.module, call, "n", "parts.append({})")
    body.append(f"return spy.as_{f.kind}(parts)")
    before = [*_helper(f, state.helpers[i]), *_global(f, state.globs[i])]
    return [*before, *_shaped(f, state, name, params, body), "", ""]


def _shaped(f: Func, state: State, name: str, params: list[str], body: list[str]) -> list[str]:
    i = f.index
    given = ["env_vars=['PA_E']"] * f.env + [f"version={state.versions[i]}"] * bool(state.versions[i])
    mark = f"cached({', '.join(given)})" if given else "cached"

    def block(head: list[str], depth: int) -> list[str]:
        return [" " * depth + line for line in head] + [" " * (depth + 4) + line for line in body]

    if f.shape in ("method", "static"):
        first = ["@staticmethod"] if f.shape == "static" else []
        me = [] if f.shape == "static" else ["self"]
        lines = [f"class Box{i}:", "    weight = 1", "", "    def __init__(self, k):", "        self.k = k", ""]
        lines += block([*first, f"@{mark}", f"def {name}({', '.join(me + params)}):"], 4)
        return [*lines, "", "", f"JOB{i} = Box{i}(2)"]
    if f.shape == "closure":
        lines = [f"def make{i}(k):"]
        lines += block([f"@{mark}", f"def {name}({', '.join(params)}):", "    k"], 4)
        return [*lines, "", f"    return {name}", "", "", f"{name} = make{i}(2)"]
    if f.shape == "decorated":
        deco = [f"def deco{i}(function):", "    @functools.wraps(function)", "    def wrapper(*args, **kwargs):"]
        deco += ["        return function(*args, **kwargs)", "", "    return wrapper", "", ""]
        return [*deco, *block([f"@deco{i}", f"@{mark}", f"def {name}({', '.join(params)}):"], 0)]
    if f.shape in ("assigned", "dict"):
        raw = f"raw_{name}"
        lines = block([f"def {raw}({', '.join(params)}):"], 0)
        end = f"{name} = {mark}({raw})" if f.shape == "assigned" else f'TABLE{i} = {{"go": {mark}({raw})}}'
        return [*lines, "", "", end]
    return block([f"@{mark}", f"def {name}({', '.join(params)}):"], 0)


def _helper(f: Func, value: int) -> list[str]:
    """What a function's helper is made of."""
    i, k = f.index, value
    sources = {
        "plain": f"def h{i}(x):\n    return x + {k}",
        "chain": f"def low{i}(x):\n    return x * 2 + {k}\n\n\ndef h{i}(x):\n    return low{i}(x)",
        "default": f"def h{i}(x, by={k}):\n    return x + by",
        "lambda": f'H{i} = {{"go": lambda x: x + {k}, "no": None}}',
        "partial": f"def low{i}(k, x):\n    return x + k\n\n\nh{i} = functools.partial(low{i}, {k})",
        "method": f"class H{i}:\n    def go(self, x):\n        return x + {k}\n\n\nOBJ{i} = H{i}()",
        "classattr": f"class H{i}:\n    k = {k}\n\n    @classmethod\n    def go(cls, x):\n        return x + cls.k",
        "field": f"@dataclass\nclass H{i}:\n    x: int\n    k: int = {k}\n\n    def go(self):\n        return self.x + self.k",
        "decorated": (
            f"def twice{i}(function):\n    @functools.wraps(function)\n    def inner(x):\n"
            f"        return function(function(x))\n\n    return inner\n\n\n@twice{i}\ndef h{i}(x):\n    return x + {k}"
        ),
        "enum": f"class H{i}(enum.Enum):\n    low = {k}\n    high = 100",
        "fstring": f'def h{i}(x):\n    return f"{{x:>{k + 1}}} and {k}"',
        "inner": f"def h{i}(x):\n    def deep(y):\n        return y + {k}\n\n    return deep(x)",
    }
    return [sources[f.helper], "", ""] if f.helper in sources else []


def _used_helper(f: Func, inner: str) -> list[str]:
    i = f.index
    used = {
        "lambda": f'H{i}["go"](n)',
        "method": f"OBJ{i}.go(n)",
        "classattr": f"H{i}.go(n)",
        "field": f"H{i}(n).go()",
        "enum": f"H{i}.low.value",
        "tools": "tools.helps(n)",
        "from": "helps(n)",
        "alias": "handy.helps(n)",
        "inside": "late.helps(n)",
    }
    if not f.helper:
        return []
    first = [f"{inner}tools as late"] if f.helper == "inside" else []
    return [*first, f"parts.append({used.get(f.helper, f'h{i}(n)')})"]


def _global(f: Func, value: int) -> list[str]:
    i, k = f.index, value
    sources = {
        "int": f"G{i} = {k}",
        "dict": f'G{i} = {{"low": {k}, "high": [1, {k}]}}',
        "tuple": f"G{i} = ({k}, 'x')",
        "calc": f"def calc{i}(x):\n    return x + {k}\n\n\nG{i} = calc{i}(3)",
        "environ": f'G{i} = int(os.environ.get("PA_N", 3)) + {k}',
        "table": f'G{i} = json.load(open(HERE / "{TABLE}"))',
        "ifelse": f'if sys.platform == "win32":\n    G{i} = -1\nelse:\n    G{i} = {k}',
    }
    return [sources[f.glob], ""] if f.glob in sources else []


def _used_global(f: Func) -> list[str]:
    if f.glob == "logger":
        return ["log.debug('at %s', n)"]
    if f.glob == "here":
        return [] if f.reads is not None else ["parts.append((HERE / 'a.txt').name)"]
    return [f"parts.append(G{f.index})"] if f.glob else []


def _main(project: Drawn, state: State) -> list[str]:
    body = [f"print('start {state.main_text}')"]
    for k, root in enumerate(project.roots):
        if k in state.silent:
            continue
        if root.mode == "loop" and root.callee not in state.dropped and not project.funcs[root.callee].value:
            made = _made(project, state, 0, root, "k")
            body.append(f"print({k}, [spy.plain({made}) for k in range({2 + state.main_n % 2})])")
        else:
            body += _called(project, state, 0, root, str(state.main_n), f"print({k}, {{}})")
    if project.pipe:
        body += ["trim('a.txt', 'out.txt')", "print(count(Path('out.txt')))"]
    if project.has_main:
        body = ["def main():", *("    " + line for line in body), "", ""]
        return [*body, *(['if __name__ == "__main__":', "    main()"] if project.guarded else ["main()"])]
    return ['if __name__ == "__main__":', *("    " + line for line in body)] if project.guarded else body
