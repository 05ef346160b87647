"""Edits of files: given as arguments, tracked at run time, declared, seen by calls below.

`f` returns what it can see of the file (`look`: the content, of a directory also the names), so a wrong hit
gives a wrong value. Files of the project are created before the first run; d is a directory.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.table.harness import (
    Case,
    CaseFolder,
    Edit,
    Link,
    chdir,
    function,
    module,
    nothing,
    poke,
    remove,
    rename,
    run,
    sly,
    then,
    touch,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK = """
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

def look(path):
    if os.path.isdir(path):
        return [(name, look(os.path.join(path, name))) for name in sorted(os.listdir(path))]
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    return content if len(content) < 99 else (len(content), zlib.crc32(content))

@dataclass
class Job:
    name: str
    path: Path
"""
FILES: dict[str, str | bytes | Link] = {
    "a.txt": "one",
    "b.txt": "one",
    "c.txt": "two",
    "d/x.txt": "1",
    "d/sub/y.txt": "2",
}
DEEP = "d/sub/y.txt"
MEGA = 1 << 20


def named(
    name: str,
    argument: str,
    edit: Edit,
    runs: str | None = "f",
    returns: str = "look(x)",
    *,
    args: str = "x",
    options: str = "",
    files: Mapping[str, str | bytes | Link] = FILES,
    cwd: str = ".",
    same: bool = False,
    aged: bool = False,
) -> Case:
    """A file or directory named by an argument."""
    sources = {"m.py": module(LOOK, function(returns, args, options))} | dict(files)
    setup = "import m\nfrom pathlib import Path"
    return Case(name, sources, edit, runs, f"m.f({argument})", setup, cwd=cwd, same=same, aged=aged)


def tracked(
    name: str,
    path: str,
    edit: Edit,
    runs: str | None = "f",
    returns: str = "look(x)",
    *,
    files: Mapping[str, str | bytes | Link] = FILES,
    cwd: str = ".",
    same: bool = False,
    aged: bool = False,
) -> Case:
    """A file or directory found at run time."""
    source = LOOK + f"\n@cache_file(DIR)\ndef f():\n    x = track_file({path!r})\n    ran('f')\n    return {returns}\n"
    return Case(name, {"m.py": source} | dict(files), edit, runs, "m.f()", cwd=cwd, same=same, aged=aged)


def below(
    name: str,
    source: str,
    edit: Edit | str,
    runs: str | None,
    *,
    call: str = "m.f()",
    files: Mapping[str, str | bytes | Link] = FILES,
    same: bool = False,
) -> Case:
    """A module of cached functions; the files are those that calls below f see."""
    return Case(name, {"m.py": module(LOOK + source)} | dict(files), edit, runs, call, same=same)


def replaced(name: str, content: str) -> Edit:
    """Another file put in its place, as editors and atomic writers do."""

    def edit(project: CaseFolder) -> None:
        project.write("new.tmp", content)
        (project.root / "new.tmp").replace(project.root / name)

    return edit


def into(folder: str) -> Edit:
    return lambda project: (project.root / folder).mkdir()


def mode(name: str, bits: int) -> Edit:
    return lambda project: (project.root / name).chmod(bits)


def fifo(name: str) -> Edit:
    return lambda project: os.mkfifo(project.root / name)


def moved_to_file(name: str) -> Edit:
    return then(remove(name), write(name, "a file now"))


BIG: dict[str, str | bytes | Link] = {"a.bin": b"".join(i.to_bytes(4, "big") * 256 for i in range(20 * 1024))}


CONTENT: list[Case] = []
for kind, make, one, folder in (
    ("Path argument", named, "Path('a.txt')", "Path('d')"),
    ("str argument", named, "'a.txt'", "'d'"),
    ("tracked", tracked, "a.txt", "d"),
):
    CONTENT += [
        make(f"{kind}: content edited", one, write("a.txt", "three")),
        make(f"{kind}: edit of the same size", one, write("a.txt", "two")),
        make(f"{kind}: edit of the same size and mtime", one, sly("a.txt", "two")),
        make(f"{kind}: touched only", one, touch("a.txt"), ""),
        make(f"{kind}: same bytes rewritten", one, write("a.txt", "one"), ""),
        make(f"{kind}: mode changed", one, mode("a.txt", 0o600), ""),
        make(f"{kind}: replaced by another file", one, replaced("a.txt", "two")),
        make(f"{kind}: replaced by a file of equal content", one, replaced("a.txt", "one"), ""),
        make(f"{kind}: truncated", one, write("a.txt", "")),
        make(f"{kind}: deleted", one, remove("a.txt")),
        make(f"{kind}: deleted and restored", one, then(remove("a.txt"), run, write("a.txt", "one")), ""),
        make(f"{kind}: edited then reverted", one, then(write("a.txt", "two"), run, write("a.txt", "one")), ""),
        make(
            f"{kind}: edited then reverted, no run between",
            one,
            then(write("a.txt", "two"), write("a.txt", "one")),
            "",
        ),
        make(f"{kind}: another file edited", one, write("b.txt", "two"), ""),
        make(f"{kind}: now a directory", one, then(remove("a.txt"), write("a.txt/x", "one"))),
        make(f"{kind}: now a symlink to equal content", one, write("a.txt", Link("b.txt")), ""),
        make(f"{kind}: directory, member added", folder, write("d/new.txt", "3")),
        make(f"{kind}: directory, empty member added", folder, write("d/new.txt", "")),
        make(f"{kind}: directory, hidden member added", folder, write("d/.new", "3")),
        make(f"{kind}: directory, empty folder added", folder, into("d/new")),
        make(f"{kind}: directory, member removed", folder, remove("d/x.txt")),
        make(f"{kind}: directory, member renamed", folder, rename("d/x.txt", "d/z.txt")),
        make(f"{kind}: directory, member edited", folder, write("d/x.txt", "9")),
        make(f"{kind}: directory, member edited, same size and mtime", folder, sly("d/x.txt", "9")),
        make(f"{kind}: directory, member touched only", folder, touch("d/x.txt"), ""),
        make(f"{kind}: directory, nested member edited", folder, write(DEEP, "9")),
        make(f"{kind}: directory, nested member renamed", folder, rename(DEEP, "d/sub/z.txt")),
        make(f"{kind}: directory, member moved a level up", folder, rename(DEEP, "d/y.txt")),
        make(
            f"{kind}: directory, contents of two members swapped",
            folder,
            then(write("d/x.txt", "2"), write(DEEP, "1")),
        ),
        make(f"{kind}: directory, now a file", folder, moved_to_file("d")),
        make(f"{kind}: directory removed", folder, remove("d")),
        make(
            f"{kind}: directory, edited then reverted",
            folder,
            then(remove("d/x.txt"), run, write("d/x.txt", "1")),
            "",
        ),
    ]

LINKS = FILES | {
    "l.txt": Link("a.txt"),
    "ll": Link("l.txt"),
    "dl": Link("d"),
    "e/x.txt": "1",
    "e/sub/y.txt": "2",
    "d2/l": Link("../a.txt"),
}
LOOP: dict[str, str | bytes | Link] = {"d3/x.txt": "1", "d3/loop": Link(".")}
ARGUMENTS = [
    named("absent Path argument appearing", "Path('new.txt')", write("new.txt", "1")),
    named("absent str argument appearing", "'new.txt'", write("new.txt", "1")),
    named("absent Path argument, a sibling appearing", "Path('new.txt')", write("other.txt", "1"), ""),
    named("str that names no file", "'hello'", write("other.txt", "1"), "", "x"),
    named("str that names no file, long and odd", "'x' * 5000 + '\\0?*'", write("other.txt", "1"), "", "x"),
    named("empty str", "''", write("other.txt", "1"), "", "x"),
    named("'.' is a plain str", "'.'", write("d/new.txt", "1"), "", "x", cwd="d"),
    named("'.' in file_args", "'.'", write("d/new.txt", "1"), options="file_args=['x']", cwd="d"),
    named("Path('.')", "Path('.')", write("d/new.txt", "1"), cwd="d"),
    named("symlink retargeted to other content", "Path('l.txt')", write("l.txt", Link("c.txt")), files=LINKS),
    named("symlink retargeted to equal content", "Path('l.txt')", write("l.txt", Link("b.txt")), "", files=LINKS),
    named("symlink left dangling", "Path('l.txt')", write("l.txt", Link("nowhere")), files=LINKS),
    named("symlink, what it names edited", "Path('l.txt')", write("a.txt", "two"), files=LINKS),
    named(
        "symlink to a symlink, the second retargeted",
        "Path('ll')",
        write("l.txt", Link("c.txt")),
        files=LINKS,
    ),
    named("symlink to a directory, member edited", "Path('dl')", write("d/x.txt", "9"), files=LINKS),
    named(
        "symlink to a directory, retargeted to an equal one",
        "Path('dl')",
        write("dl", Link("e")),
        "",
        files=LINKS,
    ),
    named(
        "symlink in a directory, retargeted to other content",
        "Path('d2')",
        write("d2/l", Link("../c.txt")),
        files=LINKS,
    ),
    named("symlink in a directory, what it names edited", "Path('d2')", write("a.txt", "two"), files=LINKS),
    named(
        "directory with a link to itself", "Path('d3')", write("d3/x.txt", "9"), files=LOOP, returns="look(x / 'x.txt')"
    ),
    named("directory, FIFO added", "Path('d')", fifo("d/pipe"), returns="sorted(os.listdir(x))"),
    named("directory, member added whose name is no UTF-8", "Path('d')", write("d/\udcff.txt", "3")),
    named("Path whose name is no UTF-8", r"Path('\udcff.txt')", write("\udcff.txt", "3"), files={"\udcff.txt": "1"}),
    named("Path in a list", "[Path('a.txt')]", write("a.txt", "two"), returns="look(x[0])"),
    named(
        "Path in a tuple in a dict",
        "{'k': (1, Path('a.txt'))}",
        write("a.txt", "two"),
        returns="look(x['k'][1])",
    ),
    named(
        "Path in a set",
        "{Path('a.txt'), Path('c.txt')}",
        write("a.txt", "two"),
        returns="sorted(map(look, x))",
    ),
    named("Path as a dict key", "{Path('a.txt'): 1}", write("a.txt", "two"), returns="[look(p) for p in x]"),
    named("str with a separator in a list", "['./a.txt']", write("a.txt", "two"), returns="look(x[0])"),
    named("str with a separator in a dict", "{'k': 'd/x.txt'}", write("d/x.txt", "two"), returns="look(x['k'])"),
    named("str without a separator in a list", "['a.txt']", write("a.txt", "two"), "", "x"),
    named(
        "Path in a dataclass field",
        "m.Job('j', Path('a.txt'))",
        write("a.txt", "two"),
        returns="look(x.path)",
    ),
    named(
        "Path in a dataclass in a list",
        "[m.Job('j', Path('a.txt'))]",
        write("a.txt", "two"),
        returns="look(x[0].path)",
    ),
    named(
        "Path in *args",
        "Path('c.txt'), Path('a.txt')",
        write("a.txt", "two"),
        returns="look(x[1])",
        args="*x",
    ),
    named("Path in **kwargs", "p=Path('a.txt')", write("a.txt", "two"), returns="look(x['p'])", args="**x"),
    named("Path as a default", "", write("a.txt", "two"), args="x=Path('a.txt')"),
    named("str as a default", "", write("a.txt", "two"), args="x='a.txt'"),
    named(
        "one of many in a list",
        "[Path('a.txt'), Path('b.txt')]",
        write("b.txt", "two"),
        returns="[look(p) for p in x]",
    ),
    named(
        "contents of two swapped",
        "[Path('a.txt'), Path('c.txt')]",
        then(rename("a.txt", "t"), rename("c.txt", "a.txt"), rename("t", "c.txt")),
        returns="[look(p) for p in x]",
    ),
    named(
        "file_args: a parameter it lists",
        "Path('a.txt'), Path('b.txt')",
        write("a.txt", "two"),
        args="x, y",
        options="file_args=['x']",
    ),
    named(
        "file_args: a parameter it leaves out",
        "Path('a.txt'), Path('b.txt')",
        write("b.txt", "two"),
        "",
        args="x, y",
        options="file_args=['x']",
    ),
    named(
        "ignore_args: its file",
        "Path('a.txt'), Path('b.txt')",
        write("b.txt", "two"),
        "",
        args="x, y",
        options="ignore_args=['y']",
    ),
    named(
        "relative path from another cwd, equal content",
        "Path('x.txt')",
        then(write("e/x.txt", "1"), chdir("e")),
        "",
        cwd="d",
    ),
    named(
        "relative path from another cwd, other content",
        "Path('x.txt')",
        then(write("e/x.txt", "9"), chdir("e")),
        cwd="d",
    ),
    named(
        "relative path from another cwd, no such file there",
        "Path('x.txt')",
        then(write("e/y.txt", "1"), chdir("e")),
        cwd="d",
    ),
    named(
        "relative str from another cwd, equal content",
        "'x.txt'",
        then(write("e/x.txt", "1"), chdir("e")),
        "",
        cwd="d",
    ),
    named(
        "relative str from another cwd, other content",
        "'x.txt'",
        then(write("e/x.txt", "9"), chdir("e")),
        cwd="d",
    ),
    named(
        "relative directory from another cwd, equal content",
        "Path('.')",
        then(write("e/x.txt", "1"), write("e/sub/y.txt", "2"), chdir("e")),
        "",
        cwd="d",
    ),
    named("edit in the middle of 20 MB", "Path('a.bin')", poke("a.bin", 10 * MEGA, b"!"), files=BIG),
    named(
        "edit at the end of 20 MB, its stat no longer young",
        "Path('a.bin')",
        poke("a.bin", 20 * MEGA - 1, b"!"),
        files=BIG,
        aged=True,
    ),
    named("same size and mtime, its stat no longer young", "Path('a.txt')", sly("a.txt", "two"), aged=True),
    named("touched only, its stat no longer young", "Path('a.txt')", touch("a.txt"), "", aged=True),
    named(
        "member with same size and mtime, its stat no longer young",
        "Path('d')",
        sly("d/x.txt", "9"),
        aged=True,
    ),
    named("nothing at all", "Path('a.txt')", nothing, ""),
]

TRACKED = [
    tracked("track_file of a missing path, appearing", "new.txt", write("new.txt", "1")),
    tracked(
        "track_file of a missing path, appearing and gone again",
        "new.txt",
        then(write("new.txt", "1"), run, remove("new.txt")),
        "",
    ),
    tracked("track_file in a missing folder, appearing", "new/new.txt", write("new/new.txt", "1")),
    tracked("track_file of a missing path, a directory appearing", "new", into("new")),
    tracked(
        "track_file of a symlink retargeted to other content",
        "l.txt",
        write("l.txt", Link("c.txt")),
        files=LINKS,
    ),
    tracked(
        "track_file of a symlink retargeted to equal content",
        "l.txt",
        write("l.txt", Link("b.txt")),
        "",
        files=LINKS,
    ),
    tracked(
        "track_file of a relative path, another cwd with other content",
        "x.txt",
        then(write("e/x.txt", "9"), chdir("e")),
        cwd="d",
    ),
    tracked("track_file, edit in the middle of 20 MB", "a.bin", poke("a.bin", 10 * MEGA, b"!"), files=BIG),
    tracked("track_file, same size and mtime, its stat no longer young", "a.txt", sly("a.txt", "two"), aged=True),
    below(
        "track_file by a helper",
        """
def h(path):
    return look(track_file(path))

@cache_file(DIR)
def f():
    ran("f")
    return h("a.txt")
""",
        write("a.txt", "two"),
        "f",
    ),
    below(
        "track_file in a loop over a tracked directory",
        """
@cache_file(DIR)
def f():
    ran("f")
    return [look(track_file(os.path.join("d", name))) for name in sorted(os.listdir(track_file("d")))]
""",
        write("d/new.txt", "3"),
        "f",
    ),
    below(
        "path that is tracked is computed from a tracked file",
        """
@cache_file(DIR)
def f():
    ran("f")
    with open(track_file("name.txt")) as file:
        return look(track_file(file.read()))
""",
        write("b.txt", "two"),
        "f",
        files=FILES | {"name.txt": "b.txt"},
    ),
    below(
        "opened without track_file",
        """
@cache_file(DIR)
def f():
    ran("f")
    return look("a.txt")
""",
        write("a.txt", "two"),
        "f",
    ),
    below(
        "track_file not reached in the first run",
        """
@cache_file(DIR)
def f():
    ran("f")
    return look(track_file("b.txt")) if look(track_file("a.txt")) == b"two" else None
""",
        write("b.txt", "two"),
        "",
    ),
]

CASES: list[Case] = CONTENT + ARGUMENTS + TRACKED
