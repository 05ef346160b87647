"""Functions of the standard library, and the bytes of their normal form."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path
from types import CodeType

from cachepy.code.bytecode import code_bytes

STDLIB = Path(sysconfig.get_path("stdlib"))
CORPUS = [
    "abc",
    "argparse",
    "ast",
    "base64",
    "bisect",
    "bz2",
    "calendar",
    "cmd",
    "codecs",
    "collections/__init__",
    "colorsys",
    "configparser",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "difflib",
    "dis",
    "enum",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "getopt",
    "glob",
    "gzip",
    "heapq",
    "hmac",
    "inspect",
    "ipaddress",
    "keyword",
    "linecache",
    "locale",
    "logging/__init__",
    "mimetypes",
    "numbers",
    "optparse",
    "os",
    "pathlib",
    "pickle",
    "platform",
    "plistlib",
    "posixpath",
    "pprint",
    "queue",
    "random",
    "reprlib",
    "sched",
    "secrets",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "statistics",
    "string",
    "tempfile",
    "textwrap",
    "threading",
    "timeit",
    "tokenize",
    "traceback",
    "types",
    "uuid",
    "weakref",
    "zipfile",
    "asyncio/tasks",
    "asyncio/streams",
    "asyncio/base_events",
    "asyncio/taskgroups",
]
FILES = [f for f in (STDLIB / f"{name}.py" for name in CORPUS) if f.exists()]
SOURCES = {f.relative_to(STDLIB).as_posix(): f.read_text("utf-8") for f in FILES}


def build(source):
    return compile(source, "<corpus>", "exec", dont_inherit=True)


def body_bytes(source):
    """The bytes of the first function in `source`."""
    return code_bytes(next(c for c in build(source).co_consts if isinstance(c, CodeType)))


def in_function(body):
    return "def f(x, y, z):\n" + "\n".join(f"    {line}" for line in body.split("\n"))


OPPOSITE = {
    ast.Add: ast.Sub,
    ast.Lt: ast.GtE,
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,
    ast.And: ast.Or,
}
OPPOSITE |= {new: old for old, new in OPPOSITE.items()}
