"""Random programs whose bodies read, list, look for and write files that nobody declared; and edits of the files.

A program has two stages. Functions of the second one come first in the list and call functions after them, of both
stages; they also read the folder that the first stage writes. `render` makes its source, the strategies draw it.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent
from typing import Any

from hypothesis import strategies as st

INPUTS = ("in/a.txt", "in/b.txt", "in/1.txt", "in/2.txt", "in/sub/c.txt", "in/sub/x.csv", "in/late/d.txt", "in/ref.txt")
BESIDE = ("in/zz.md", "in/sub/zz.md", "in/e.txt")  # no function names them
CONTENTS = ("a", "b", "a.txt", "b.txt", "two\nlines\n", "")
FOLDERS = ("in", "in/sub", "in/late", "in/none")
PATTERNS = ("in/*.txt", "in/?.txt", "in/sub/*", "in/**/*.txt", "in/late/*.txt", "in/*/*.csv")

HELPERS = '''
import os, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ran(*words):
    fd = os.open(os.getcwd() + "-log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)


def read(path):
    with open(path) as file:
        return file.read()


def in_pool(function, *args):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def in_thread(function, *args):
    found = []

    def run():
        try:
            found.append(function(*args))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def pointed(path):
    """The file of which another file holds the name."""
    try:
        return "in/" + (read(path).split() or ["none"])[0]
    except FileNotFoundError:
        return "in/none/none.txt"


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def put_whole(path, text):
    """Another file is written first, and takes the name."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w") as file:
        file.write(text)
    os.replace(path + ".part", path)
'''
HEAD = """
import asyncio, csv, fileinput, fnmatch, glob, io, os, shutil, subprocess, tempfile
from pathlib import Path
from cachepy import cache_file
import helpers

cached = cache_file("../cache", warn_cheap=False)
CONSTANT = "in/b.txt"
PLACE = Path("in")
"""
PATHS = (
    *map(repr, INPUTS),
    "f'in/{n}.txt'",
    "os.path.join('in', str(n) + '.txt')",
    "os.path.abspath('in/a.txt')",
    "CONSTANT",
    "PLACE / 'sub' / 'c.txt'",
    "helpers.pointed('in/ref.txt')",
)
READS = (
    "with open({p}) as file:\n    got = file.read()",
    "with open({p}) as file:\n    got = ''.join(line for line in file)",
    "with io.open({p}, 'rb', buffering=0) as file:\n    got = file.read().decode()",
    "with open(os.fsencode({p})) as file:\n    got = file.read()",
    "with open({p}, newline='') as file:\n    got = repr(list(csv.reader(file)))",
    "fd = os.open({p}, os.O_RDONLY)\ngot = os.read(fd, 1000).decode()\nos.close(fd)",
    "got = Path({p}).read_text()",
    "got = helpers.read({p})",
    "got = helpers.in_thread(helpers.read, {p})",
    "got = helpers.in_pool(helpers.read, {p})",
    "got = asyncio.run(asyncio.to_thread(helpers.read, {p}))",
    "with fileinput.input([{p}]) as lines:\n    got = ''.join(lines)",
    "got = subprocess.run(['cat', {p}], capture_output=True, text=True).stdout",
    "with open({p}) as file:\n    got = subprocess.run(['cat'], stdin=file, capture_output=True, text=True).stdout",
    "with tempfile.TemporaryDirectory() as place:\n    got = Path(shutil.copy({p}, place + '/copy')).read_text()",
)
ASKS = (
    "got = os.path.exists({p})",
    "got = os.path.isfile({p})",
    "got = os.path.isdir({p})",
    "got = os.access({p}, os.F_OK)",
    "got = Path({p}).exists()",
    "got = Path({p}).is_file()",
    "got = bool(os.stat({p}))",
)
LISTS = (
    "got = sorted(os.listdir({p}))",
    "with os.scandir({p}) as found:\n    got = sorted(each.name for each in found)",
    "got = sorted(each.name for each in Path({p}).iterdir())",
    "got = sorted(name for _, folders, files in os.walk({p}) for name in folders + files)",
)
GLOBS = (
    "got = sorted(glob.glob({p}, recursive=True))",
    "got = sorted(glob.iglob({p}, recursive=True))",
    "got = sorted(map(str, Path().glob({p})))",
    "got = sorted(fnmatch.filter(os.listdir(os.path.dirname({p}).replace('*', 'sub')), os.path.basename({p})))",
    "got = [helpers.read(path) for path in sorted(glob.glob({p})) if os.path.isfile(path)]",
)
MADE = "os.makedirs(os.path.dirname({out}), exist_ok=True)\n"
BY_TEMPORARY = (
    "with tempfile.NamedTemporaryFile('w') as file:\n    file.write(repr(out))\n    file.flush()\n"
    "    shutil.copyfile(file.name, {out})"
)
BY_RENAMING = (
    "with tempfile.NamedTemporaryFile('w', dir=os.path.dirname({out}), delete=False) as file:\n    file.write(repr(out))\n"
    "os.replace(file.name, {out})"
)
BY_PROGRAM = (
    "with tempfile.TemporaryDirectory() as place:\n    helpers.put(place + '/x', repr(out))\n"
    "    subprocess.run(['cp', place + '/x', {out}], check=True)"
)
WRITES = (
    "helpers.put({out}, repr(out))",
    "helpers.put_whole({out}, repr(out))",
    MADE + "Path({out}).write_text(repr(out))",
    "helpers.put({out}, repr(out[:1]))\nhelpers.put({out}, repr(out))\nout.append(helpers.read({out}))",
    MADE + BY_TEMPORARY,
    MADE + BY_RENAMING,
    MADE + BY_PROGRAM,
)


@dataclass(frozen=True)
class Func:
    """A cached function of `n`: `lines` are its statements, `write` how it writes its own file, if it does."""

    index: int
    stage: int
    lines: tuple[str, ...]
    write: str | None

    def source(self) -> str:
        text = f"helpers.ran('f{self.index}', n)\nout = []\n"
        for line in self.lines:
            attempt = f"try:\n{indent(line, '    ')}\nexcept OSError as error:\n    got = type(error).__name__\n"
            text += f"{attempt}out.append(got)\n"
        if self.write:
            text += self.write.format(out=f"f{output(self.stage, self.index, '{n}')!r}") + "\n"
        return f"@cached\ndef f{self.index}(n):\n{indent(text + 'return out', '    ')}\n"


@dataclass(frozen=True)
class Program:
    funcs: tuple[Func, ...]
    roots: tuple[tuple[int, int], ...]  # index and n; those of the first stage are all of its calls

    def source(self) -> str:
        return HEAD + "\n\n".join(func.source() for func in self.funcs)

    @property
    def outputs(self) -> list[str]:
        return [output(func.stage, func.index, n) for func in self.funcs if func.write for n in (1, 2)]


def output(stage: int, index: int, n: object) -> str:
    return f"out{stage}/f{index}_{n}.txt"


# -- drawing


def statements(stage: int, first: list[str]) -> st.SearchStrategy[str]:
    """Lines that only look; `first` are the files that the first stage writes."""
    folders = [repr(folder) for folder in FOLDERS]
    patterns = [repr(pattern) for pattern in PATTERNS]
    paths = list(PATHS)
    if stage == 2:
        folders.append("'out1'")
        patterns.append("'out1/*.txt'")
        paths += [repr(path) for path in first] * 3
    kinds = ((READS, paths), (READS, paths), (LISTS, folders), (GLOBS, patterns), (ASKS, paths + folders))
    return st.one_of([
        st.tuples(st.sampled_from(ways), st.sampled_from(operands)).map(lambda drawn: drawn[0].replace("{p}", drawn[1]))
        for ways, operands in kinds
    ])


@st.composite
def calls(draw: st.DrawFn, later: tuple[Func, ...]) -> str:
    """A call, maybe only if some file is there, and maybe a look at the file that it has written."""
    func = draw(st.sampled_from(later))
    n = draw(st.sampled_from(["n", "1", "2"]))
    line = f"got = f{func.index}({n})"
    if func.write and draw(st.booleans()):
        path = f"f{output(func.stage, func.index, '{' + n + '}')!r}"
        line += f"\ngot = [got, helpers.read({path})]"
    if draw(st.integers(0, 3)) == 3:
        asked = draw(st.sampled_from(PATHS))
        line = f"got = None\nif os.path.exists({asked}):\n{indent(line, '    ')}"
    return line


@st.composite
def programs(draw: st.DrawFn) -> Program:
    count = draw(st.integers(2, 5))
    second = draw(st.integers(1, count))  # so many are of the second stage
    funcs: tuple[Func, ...] = ()
    for index in reversed(range(count)):
        stage = 2 if index < second else 1
        first = [output(1, func.index, n) for func in funcs if func.stage == 1 and func.write for n in (1, 2)]
        lines = st.one_of([statements(stage, first)] * 2 + [calls(funcs)] * bool(funcs))
        func = Func(
            index,
            stage,
            tuple(draw(st.lists(lines, min_size=1, max_size=4))),
            draw(st.none() | st.sampled_from(WRITES)),
        )
        funcs = (func, *funcs)
    roots = [(func.index, n) for func in reversed(funcs) if func.stage == 1 for n in (1, 2)]
    some = st.tuples(st.integers(0, second - 1), st.integers(1, 2))
    roots += [(0, 1), *draw(st.lists(some, max_size=2, unique=True))]
    return Program(funcs, tuple(roots))


def edits(program: Program) -> st.SearchStrategy[list[Any]]:
    """[what, path, ...] as `files_server.operate` takes it."""
    mine = " ".join(line for func in program.funcs for line in func.lines)
    used = [path for path in INPUTS if path in mine] or ["in/ref.txt"]
    path = st.sampled_from([*used * 6, *INPUTS, *BESIDE, *program.outputs * 2])
    content = st.sampled_from(CONTENTS)
    write = st.tuples(st.just("write"), path, content, st.booleans(), st.booleans())
    return st.one_of(
        *[write] * 4,
        st.tuples(st.just("delete"), path),
        st.tuples(st.just("touch"), path),
        st.tuples(st.just("anew"), path, st.booleans()),
        st.tuples(st.just("rename"), path, st.sampled_from([*INPUTS, *BESIDE])),
        st.tuples(st.just("link"), path),
    ).map(list)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A program, the files at first, and the rounds of edits; each round may go on in the process of the one before."""
    program = draw(programs())
    files = draw(st.fixed_dictionaries({path: st.none() | st.sampled_from(CONTENTS) for path in INPUTS}))
    rounds = st.fixed_dictionaries({
        "edits": st.lists(edits(program), min_size=1, max_size=3),
        "same process": st.booleans(),
        "again in the same process": st.booleans(),
    })
    return {"program": program, "files": files, "rounds": draw(st.lists(rounds, min_size=1, max_size=5))}
