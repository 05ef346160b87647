"""What holds for all tests."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.programs import NO_INPUTS, Project

# A shell that starts a command in the background (`make test &`, some CI services) lets it ignore Ctrl-C, and every
# process started from here inherits that: tests that interrupt a running call would see nothing happen and fail.
# pytest loads this file in each of its worker processes too, in the main thread, before any test is collected.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two edits of one size within a second look alike to Python: it runs the compiled file of the first one, with the cache
# and without.  So nothing that these tests start writes compiled files.
sys.dont_write_bytecode = True
os.environ["CACHEPY_IGNORE_ENV"] = NO_INPUTS
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def pytest_collection_modifyitems(items):
    """What only root may do is tried by root only."""
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(pytest.mark.skip(reason="needs the rights of root"))


@pytest.fixture(autouse=True, scope="session")
def entries_can_be_written():
    """Large entries are read-only (`test_mapped` holds that); tests damage them as whoever owns them."""
    from cachepy.store import entries

    before, entries.protect = entries.protect, lambda fd: None
    yield
    entries.protect = before


@pytest.fixture(autouse=True, scope="session")
def few_changers():
    """Of the modules that may change others few are looked into: a program has some, and here are hundreds of tests."""
    from cachepy.code import recorded_sources

    before, recorded_sources._CHANGERS = recorded_sources._CHANGERS, 4
    yield
    recorded_sources._CHANGERS = before


@pytest.fixture
def project(tmp_path):
    """A folder whose programs run in processes of their own; see CONTRIBUTING.md."""
    with Project(tmp_path) as made:
        yield made
