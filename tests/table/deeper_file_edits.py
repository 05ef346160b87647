"""Edits of files that calls below read and write, and of files that are declared."""

from __future__ import annotations

from tests.table.file_edits import DEEP, LOOK, below, named
from tests.table.harness import (
    Case,
    remove,
    run,
    sly,
    sub,
    then,
    touch,
    write,
)

ONE_CHILD = """
@cache_file(DIR)
def g():
    ran("g")
    return look(track_file("a.txt"))

@cache_file(DIR)
def f():
    ran("f")
    return [g()]
"""
GRANDCHILD = """
@cache_file(DIR)
def h():
    ran("h")
    return look(track_file("a.txt"))

@cache_file(DIR)
def g():
    ran("g")
    return [h()]

@cache_file(DIR)
def f():
    ran("f")
    return [g()]
"""
TWO_CHILDREN = """
@cache_file(DIR)
def g(path):
    ran("g:" + str(path))
    return look(path)

@cache_file(DIR)
def f():
    ran("f")
    return [g(Path("a.txt")), g(Path("c.txt"))]
"""
DIAMOND = """
@cache_file(DIR)
def load():
    ran("load")
    return look(track_file("a.txt"))

@cache_file(DIR)
def left():
    ran("left")
    return [load()]

@cache_file(DIR)
def right():
    ran("right")
    return [load(), load()]

@cache_file(DIR)
def f():
    ran("f")
    return left() + right()
"""
CAUGHT = """
@cache_file(DIR)
def g():
    ran("g")
    content = look(track_file("a.txt"))
    if content == b"one":
        raise ValueError(content)
    return content

@cache_file(DIR)
def f():
    ran("f")
    try:
        return g()
    except ValueError:
        return "nothing"
"""

BELOW = [
    below("child's tracked file edited", ONE_CHILD, write("a.txt", "two"), "f g"),
    below("child's tracked file touched", ONE_CHILD, touch("a.txt"), ""),
    below(
        "child's tracked file edited then reverted",
        ONE_CHILD,
        then(write("a.txt", "two"), run, write("a.txt", "one")),
        "",
    ),
    below("child's tracked file deleted", ONE_CHILD, remove("a.txt"), "f g"),
    below(
        "child's file edited, equal result",
        ONE_CHILD.replace('return look(track_file("a.txt"))', 'return len(look(track_file("a.txt")))'),
        write("a.txt", "two"),
        "g",
        same=True,
    ),
    below("grandchild's file edited", GRANDCHILD, write("a.txt", "two"), "f g h"),
    below("grandchild's file, same size and mtime", GRANDCHILD, sly("a.txt", "two"), "f g h"),
    below(
        "grandchild's file edited then reverted",
        GRANDCHILD,
        then(write("a.txt", "two"), run, write("a.txt", "one")),
        "",
    ),
    below("file of one of two children", TWO_CHILDREN, write("c.txt", "three"), "f g:c.txt"),
    below("diamond, the shared child runs once", DIAMOND, write("a.txt", "two"), "f left right load"),
    below("file of a child that raised and was caught", CAUGHT, write("a.txt", "two"), "f g"),
    below("another file, beside a child that raised", CAUGHT, write("b.txt", "two"), ""),
    below(
        "file named by the argument of a child that raised",
        CAUGHT.replace("def g():", "def g(p):")
        .replace("return g()", "return g(Path('a.txt'))")
        .replace('track_file("a.txt")', "p"),
        write("a.txt", "two"),
        "f g",
    ),
    below(
        "file of a grandchild below a child that raised",
        """
@cache_file(DIR)
def h():
    ran("h")
    return look(track_file("a.txt"))

@cache_file(DIR)
def g():
    ran("g")
    if h() == b"one":
        raise ValueError
    return h()

@cache_file(DIR)
def f():
    ran("f")
    try:
        return g()
    except ValueError:
        return "nothing"
""",
        write("a.txt", "two"),
        "f g h",
    ),
    below(
        "absent file of a child that raised, appearing",
        """
@cache_file(DIR)
def g():
    ran("g")
    with open(track_file("new.txt")) as file:
        return file.read()

@cache_file(DIR)
def f():
    ran("f")
    try:
        return g()
    except FileNotFoundError:
        return "nothing"
""",
        write("new.txt", "1"),
        "f g",
    ),
    below(
        "file of a call whose value is passed on",
        """
@cache_file(DIR)
def load():
    ran("load")
    return look(track_file("a.txt"))

@cache_file(DIR)
def f(x):
    ran("f")
    return [x]
""",
        write("a.txt", "two"),
        "load f",
        call="m.f(m.load())",
    ),
    below(
        "file of a call whose value is passed on, equal value",
        """
@cache_file(DIR)
def load():
    ran("load")
    return len(look(track_file("a.txt")))

@cache_file(DIR)
def f(x):
    ran("f")
    return [x]
""",
        write("a.txt", "two"),
        "load",
        call="m.f(m.load())",
        same=True,
    ),
    below(
        "argument of the child changed by its file",
        """
@cache_file(DIR)
def size():
    ran("size")
    return len(look(track_file("a.txt")))

@cache_file(DIR)
def g(n):
    ran("g")
    return n + 1

@cache_file(DIR)
def f():
    ran("f")
    return g(size())
""",
        write("a.txt", "three"),
        "f g size",
    ),
    below(
        "child called or not, by a tracked file",
        """
@cache_file(DIR)
def g():
    ran("g")
    return look(track_file("b.txt"))

@cache_file(DIR)
def f():
    ran("f")
    return g() if look(track_file("a.txt")) == b"two" else None
""",
        write("b.txt", "two"),
        "",
    ),
    below(
        "files of children in threads",
        """
import asyncio

@cache_file(DIR)
def g(path):
    ran("g:" + path)
    return look(path)

@cache_file(DIR)
def f():
    ran("f")
    async def all():
        return await asyncio.gather(*[asyncio.to_thread(g, p) for p in ("a.txt", "b.txt", "c.txt")])
    return asyncio.run(all())
""",
        write("b.txt", "two"),
        "f g:b.txt",
    ),
    below(
        "file of an async child",
        """
import asyncio

@cache_file(DIR)
async def g(path):
    ran("g:" + path)
    return look(track_file(path))

@cache_file(DIR)
async def h():
    ran("h")
    return await asyncio.gather(g("a.txt"), g("c.txt"))

def f():
    return asyncio.run(h())
""",
        write("c.txt", "three"),
        "h g:c.txt",
    ),
    below(
        "source file of the project as data",
        """
@cache_file(DIR)
def f():
    ran("f")
    return len(look(track_file("m.py"))) > 0
""",
        lambda project: project.write("m.py", (project.root / "m.py").read_text() + "# end\n"),
        "f",
        same=True,
    ),
]


WRITER = """
@cache_file(DIR)
def g(text):
    ran("g")
    Path("out.txt").write_text(text)
    return track_file("out.txt")

@cache_file(DIR)
def f():
    ran("f")
    return [look(g("done"))]
"""
OUTPUTS = [
    Case(name, {"m.py": LOOK + WRITER}, edit, runs, "m.f()", same=True, outputs=True)
    for name, edit, runs in (
        ("output that was tracked, deleted", remove("out.txt"), "g"),
        ("output that was tracked, damaged", write("out.txt", "damaged"), "g"),
        ("output that was tracked, same size and mtime", sly("out.txt", "gone"), "g"),
        ("output that was tracked, touched", touch("out.txt"), ""),
        ("output that was tracked, rewritten", write("out.txt", "done"), ""),
    )
]

DECLARED_FILE = "depends_on_files=['a.txt']"
DECLARED = [
    named("depends_on_files: edited", "1", write("a.txt", "two"), returns="look('a.txt')", options=DECLARED_FILE),
    named("depends_on_files: touched", "1", touch("a.txt"), "", returns="look('a.txt')", options=DECLARED_FILE),
    named("depends_on_files: deleted", "1", remove("a.txt"), returns="look('a.txt')", options=DECLARED_FILE),
    named(
        "depends_on_files: appearing",
        "1",
        write("new.txt", "1"),
        returns="look('new.txt')",
        options="depends_on_files=['new.txt']",
    ),
    named(
        "depends_on_files: directory, nested member edited",
        "1",
        write(DEEP, "9"),
        returns="look('d')",
        options="depends_on_files=['d']",
    ),
    named(
        "depends_on_files: edited then reverted",
        "1",
        then(write("a.txt", "two"), run, write("a.txt", "one")),
        "",
        returns="look('a.txt')",
        options=DECLARED_FILE,
    ),
    named(
        "depends_on_files: another declared",
        "1",
        sub("['a.txt'] => ['c.txt']"),
        returns="x",
        options=DECLARED_FILE,
        same=True,
    ),
]

CASES: list[Case] = BELOW + OUTPUTS + DECLARED
