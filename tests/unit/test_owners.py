"""Whose a file is, and the version of the package that it belongs to."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cachepy.code.extensions import Loaded
from cachepy.values.modules import Origins
from cachepy.values.owners import PACKAGE, STDLIB, USER, Owners
from tests.programs import Project

SITE = "lib/python3.11/site-packages"


def tree(folder: Path, files: dict[str, str]) -> Owners:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Owners()


@pytest.mark.parametrize(
    ("files", "file", "kind", "name", "version"),
    [
        ({f"{SITE}/a.py": ""}, f"{SITE}/a.py", USER, "a", "?"),
        ({f"{SITE}/a/__init__.py": "", f"{SITE}/a-1.2.dist-info/RECORD": "a/__init__.py,,\n"}, f"{SITE}/a/b/c.py", PACKAGE, "a", "1.2"),
        ({f"{SITE}/a/__init__.py": "", f"{SITE}/A_long.Name-1.2.dist-info/RECORD": "x,,\na/__init__.py,,\n"}, f"{SITE}/a/b.py", PACKAGE, "a", "1.2"),
        ({f"{SITE}/a.py": "", f"{SITE}/a-1.dist-info/RECORD": "b.py,,\n", f"{SITE}/c-2.dist-info/RECORD": "a.py,,\n"}, f"{SITE}/a.py", PACKAGE, "a", "2"),
        ({f"{SITE}/a.py": "", f"{SITE}/a-1.dist-info/METADATA": ""}, f"{SITE}/a.py", PACKAGE, "a", "1"),
        ({f"{SITE}/a.py": "", f"{SITE}/a-1.dist-info/METADATA": "", f"{SITE}/a-2.dist-info/METADATA": ""}, f"{SITE}/a.py", PACKAGE, "a", "1,2"),
        ({f"{SITE}/a.py": "", f"{SITE}/a-3-py3.11.egg-info/PKG-INFO": ""}, f"{SITE}/a.py", PACKAGE, "a", "3"),
        ({f"{SITE}/a.py": "", f"{SITE}/a.egg-info": "Name: a\nVersion: 4\n"}, f"{SITE}/a.py", PACKAGE, "a", "4"),
        ({"lib/python3/dist-packages/a/__init__.py": "", "lib/python3/dist-packages/b-5.egg-info/top_level.txt": "a\n"},
         "lib/python3/dist-packages/a/__init__.py", PACKAGE, "a", "5"),
        ({f"{SITE}/g/p/__init__.py": "", f"{SITE}/g/q/__init__.py": "", f"{SITE}/g_p-1.dist-info/RECORD": "g/p/__init__.py,,\n",
          f"{SITE}/g_q-2.dist-info/RECORD": "g/q/__init__.py,,\n"}, f"{SITE}/g/q/x.py", PACKAGE, "g.q", "2"),
        ({f"{SITE}/a-1.5-py3.11.egg": ""}, f"{SITE}/a-1.5-py3.11.egg/a/b.py", PACKAGE, "a-1.5-py3.11.egg", "1.5-py3.11"),
        ({"mine/site-packages/a.py": ""}, "mine/site-packages/a.py", USER, "a", "?"),
        ({"site-packages/a.py": "", "site-packages/a-1.dist-info/RECORD": "a.py,,\n"}, "site-packages/a.py", PACKAGE, "a", "1"),
        ({f"{SITE}/a.cpython-311-x86_64-linux-gnu.so": "", f"{SITE}/z-7.dist-info/RECORD": "a.cpython-311-x86_64-linux-gnu.so,,\n"},
         f"{SITE}/a.cpython-311-x86_64-linux-gnu.so", PACKAGE, "a", "7"),
    ],
)  # fmt: skip
def test_folders_of_packages(tmp_path: Path, files: dict[str, str], file: str, kind: str, name: str, version: str) -> None:
    owners = tree(tmp_path, files)
    path = str(tmp_path / file)
    assert owners.kind(path) == kind
    place = owners.place(path)
    assert place is not None
    assert place[1] == name
    assert owners.version_at(*place) == version


def test_files_of_the_user_and_of_python(tmp_path: Path) -> None:
    owners = Owners()
    assert owners.kind(str(tmp_path / "json.py")) == USER
    assert owners.kind("main.py") == USER
    assert owners.kind(f"{sysconfig.get_path('stdlib')}/json/decoder.py") == STDLIB
    assert owners.kind(__file__) == USER


def test_a_package_that_says_its_version_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / SITE
    tree(folder, {"says_its_version.py": "__version__ = '3'\nclass C:\n    def go(self): pass\n"})
    monkeypatch.syspath_prepend(str(folder))
    origins = Origins()
    assert origins.kind_unloaded("says_its_version") == USER
    module: Any = __import__("says_its_version")
    monkeypatch.setitem(sys.modules, "says_its_version", module)
    assert origins.of(module) == origins.of(module.C) == origins.of(module.C.go) == PACKAGE
    assert origins.version("says_its_version") == "3"


def test_a_link_to_the_users_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, {"src/is_linked/__init__.py": "__version__ = '3'\n", f"{SITE}/other.py": ""})
    (tmp_path / SITE / "is_linked").symlink_to(tmp_path / "src/is_linked")
    monkeypatch.syspath_prepend(str(tmp_path / SITE))
    module = __import__("is_linked")
    monkeypatch.setitem(sys.modules, "is_linked", module)
    assert Origins().of(module) == USER


def test_classes_go_by_their_own_code() -> None:
    import collections
    import dataclasses
    import enum
    import json

    @dataclasses.dataclass
    class Row:
        x: int

    class Colour(enum.Enum):
        RED = 1

    pair = collections.namedtuple("pair", "a b")  # noqa: PYI024 - of the kind that has no class body
    origins = Origins()
    assert [origins.of_class(cls) for cls in (Row, Colour, pair)] == [USER] * 3
    assert origins.of_class(json.JSONDecoder) == origins.of_class(enum.Enum) == origins.of_class(int) == STDLIB
    assert origins.of_class(pytest.MonkeyPatch) == PACKAGE
    assert origins.package(pytest.MonkeyPatch) == "_pytest"


EXTENSION = """
    #include <Python.h>
    static PyObject *h(PyObject *self, PyObject *args) { return PyLong_FromLong(NUMBER); }
    static PyMethodDef methods[] = {{"h", h, METH_VARARGS, ""}, {NULL}};
    static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", "", -1, methods};
    PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
    int number(void) { return NUMBER; }
    """
PROGRAMS = {
    "module.function": "import fast\n@cached\ndef f(x):\n    return fast.h()\n",
    "from module": "from fast import h\n@cached\ndef f(x):\n    return h()\n",
    "in the body": "@cached\ndef f(x):\n    import fast\n    return fast.h()\n",
    "handed on": "import fast\n@cached\ndef f(x):\n    return getattr(fast, 'h')()\n",
    "in a table": "import fast\nTABLE = {'h': fast.h}\n@cached\ndef f(x):\n    return TABLE['h']()\n",
    "a partial": "import fast, functools\nh = functools.partial(fast.h)\n@cached\ndef f(x):\n    return h()\n",
    "by import_module": "import importlib\n@cached\ndef f(x):\n    return importlib.import_module('fast').h()\n",
    "an argument": "import fast\n@cached\ndef g(h):\n    return h()\ndef f(x):\n    return g(fast.h)\n",
    "ctypes": "import ctypes\nlib = ctypes.CDLL('./fast.so')\n@cached\ndef f(x):\n    return lib.number()\n",
    "ctypes in the body": "import ctypes\n@cached\ndef f(x):\n    return ctypes.CDLL('./fast.so').number()\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """An extension module, and the same with another number."""
    include = sysconfig.get_path("include")
    if shutil.which("gcc") is None or not Path(include, "Python.h").exists():
        pytest.skip("there is no compiler")
    folder = tmp_path_factory.mktemp("built")
    (folder / "fast.c").write_text(textwrap.dedent(EXTENSION))
    found = []
    for number in (1, 2):
        command = ["gcc", "-shared", "-fPIC", f"-I{include}", f"-DNUMBER={number}", "fast.c", "-o", "fast.so"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        found.append((folder / "fast.so").read_bytes())
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_extension_of_the_users_own(tmp_path: Path, built: list[bytes], name: str) -> None:
    head = "from cachepy import cache_file\ncached = cache_file('c', warn_cheap=False)\n"
    (tmp_path / "m.py").write_text(f"{head}{PROGRAMS[name]}print(f(1))\n")
    told = []
    for data, mode in zip((built[i] for i in (0, 0, 1, 1, 0)), ("", "required", "", "required", "required"), strict=True):
        (tmp_path / "fast.so.new").write_bytes(data)
        (tmp_path / "fast.so.new").rename(tmp_path / "fast.so")
        told.append(Project(tmp_path).run("m.py", CACHEPY=mode or None).silent().strip())
    assert told == ["1", "1", "2", "2", "1"]


def test_a_library_that_was_built_again_while_it_is_loaded(tmp_path: Path, built: list[bytes]) -> None:
    file = tmp_path / "fast.so"
    file.write_bytes(built[0])
    loaded = ctypes.CDLL(str(file))
    assert Loaded().digest(str(file), str.upper) == str(file).upper()
    (tmp_path / "new").write_bytes(built[1])
    (tmp_path / "new").rename(file)
    assert Loaded().digest(str(file), str.upper) != Loaded().digest(str(file), str.upper)
    assert loaded.number() == 1
