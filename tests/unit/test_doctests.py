"""The examples in the docstrings of cachepy and dask_plugin are true.

Each runs as a program of its own would: in an empty folder, in a module and a session of its own. One that imports
from cachepy or dask_plugin is for users, and gets nothing that it does not import; the others are about one module.
"""

from __future__ import annotations

import doctest
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cachepy import Session, use_session

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("cachepy", "dask_plugin")
    for path in (ROOT / package).rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)


def examples(name: str) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]


def source_of(test: doctest.DocTest) -> str:
    return "".join(example.source for example in test.examples)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    runner = doctest.DocTestRunner()
    for number, test in enumerate(examples(name)):
        program = ModuleType("example")
        if "from cachepy import" not in source_of(test) and "from dask_plugin import" not in source_of(test):
            program.__dict__.update(test.globs | {"__name__": "example"})
        test.globs = program.__dict__
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setitem(sys.modules, "example", program)
        with use_session(Session()):
            runner.run(test, clear_globs=False)
    assert runner.failures == 0


def test_examples_write_only_where_they_run():
    for name in MODULES:
        for test in examples(name):
            assert "tempfile" not in source_of(test), test.name
