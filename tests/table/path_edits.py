"""Edits of files that arguments name in other forms than str and Path: bytes, objects, patterns, home paths."""

from __future__ import annotations

from tests.table.harness import Case, remove, rename, sub, touch, write

HEAD = """
    import argparse, collections, glob, os, types, zipfile
    from dataclasses import dataclass
    from importlib import resources
    from pathlib import Path, PurePath, PurePosixPath
    class Own:
        def __init__(self, name):
            self.name = name
        def __fspath__(self):
            return self.name
    @dataclass
    class Data:
        name: object
    Pair = collections.namedtuple("Pair", "name n")
    class Str(str):
        pass
    class Slots:
        __slots__ = ("name",)
        def __init__(self, name):
            self.name = name
        def __fspath__(self):
            return self.name
    def entry(name):
        return next(e for e in os.scandir("d") if e.name == name)
    def read(p):
        found = []
        if p is None or isinstance(p, int):
            return p
        if isinstance(p, (list, tuple, set)):
            return sorted(map(str, map(read, p)))
        if isinstance(p, dict):
            return [read(list(p)), read(list(p.values()))]
        if isinstance(p, (Data, argparse.Namespace, types.SimpleNamespace)):
            return read(p.name)
        try:
            return p.read_text() if hasattr(p, "read_text") else open(p).read()
        except (OSError, TypeError, ValueError) as error:
            return type(error).__name__
    @cache_file(DIR)
    def f(p, *more, k=None, **rest):
        ran("f")
        return [read(p), read(list(more)), read(k), read(rest)]
    @cache_file(DIR, file_args=["p"])
    def g(p):
        ran("f")
        return read(p)
    @cache_file(DIR)
    def default(p=b"d/a.txt"):
        ran("f")
        return read(p)
    @cache_file(DIR)
    def many(pattern):
        ran("f")
        if isinstance(pattern, (list, dict)):
            return [open(p).read() for each in pattern for p in sorted(glob.glob(each, recursive=True))]
        return [open(p).read() for p in sorted(glob.glob(os.path.expanduser(pattern), recursive=True)) if os.path.isfile(p)]
    @cache_file(DIR, file_args=["pattern"])
    def declared(pattern):
        ran("f")
        return [open(p).read() for p in sorted(glob.glob(pattern)) if os.path.isfile(p)]
    @cache_file(DIR)
    def top(pattern):
        ran("top")
        return many(pattern)
    """
FILES = {
    "m.py": HEAD, "d/a.txt": "1", "d/b.txt": "2", "d/deep/c.txt": "3", "home/x.txt": "4", "other/x.txt": "4",
}  # fmt: skip
FORMS = {
    "bytes": "b'd/a.txt'",
    "PurePath": "m.PurePath('d/a.txt')",
    "PurePosixPath": "m.PurePosixPath('d/a.txt')",
    "own PathLike": "m.Own('d/a.txt')",
    "own PathLike of bytes": "m.Own(b'd/a.txt')",
    "own PathLike with slots": "m.Slots('d/a.txt')",
    "subclass of str": "m.Str('d/a.txt')",
    "str of numpy": "__import__('numpy').str_('d/a.txt')",
    "bytes of numpy": "__import__('numpy').bytes_(b'd/a.txt')",
    "DirEntry": "m.entry('a.txt')",
    "resource": "m.resources.files('pkg').joinpath('a.txt')",
}
PLACES = {
    "argument": "m.f({})",
    "declared": "m.g({})",
    "list": "m.f([{}])",
    "tuple in a dict": "m.f({{'k': ({},)}})",
    "rest": "m.f(0, {})",
    "keyword": "m.f(0, k={})",
    "keywords": "m.f(0, name={})",
    "dataclass": "m.f(m.Data({}))",
    "namedtuple": "m.f(m.Pair({}, 1))",
    "namespace": "m.f(m.argparse.Namespace(name={}))",
}
SETS = {
    "pattern": "'d/*.txt'",
    "pattern with ?": "'d/?.txt'",
    "pattern with a range": "'d/[a-z].txt'",
    "pattern of folders": "'*/a.txt'",
    "recursive pattern": "'d/**/*.txt'",
    "pattern as Path": "m.Path('d/*.txt')",
    "pattern as bytes": "b'd/*.txt'",
}
HOME = {"HOME": "home"}


def _cases() -> list[Case]:
    files = {**FILES, "pkg/__init__.py": "", "pkg/a.txt": "1"}
    found = []
    for form, made in FORMS.items():
        for place in PLACES if form in ("bytes", "own PathLike", "PurePath") else ("argument", "declared", "list"):
            edit = write("pkg/a.txt" if form == "resource" else "d/a.txt", "9")
            call = PLACES[place].format(made)
            found.append(Case(f"{form} as {place}", files, edit, "f", call))
    for form, made in SETS.items():
        found += [
            Case(f"{form}: file edited", FILES, write("d/a.txt", "9"), "f", f"m.many({made})"),
            Case(f"{form}: file gone", FILES, remove("d/a.txt"), "f", f"m.many({made})"),
            Case(f"{form}: file touched", FILES, touch("d/a.txt"), "", f"m.many({made})"),
            Case(f"{form}: other file", FILES, write("d/a.csv", "9"), "", f"m.many({made})"),
            Case(f"{form}: below a caller", FILES, write("d/a.txt", "9"), "top f", f"m.top({made})"),
        ]
    return found


CASES: list[Case] = [
    *_cases(),
    Case("bytes as a default", FILES, write("d/a.txt", "9"), "f", "m.default()"),
    Case("bytes as a key", FILES, write("d/a.txt", "9"), "f", "m.f({b'd/a.txt': 1})"),
    Case("bytes that named nothing", FILES, write("new.txt", "9"), "f", "m.f(b'new.txt')"),
    Case("PurePath that named nothing", FILES, write("new.txt", "9"), "f", "m.f(m.PurePath('new.txt'))"),
    Case("names without a separator in a declared list", {**FILES, "a.txt": "1"}, write("a.txt", "9"), "f", "m.g(['a.txt'])"),
    Case("pattern: file appears", FILES, write("d/n.txt", "9"), "f", "m.many('d/*.txt')"),
    Case("pattern: file renamed", FILES, rename("d/a.txt", "d/0.txt"), "f", "m.many('d/*.txt')", same=True),
    Case("pattern that matched nothing", FILES, write("d/n.csv", "9"), "f", "m.many('d/*.csv')"),
    Case("pattern in a folder that is not there", FILES, write("e/n.csv", "9"), "f", "m.many('e/*.csv')"),
    Case("pattern without a folder", FILES, write("n.csv", "9"), "f", "m.many('*.csv')"),
    Case("recursive pattern: deep file appears", FILES, write("d/deep/er/n.txt", "9"), "f", "m.many('d/**/*.txt')"),
    Case("recursive pattern: deep file edited", FILES, write("d/deep/c.txt", "9"), "f", "m.many('d/**/*.txt')"),
    Case("patterns in a list", FILES, write("d/b.txt", "9"), "f", "m.many(['d/a*', 'd/b*'])"),
    Case("star alone means no files", FILES, write("n.csv", "9"), None, "m.many('*') and 0"),
    Case("star alone, declared", FILES, write("n.csv", "9"), "f", "m.declared('*')"),
    Case("question that is no pattern", FILES, write("n.csv", "9"), "", "m.many('what is it?')"),
    Case("brackets in a name", {**FILES, "d/[1].txt": "1"}, write("d/[1].txt", "9"), "f", "m.f('d/[1].txt')"),
    Case("home path", FILES, write("home/x.txt", "9"), "f", "m.many('~/x.txt')", env=HOME),
    Case("home path: gone", FILES, remove("home/x.txt"), "f", "m.many('~/x.txt')", env=HOME),
    Case("home path that named nothing", FILES, write("home/n.txt", "9"), "f", "m.many('~/n.txt')", env=HOME),
    Case("pattern at home", FILES, write("home/n.txt", "9"), "f", "m.many('~/*.txt')", env=HOME),
    Case("home path as Path", FILES, write("home/x.txt", "9"), "f", "m.many(m.Path('~/x.txt'))", env=HOME),
    Case(
        "path inside an archive",
        {"m.py": HEAD, "make.py": "import zipfile\ndef make(text):\n    with zipfile.ZipFile('a.zip', 'w') as z:\n        z.writestr(zipfile.ZipInfo('x'), text)\n"},
        sub("make('1') => make('2')", "zipped.py"),
        "f",
        "m.f(m.zipfile.Path('a.zip', 'x'))",
        "import m, zipped",
    ),
]
CASES[-1].files["zipped.py"] = "from make import make\nmake('1')\n"  # type: ignore[index]  # it is a dict
