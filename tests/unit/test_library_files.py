"""Files that libraries open in C are seen by way of `library_files`, and nobody sees that."""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys

import pytest

from cachepy.calls import library_files
from cachepy.session import Session
from tests.unit.library_cells import CELLS, modules


class Recorder:
    """What is told of files."""

    def __init__(self):
        self.seen = []

    def read(self, path):
        self.seen.append(("read", str(path)))

    def write(self, path):
        self.seen.append(("write", str(path)))

    def rewrite(self, path):
        self.seen.append(("rewrite", str(path)))


def wanted(name):
    """A library, or a reason why there is nothing to try."""
    return pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)


@pytest.fixture(scope="module")
def recorder():
    """Tells of every call, as if all of this were a body."""
    told = Recorder()
    library_files.install(told, lambda: True)
    yield told
    library_files.remove()


@pytest.fixture
def seen(recorder):
    library_files.install(recorder, lambda: True)
    recorder.seen.clear()
    return recorder.seen


@pytest.mark.parametrize(("library", "cell"), CELLS, ids=[f"{library}: {cell.id}" for library, cell in CELLS])
def test_a_file_that_a_library_opens_is_seen(seen, tmp_path, library, cell):
    m, path = modules(wanted, cell.modules), tmp_path / cell.file
    cell.write(m, path)
    assert not cell.made or (cell.made, str(path)) in seen
    seen.clear()
    cell.read(m, path)
    assert (cell.seen, str(path)) in seen
