"""What holds for all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

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


# files with few tests that take long: begun last, one worker would be busy for minutes after the others are done
DEAR = {
    "test_asking.py", "test_claim_entry.py", "test_crash.py", "test_dags.py", "test_flights.py", "test_fork.py",
    "test_fuzz.py", "test_plan.py", "test_stress.py", "test_undeclared_files.py",
}  # fmt: skip


def pytest_collection_modifyitems(items):
    """Dear files first, then those with many tests; what only root may do is tried by root only."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in DEAR, -counts[item.path], item.path))
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


@pytest.fixture(scope="session")
def s3_server():
    from tests.remotes import S3

    server = S3()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server):
    """An empty bucket called results, behind a proxy of its own."""
    from tests.remotes import Proxy

    s3_server.reset()
    proxy = Proxy(s3_server.port)
    yield proxy
    proxy.close()
