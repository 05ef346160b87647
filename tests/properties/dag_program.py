"""Random programs of cached functions: their sources, their edits, and a model of what may run.

A `Program` is fixed for one example; a `State` is what edits change (constants, helpers, globals,
files, environment).  `render` writes both as modules.  `Model` interprets them without running the
modules: it knows the value of every call and all that the call depended on: its own code, files and
environment, and what the calls that it made gave.  `dag_ledger` says which bodies must run, given what a cache
directory has stored before.
"""

from __future__ import annotations

import copy
import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FILES = ("a.txt", "b.txt", "c.txt", "sub/d.txt", "sub/e.txt")
ENVS = ("CPDAG_E0", "CPDAG_E1")
# three of one size; "!" makes some functions raise; "*" stands for a file of 20 kB
CONTENTS = ("aaaa", "bbbb", "!ccc", "dddddd", "!eeeee", "", "aaaa*", "bbbb*")
KINDS = ("int", "str", "tuple", "list", "coarse", "flat")
HELPERS = (
    *("", "plain", "default", "lambda", "partial", "method", "dict", "closure"),
    *("naive", "locked", "enum", "handed", "context", "memoised"),
)
GLOBALS = ("", "int", "str", "tuple", "dict")
MODES = ("plain", "twice", "if_n", "if_value", "try")
# how another cached function is called: in a thread or pool that knows no caller, or behind a memo of the module
VIAS = ("thread", "pool", "raw", "memo")
MISSING = "-missing-"


def text_of(content: str) -> str:
    """What is written into a file."""
    return content[:-1] * 5000 if content.endswith("*") else content


@dataclass(frozen=True)
class Call:
    """One place in a body where another cached function is called."""

    callee: int
    mode: str
    shift: int
    flow: bool  # the argument depends on the value before
    keyword: bool
    path: int  # the file given as Path, if the callee takes one
    text: int  # the file given as str, if the callee takes one
    via: str = ""


@dataclass(frozen=True)
class Func:
    index: int
    module: int
    kind: str
    tracked: tuple[tuple[int, bool], ...]  # file, only if n is odd
    directory: bool
    path_arg: bool
    str_arg: bool
    env: int | None
    helper: str
    glob: str
    shared: int | None
    raises: str  # "", "early" or "late": when what it read starts with "!"
    calls: tuple[Call, ...]


class Key(NamedTuple):
    """A call: the function, and what it is called with (None: it has no such parameter)."""

    func: int
    n: int
    path: int | None
    text: int | None


@dataclass(frozen=True)
class Program:
    funcs: tuple[Func, ...]
    absolute: bool  # paths are absolute, else relative to the working directory

    @property
    def is_fuzzy(self) -> bool:
        """Whether some call is made where its caller may not be known: then more may count than has to."""
        return any(c.via for f in self.funcs for c in f.calls)

    @property
    def has_memo(self) -> bool:
        """Whether a process keeps values by itself: they outlive an edit made while it runs, cache or no cache."""
        return any(c.via == "memo" for f in self.funcs for c in f.calls)

    def key(self, func: int, n: int, path: int, text: int) -> Key:
        f = self.funcs[func]
        return Key(func, n, path if f.path_arg else None, text if f.str_arg else None)

    def reaches_folder(self, func: int) -> bool:
        """Whether a function or one below it tracks the folder."""
        f = self.funcs[func]
        return f.directory or any(self.reaches_folder(c.callee) for c in f.calls)

    def reaches(self, func: int, others: set[int]) -> bool:
        """Whether a function calls one of some others, itself or through those below."""
        return any(c.callee in others or self.reaches(c.callee, others) for c in self.funcs[func].calls)

    def used(self, roots: list[tuple[int, int, int, int]]) -> list[int]:
        """The files that may be read, given what the program is asked for."""
        calls = [(c.callee, c.path, c.text) for f in self.funcs for c in f.calls]
        calls += [(func, path, text) for func, _, path, text in roots]
        found = {at for f in self.funcs for at, _ in f.tracked}
        found |= {path for func, path, _ in calls if self.funcs[func].path_arg}
        found |= {text for func, _, text in calls if self.funcs[func].str_arg}
        return sorted(found | ({3, 4} if any(f.directory for f in self.funcs) else set()))


@dataclass
class State:
    """Everything that edits change."""

    consts: list[int]
    helpers: list[int]
    globals: list[int]
    comments: list[int]
    shared: list[int]
    rotate: int
    unrelated: int
    disabled: set[tuple[int, int]] = field(default_factory=set)
    files: list[str | None] = field(default_factory=list)
    env: list[str | None] = field(default_factory=list)

    @classmethod
    def first(cls, program: Program, files: list[str | None], env: list[str | None]) -> State:
        zeros = [0] * len(program.funcs)
        each = [list(zeros) for _ in range(4)]
        return cls(*each, [0, 0], 0, 0, set(), list(files), list(env))

    def take_code(self, other: State) -> None:
        """Change all sources back to what they were."""
        for name in ("consts", "helpers", "globals", "comments", "shared", "rotate", "unrelated", "disabled"):
            setattr(self, name, copy.copy(getattr(other, name)))


# -- edits ----------------------------------------------------------------------------------------


def edit_code(state: State, edit: tuple[Any, ...]) -> None:
    """Apply one edit of the sources."""
    what, *rest = edit
    if what == "child":
        state.disabled ^= {(rest[0], rest[1])}
    elif what in ("rotate", "unrelated"):
        setattr(state, what, rest[0])
    else:  # const, helper, global, comment, shared
        getattr(state, what if what == "shared" else what + "s")[rest[0]] = rest[1]


def edit_data(state: State, edit: tuple[Any, ...], past: list[State]) -> list[list[Any]]:
    """Apply one edit of files or environment to the state; the operations for the processes."""
    what, at, *rest = edit
    if what == "back":
        old = past[at] if at < len(past) else state
        edits: list[tuple[Any, ...]] = []
        for k, content in enumerate(old.files):
            if content != state.files[k]:
                edits.append(("delete", k) if content is None else ("write", k, content, True, False))
        edits += [("env", k, value) for k, value in enumerate(old.env) if value != state.env[k]]
        return [op for each in edits for op in edit_data(state, each, past)]
    if what == "env":
        state.env[at] = rest[0]
        return [["env", ENVS[at], rest[0]]]
    if what == "flip":
        what, rest = ("write", ["aaaa", False, False]) if state.files[at] is None else ("delete", [])
    if what == "delete":
        state.files[at] = None
        return [["delete", FILES[at]]]
    if what == "touch":
        return [["touch", FILES[at]]]
    content, keep_mtime, replace = rest
    state.files[at] = content
    return [["write", FILES[at], content, keep_mtime, replace]]


# -- sources --------------------------------------------------------------------------------------

COMMON = """
import os
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

POOL = ThreadPoolExecutor(64)


def log(name, n, path, text):
    line = " ".join([name, str(n)] + [os.path.basename(p) if p else "-" for p in (path, text)])
    fd = os.open(os.environ["CPDAG_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (line + "\\n").encode())
    os.close(fd)


def where(name):
    return Path(os.environ["CPDAG_DATA"], name)


def read(path):
    try:
        with open(path) as stream:
            return stream.read()
    except FileNotFoundError:
        return "-missing-"


def read_dir(path):
    return repr([(p.name, p.read_text()) for p in sorted(path.iterdir())])


def mix(parts):
    return zlib.crc32(repr(parts).encode())


def note(parts, value):
    parts.append(repr(value))
    if isinstance(value, list):
        value.append("mine")
    return mix(parts) % 4


def in_thread(function, *args, **kwargs):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args, **kwargs).result()


def in_pool(function, *args, **kwargs):
    return POOL.submit(function, *args, **kwargs).result()


def in_raw(function, *args, **kwargs):
    box = []

    def run():
        try:
            box.append((function(*args, **kwargs), None))
        except ValueError as error:
            box.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = box[0]
    if error is not None:
        raise error
    return value


def peek(module, x):
    return x * 3 + int(module.K)


def s0(x):
    return x + {0}


def s1(x):
    return s0(x) * 2 + {1}
"""


def render(program: Program, state: State) -> dict[str, str]:
    """File name to source of all the modules."""
    modules = sorted({f.module for f in program.funcs})
    out = {"dag_common.py": COMMON.replace("{0}", str(state.shared[0])).replace("{1}", str(state.shared[1]))}
    for f in program.funcs:
        if f.helper == "handed":
            out[f"dag_h{f.index}.py"] = f"from decimal import Decimal\n\nK = Decimal({state.helpers[f.index]})\n"
    for m in modules:
        funcs = [f for f in program.funcs if f.module == m]
        turn = state.rotate % len(funcs)
        used = {program.funcs[c.callee].module for f in funcs for c in f.calls} - {m}
        lines = [
            "import contextvars",
            "import copy",
            "import enum",
            "import functools",
            "import os",
            "import threading",
            "from pathlib import Path",
            "",
            "import dag_common",
            *(f"import dag_m{u}" for u in sorted(used)),
            *(f"import dag_h{f.index}" for f in funcs if f.helper == "handed"),
            "from cachepy import cache_file, track_file",
            "from dag_common import in_pool, in_raw, in_thread, log, mix, note, peek, read, read_dir, where",
            "",
            'CACHE = os.environ["CPDAG_CACHE"]',
            "",
            f"def unrelated(x):\n    return x + {state.unrelated}",
            "",
        ]
        for f in funcs[turn:] + funcs[:turn]:
            lines += _function(program, state, f)
        out[f"dag_m{m}.py"] = "\n".join(lines) + "\n"
    return out


def _function(program: Program, state: State, f: Func) -> list[str]:
    i, comment = f.index, state.comments[f.index]
    params = ["n"] + ["p"] * f.path_arg + ["s"] * f.str_arg
    options = f", env_vars=[{ENVS[f.env]!r}]" if f.env is not None else ""
    body = [
        f"log('f{i}', n, {'p' if f.path_arg else None}, {'s' if f.str_arg else None})",
        f"parts = [n, {state.consts[i]}]",
        "texts = []",
    ]
    if comment:
        body[:0] = [f'"""About f{i}, {comment}."""', *[""] * comment, f"# comment {comment}"]
    body += ["texts.append(read(p))"] * f.path_arg + ["texts.append(read(s))"] * f.str_arg
    for at, odd in f.tracked:
        step = f"texts.append(read(track_file({_path(program, at)})))"
        body += ["if n % 2:", "    " + step] if odd else [step]
    if f.directory:
        place = "where('sub')" if program.absolute else "'sub'"
        body.append(f"parts.append(read_dir(track_file({place})))")
    if f.helper:
        helper = f"T{i}['go']" if f.helper == "dict" else f"h{i}"
        body.append(f"parts.append({helper}(n))")
    if f.glob:
        body.append(f"parts.append(G{i})")
    if f.shared is not None:
        body.append(f"parts.append(dag_common.s{f.shared}(n))")
    if f.env is not None:
        body.append(f"parts.append(os.environ.get({ENVS[f.env]!r}))")
    body += ["parts += texts", "last = mix(parts) % 4"]
    stop = ["if any(t.startswith('!') for t in texts):", f"    raise ValueError('f{i} %d' % mix(parts))"]
    if f.raises == "early":
        body += stop
    for slot, call in enumerate(f.calls):
        if (i, slot) not in state.disabled:
            body += _call(program, f, call)
    if f.raises == "late":
        body += stop
    if comment > 1:
        body.append(f"# the end {comment}")
    value = {
        "int": "mix(parts)",
        "str": "'v%d' % mix(parts)",
        "tuple": "(mix(parts), n, 't')",
        "list": "[mix(parts), n]",
        "coarse": "mix(parts) % 2",
        "flat": "'flat'",
    }
    body.append(f"return {value[f.kind]}")
    head = [f"@cache_file(CACHE{options})", f"def f{i}({', '.join(params)}):"]
    before = [*_helper(f, state.helpers[i]), *_global(f, state.globals[i])]
    after = []
    if any(c.via == "memo" and c.callee == i for g in program.funcs for c in g.calls):
        after = ["@functools.lru_cache(maxsize=None)", f"def k{i}(*args, **kwargs):"]
        after += [f"    return f{i}(*args, **kwargs)", "", ""]
    return [*before, *head, *("    " + b for b in body), "", "", *after]


def _path(program: Program, at: int) -> str:
    return f"where({FILES[at]!r})" if program.absolute else f"Path({FILES[at]!r})"


def _call(program: Program, f: Func, call: Call) -> list[str]:
    callee = program.funcs[call.callee]
    args = [f"(n + {'last' if call.flow else call.shift}) % 3"]
    if callee.path_arg:
        args.append(("p=" if call.keyword else "") + _path(program, call.path))
    if callee.str_arg:
        text = f"str(where({FILES[call.text]!r}))" if program.absolute else repr(FILES[call.text])
        args.append(("s=" if call.keyword else "") + text)
    if call.keyword:
        args.reverse()
        args[-1] = "n=" + args[-1]
    place = "" if callee.module == f.module else f"dag_m{callee.module}."
    name = f"{place}f{callee.index}"
    made = f"{name}({', '.join(args)})"
    if call.via == "memo":
        made = f"copy.copy({place}k{callee.index}({', '.join(args)}))"
    elif call.via:
        made = f"in_{call.via}({', '.join([name, *args])})"
    step = [f"last = note(parts, {made})"]
    if call.mode == "twice":
        return step * 2
    if call.mode == "if_n":
        return ["if n % 2 == 0:", "    " + step[0]]
    if call.mode == "if_value":
        return ["if last % 2 == 0:", "    " + step[0]]
    if call.mode == "try":
        caught = ["except ValueError as error:", "    last = note(parts, 'caught %s' % error)"]
        return ["try:", "    " + step[0], *caught]
    return step


def _helper(f: Func, value: int) -> list[str]:
    i = f.index
    base = f"def b{i}(c, x):\n    return x * 3 + c\n"
    source = {
        "": "",
        "plain": f"def h{i}(x):\n    return x * 3 + {value}",
        "default": f"def h{i}(x, c={value}):\n    return x * 3 + c",
        "lambda": f"h{i} = lambda x: x * 3 + {value}",
        "partial": f"{base}\nh{i} = functools.partial(b{i}, {value})",
        "method": f"class H{i}:\n  k = {value}\n  def go(self, x): return x * 3 + self.k\nh{i} = H{i}().go",
        "dict": f"T{i} = {{'go': lambda x: x * 3 + {value}}}",
        "closure": f"def m{i}(c):\n    def h(x): return x * 3 + c\n    return h\nh{i} = m{i}({value})",
        "naive": f"def d{i}(g):\n    def wrapper(*args): return g(*args)\n    return wrapper\n"
        f"@d{i}\ndef h{i}(x):\n    return x * 3 + {value}",
        "locked": f"class L{i}:\n  def __init__(self): self.lock, self.k = threading.Lock(), {value}\n"
        f"  def go(self, x):\n    with self.lock: return x * 3 + self.k\nh{i} = L{i}().go",
        "enum": f"class E{i}(enum.Enum):\n  A = 1\nE{i}.A.k = {value}\n\ndef h{i}(x):\n    return x * 3 + E{i}.A.k",
        "handed": f"def h{i}(x):\n    return peek(dag_h{i}, x)",
        "context": f"V{i} = contextvars.ContextVar('v', default={value})\n\ndef h{i}(x):\n    return x * 3 + V{i}.get()",
        "memoised": f"@functools.lru_cache(maxsize=None)\ndef h{i}(x):\n    return x * 3 + {value}",
    }[f.helper]
    return source.splitlines()


def _global_value(f: Func, value: int) -> Any:
    return {"int": value, "str": FILES[value], "tuple": (value, ("x", value)), "dict": {"k": [value]}}[f.glob]


def _global(f: Func, value: int) -> list[str]:
    return [f"G{f.index} = {_global_value(f, value)!r}"] if f.glob else []


# -- the model ------------------------------------------------------------------------------------


Name = tuple[Any, ...]  # of a dep: its kind, and which one


@dataclass(frozen=True)
class Outcome:
    """What a call does in the present state.

    own: its deps, with those of children that raised and were caught; below: the effects of the calls that
    its node speaks of; calls: those that its body makes, as often as it does.
    """

    value: Any
    error: str | None
    own: dict[Name, Any]
    below: dict[Key, str]
    calls: tuple[Key, ...]


def mix(parts: list[Any]) -> int:
    return zlib.crc32(repr(parts).encode())


class Model:
    """Interprets a program in one state."""

    def __init__(self, program: Program, state: State) -> None:
        self.program, self.state = program, state
        self._known: dict[Key, Outcome] = {}

    def outcome(self, key: Key) -> Outcome:
        if key not in self._known:
            self._known[key] = self._run(key)
        return self._known[key]

    def _text(self, at: int) -> str:
        content = self.state.files[at]
        return MISSING if content is None else text_of(content)

    def world(self, name: Name) -> Any:
        """What a dep is now."""
        s, (kind, *at) = self.state, name
        if kind == "slots":
            return tuple(k for k in range(len(self.program.funcs[at[0]].calls)) if (at[0], k) not in s.disabled)
        if kind == "dir":
            return tuple((FILES[k][4:], self._text(k)) for k in (3, 4) if s.files[k] is not None)
        lists = {"const": s.consts, "helper": s.helpers, "global": s.globals, "shared": s.shared}
        return {**lists, "file": s.files, "env": s.env}[kind][at[0]]  # type: ignore[index]  # all are lists

    def _names(self, f: Func, reads: list[int]) -> list[Name]:
        """All that a body depends on itself: comments and order are no part of it."""
        i = f.index
        names: list[Name] = [("const", i), ("slots", i)]
        names += [("helper", i)] * bool(f.helper) + [("global", i)] * bool(f.glob)
        names += [("shared", k) for k in range(2) if f.shared is not None and k <= f.shared]
        names += [("file", at) for at in reads] + [("dir", 0)] * f.directory
        return names + ([("env", f.env)] if f.env is not None else [])

    def _run(self, key: Key) -> Outcome:
        f, s, n = self.program.funcs[key.func], self.state, key.n
        parts: list[Any] = [n, s.consts[f.index]]
        reads = [at for at in (key.path, key.text) if at is not None]
        reads += [at for at, odd in f.tracked if n % 2 or not odd]
        own = {name: self.world(name) for name in self._names(f, reads)}
        if f.directory:
            parts.append(repr(list(self.world(("dir", 0)))))
        if f.helper:
            parts.append(n * 3 + s.helpers[f.index])
        if f.glob:
            parts.append(_global_value(f, s.globals[f.index]))
        if f.shared is not None:
            x = n + s.shared[0]
            parts.append(x * 2 + s.shared[1] if f.shared else x)
        if f.env is not None:
            parts.append(s.env[f.env])
        texts = [self._text(at) for at in reads]
        parts += texts
        last = mix(parts) % 4
        calls: list[Key] = []
        effects: dict[Key, str] = {}

        def end(value: Any, error: str | None) -> Outcome:
            return Outcome(value, error, own, effects, tuple(calls))

        stop = any(t.startswith("!") for t in texts)
        if f.raises == "early" and stop:
            return end(None, f"f{f.index} {mix(parts)}")
        for slot, call in enumerate(f.calls):
            if (f.index, slot) in s.disabled:
                continue
            if (call.mode == "if_n" and n % 2) or (call.mode == "if_value" and last % 2):
                continue
            for _ in range(1 + (call.mode == "twice")):
                m = (n + (last if call.flow else call.shift)) % 3
                below = self.program.key(call.callee, m, call.path, call.text)
                calls.append(below)
                got = self.outcome(below)
                if got.error is None:
                    effects[below] = repr(got.value)
                    parts.append(repr(got.value))
                    last = mix(parts) % 4
                    continue
                own.update(got.own)  # it leaves no node: its caller takes over all that it depended on
                effects.update(got.below)
                if call.mode == "try":
                    parts.append(repr(f"caught {got.error}"))
                else:
                    return end(None, got.error)
                last = mix(parts) % 4
        if f.raises == "late" and stop:
            return end(None, f"f{f.index} {mix(parts)}")
        total = mix(parts)
        values = {"int": total, "str": f"v{total}", "tuple": (total, n, "t"), "list": [total, n], "flat": "flat"}
        return end(values.get(f.kind, total % 2), None)

    def graph(self, roots: list[Key]) -> tuple[set[Key], set[tuple[Key, Key]]]:
        """The nodes and edges of what was called: calls that raised have none, those below them stay."""
        nodes: set[Key] = set()
        edges: set[tuple[Key, Key]] = set()
        visited: set[Key] = set()
        todo = list(roots)
        while todo:
            key = todo.pop()
            if key in visited:
                continue
            visited.add(key)
            got = self.outcome(key)
            todo += got.calls
            if got.error is None:
                nodes.add(key)
                edges |= {(key, c) for c in got.calls if self.outcome(c).error is None}
        return nodes, edges
