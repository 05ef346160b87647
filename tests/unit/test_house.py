"""The limits of the house: small files, short functions, no hidden state, and a reason for each exception."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for package in ("cachepy", "dask_plugin") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if "data" not in path.parts)
MOST_LINES, LONGEST, MEDIAN = 600, 50, 12

# What may change while a program runs outside of a Session, as "module:name", and why.
STATE = {
    "dask_plugin/client.py:_connections": "which client of this process has a connection, whose graph each may be",
    "cachepy/calls/child_processes.py:_boxes": "the lock of this process's letter boxes, made anew after a fork",
    "cachepy/calls/child_processes.py:_folders": "where this process has letter boxes: a matter of the process, not of a Session",
    "cachepy/calls/child_processes.py:_host": "the name of this machine in the names of its letter boxes, worked out once",
    "cachepy/calls/library_files.py:_watch": "what stands before functions of libraries: the same for all sessions",
    "cachepy/values/stand_ins.py:_replaced": "what stands in the place of functions, and for what: a matter of the process",
    "cachepy/calls/patience.py:waiters": "threads of this process that only wait: they let nobody go on, in any session",
    "cachepy/store/claims.py:_live": "the claims of this process: what none of its sessions holds belongs to nobody",
    "cachepy/graph/graph.py:_alive": "all graphs, weakly: a fork is a matter of the process",
    "cachepy/graph/graph.py:_held": "their locks, while the process forks",
    "cachepy/core/bodies.py:bodies": "what runs in this process: threads without a caller belong to no session",
    "cachepy/calls/state.py:_default": "the one default Session",
    "cachepy/core/lazyparts.py:_given": "what the package gives to its lower rooms: the same for all sessions",
    "cachepy/core/lazyparts.py:_makers": "threads in the midst of making a part of some Session: a signal handler must not wait for itself",
    "cachepy/values/modules.py:_arrived": "the script whose code this process was sent, as `sys.modules` has its own",
    "cachepy/store/journal.py:_opened": "the files of all sessions together count against what a process may open",
    "cachepy/store/journal.py:_process": "the number of this process in the names of its files, made anew after a fork",
    "cachepy/store/mapping.py:_live": "what this process has mapped: its limits are those of all sessions together",
    "cachepy/store/mapping.py:_mounts": "which file systems are local, whoever asks",
    "cachepy/store/mounts.py:_met": "the devices of this machine that are its own, whoever asks",
    "cachepy/store/mounts.py:_statx": "a function of the C library, found when a network mount is met",
    "cachepy/store/relocation.py:_known": "whether a tree was moved, looked at once: rows are read without a session",
}
MAKES_MUTABLE = {
    "Counter", "OrderedDict", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "bytearray", "defaultdict", "deque",
    "dict", "list", "set",
}  # fmt: skip
CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "sort", "update",
}  # fmt: skip

EXCUSE = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore)")
EXCUSED = re.compile(
    r"# (?:noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*|(?:type|pyright): ignore\[[\w, -]+\])"  # with its code
    r"(?: - |  # )\S.{3,}"  # and a reason
)
# written so that this file does not name them itself
PRIVATE = re.compile(
    "|".join([
        r"(?<![\w./])/" + r"work/\w", r"(?<![\w.])/" + r"tmp/w/", r"(?<![\w./])/" + r"root/", "/opt/" + "pypi", r"\.pyenv" + "/",
        "pypi" + r"\.org", "files.python" + "hosted", "registry.npm" + "js", "deb.debian" + r"\.org", "proxy.golang" + r"\.org",
    ])
)  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def tracked() -> list[Path]:
    """The files of the project: what git tracks, else (in an sdist) all that lies here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    skipped = {".venv", "__pycache__", "build", "dist", "site"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not skipped & set(path.parts)]


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring."""
    first = function.body[0]
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    doc = first.end_lineno - first.lineno + 1 if is_doc else 0
    return function.end_lineno - function.lineno + 1 - doc


def functions() -> dict[str, int]:
    return {
        f"{name_of(path)}:{node.lineno} {node.name}": own_lines(node)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_files_are_small():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert len(lengths) > 50
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_files_of_tests_are_small():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS}
    assert len(lengths) > 200
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_files_of_tests_have_names_of_their_own():
    """pytest imports them by their names alone, and those that share a folder import its other modules so."""
    names = Counter(path.name for path in TESTS if path.name.startswith("test_"))
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_functions_are_short():
    lengths = functions()
    assert len(lengths) > 500
    assert statistics.median(lengths.values()) < MEDIAN
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_exception_has_a_code_and_a_reason(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    bare = [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if is_bare(line)]
    assert bare == []


def is_bare(line: str) -> bool:
    return EXCUSE.search(line) is not None and EXCUSED.search(line) is None


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("x = 1", False),
        ("x = f()  # noqa", True),
        ("x = f()  # noqa: E501", True),
        ("x = f()  # noqa: E501 - a table", False),
        ("x = f()  # noqa: A002, ANN001 - a table", False),
        ("x = f()  # type: ignore", True),
        ("x = f()  # type: ignore[arg-type]", True),
        ("x = f()  # type: ignore[arg-type, misc]  # it is one by now", False),
        ("x = f()  # type: ignore[arg-type] - it is one by now", False),
        ("x = f()  # pyright: ignore[reportCallIssue]", True),
    ],
)
def test_what_counts_as_a_reason(line, bare):
    assert is_bare(line) is bare


def test_each_rule_that_is_turned_off_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    rules = re.findall(r'^ +"[A-Z]+[0-9]*",.*$', text, re.MULTILINE)
    assert len(rules) > 50
    assert [rule for rule in rules if not re.search(r"#\s+\S.{5,}", rule)] == []


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that a module gives values to at its top level."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                yield target.id, node.value


def is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return called in MAKES_MUTABLE
    return isinstance(value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp))


def changed_names(tree: ast.Module) -> set[str]:
    """Names whose value is changed in place inside a function, or that are set anew by `global`."""
    found: set[str] = set()
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            local = {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}
            local |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            declared = {n for g in ast.walk(function) if isinstance(g, ast.Global) for n in g.names}
            found |= declared | ({n for node in ast.walk(function) if (n := changed_in_place(node))} - (local - declared))
    return found


def changed_in_place(node: ast.AST) -> str | None:
    """The name that one expression changes in place: ``NAME[...] = x``, ``del NAME[...]``, ``NAME.append(x)``."""
    where = None
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        where = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
        where = node.func.value
    return where.id if isinstance(where, ast.Name) else None


def state_of(tree: ast.Module) -> set[str]:
    """Names at a module's top level that hold state: changed by a function, or mutable and not written as a constant."""
    values = dict(assigned(tree))
    lower = {name for name, value in values.items() if is_mutable(value) and not name.strip("_").isupper()}
    return ((changed_names(tree) & set(values)) | lower) - {"__all__"}


def test_state_lives_in_the_session():
    found = {f"{name_of(path)}:{name}" for path in MODULES for name in state_of(tree_of(path))}
    assert found == set(STATE)


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("TABLE = {1: 2}", set()),
        ("__all__ = ['a']", set()),
        ("seen = {}", {"seen"}),
        ("_seen: set[str] = set()", {"_seen"}),
        ("NAMES = []\ndef f(x):\n    NAMES.append(x)", {"NAMES"}),
        ("NAMES = {}\ndef f(x):\n    NAMES[x] = 1", {"NAMES"}),
        ("NAMES = {}\ndef f(NAMES):\n    NAMES[1] = 1", set()),
        ("one = None\ndef f():\n    global one\n    one = 1", {"one"}),
    ],
)
def test_what_counts_as_state(source, state):
    assert state_of(ast.parse(source)) == state


def test_no_file_names_a_machine_or_a_registry():
    found = []
    for path in tracked():
        if path.suffix in {".png", ".pkl"}:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"{name_of(path)}:{number}: {line.strip()[:80]}" for number, line in enumerate(lines, 1) if PRIVATE.search(line)]
    assert found == []


@pytest.mark.parametrize("text", ["/" + "work/main", "cd /" + "tmp/w/x", "https://" + "pypi" + ".org/simple"])
def test_what_counts_as_a_machine_or_a_registry(text):
    assert PRIVATE.search(text)


@pytest.mark.parametrize("text", ["framework/main", "http://x/work/1", "/home/ann/work/", "pip install", "s3://a/root/b"])
def test_what_does_not(text):
    assert not PRIVATE.search(text)


@pytest.mark.parametrize("package", ["cachepy", "dask_plugin"])
def test_packages_say_that_they_are_typed(package):
    assert (ROOT / package / "py.typed").is_file()
