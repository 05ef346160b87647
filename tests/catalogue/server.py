"""A fork server: each line of stdin is a script to run, in a child that is like a fresh `python main.py`.

Run as `server.py MODULE...`; these modules, and what a call loads of cachepy, are imported before anything is forked; with
`--without-cachepy` nothing is, which is enough for runs without the cache.  A hash seed cannot
be changed by a fork, so whoever wants two starts two servers.
"""

from __future__ import annotations

import atexit
import builtins
import faulthandler
import gc
import importlib
import importlib.machinery
import json
import os
import sys
import tempfile
import threading
import time
import traceback
import types
import warnings
from typing import Any

from tests.forked import begin_now

TIMEOUT = 30
COMMON = (
    "abc asyncio collections.abc concurrent.futures.thread contextlib copy dataclasses decimal enum fractions functools importlib.util "
    "inspect itertools json logging multiprocessing.pool operator pathlib pickle queue random re threading types typing weakref"
)  # what many programs import: once here, instead of in every run
ORACLE = """
from pathlib import Path

def cache_file(*_args, **_options):
    return lambda function: function

def with_caller(function):
    return function

track_file = Path
"""


def nothing() -> None:
    """A function to call."""


def warm(names: list[str]) -> None:
    """Load the libraries, and what a first call and a hit load: a child makes both, and says what it has loaded."""
    for name in names:
        importlib.import_module(name)
    read, write = os.pipe()
    if not os.fork():
        with tempfile.TemporaryDirectory() as folder, open(write, "w") as stream:
            from cachepy import cache_file

            for _ in range(2):
                cache_file(folder, warn_cheap=False)(nothing)()
            ran_since(0.0)
            stream.write(" ".join(name for name in sys.modules if name.partition(".")[0] not in ("__main__", "__mp_main__")))
        os._exit(0)
    os.close(write)
    with open(read) as stream:
        for name in stream.read().split():
            importlib.import_module(name)
    os.wait()


def without_cache() -> None:
    """The program sees a `cachepy` that caches nothing."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "cachepy"]:
        del sys.modules[name]
    stand_in = types.ModuleType("cachepy")
    exec(ORACLE, stand_in.__dict__)
    sys.modules["cachepy"] = stand_in


def run(request: dict[str, Any]) -> int:
    """As `python main.py` does it."""
    path = os.path.join(request["root"], "main.py")
    os.chdir(request["root"])
    os.environ.update(request["env"])
    sys.argv = ["main.py"]
    sys.path[0] = request["root"]
    begin_now()
    if not request["cached"]:
        without_cache()
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __annotations__={},
        __cached__=None,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
    )
    sys.modules["__main__"] = main
    with open(path, encoding="utf-8") as stream:
        code = compile(stream.read(), path, "exec", dont_inherit=True)
    try:
        exec(code, main.__dict__)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(error)
        return 1
    return 0


def ran_since(began: float) -> list[str]:
    """The functions whose bodies ran in this process and were stored."""
    try:
        from cachepy import cache_tree_nodes

        return sorted(node["fname"] for node in cache_tree_nodes().values() if node["created"] > began)
    except Exception:
        traceback.print_exc()
        return ["unknown"]


def child(request: dict[str, Any]) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(os.path.join(request["logs"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.close(0)
    faulthandler.dump_traceback_later(TIMEOUT, exit=True)
    warnings.resetwarnings()
    warnings.filters[:] = FILTERS
    warnings._filters_mutated()  # type: ignore[attr-defined]
    began = time.time()
    code = run(request)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if request["cached"]:
        with open(os.path.join(request["logs"], "ran"), "w", encoding="utf-8") as stream:
            stream.write(" ".join(ran_since(began)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


FILTERS = list(warnings.filters)


def main() -> None:
    sys.dont_write_bytecode = True
    for name in COMMON.split():
        importlib.import_module(name)
    if sys.argv[1:] != ["--without-cachepy"]:
        warm(sys.argv[1:])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    gc.collect()
    gc.freeze()
    warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            try:
                child(json.loads(line))
            finally:
                os._exit(70)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
