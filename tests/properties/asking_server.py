"""A fork server for `test_asking.py`: a fresh process for each program and each command at the price of a fork.

Run as a script.  It imports what programs and commands need from others (numpy, click), and, told ``warm``, the commands
of cachepy; never a module of a story.  Each line of JSON is one request: a command line, a folder, an environment.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib
import importlib.machinery
import json
import os
import runpy
import select
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any

from tests.forked import take_for_the_first_environment

LIMIT = 60.0  # seconds for one request
OTHERS = (
    *("click", "numpy", "xxhash", "cloudpickle", "ast", "dataclasses", "enum", "functools", "inspect", "logging"),
    *("pathlib", "pickle", "subprocess", "tempfile", "concurrent.futures.thread", "multiprocessing", "asyncio", "zlib"),
)
COMMANDS = ("cachepy.cli.group", "cachepy.cli.ask", "cachepy.cli.view", "cachepy.staleness.survey")


def as_main() -> types.ModuleType:
    """A new ``__main__``, as a Python that has just started has it."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __spec__=None, __loader__=None, __package__=None)
    sys.modules["__main__"] = main
    return main


def run_script(path: str) -> None:
    path = os.path.abspath(path)
    sys.path.insert(0, os.path.dirname(path))
    main = as_main()
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main.__dict__.update(__file__=path, __cached__=None, __loader__=loader)
    exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), main.__dict__)


def run_module(name: str) -> None:
    sys.path.insert(0, os.getcwd())
    as_main()
    runpy._run_module_as_main(name)


def graph() -> dict[str, Any]:
    """The graph in memory, as far as the stories need it."""
    import cachepy

    return {
        i: {"fname": n["fname"], "created": n["created"], "children": n["children"], "inputs": sorted(n["inputs"].values())}
        for i, n in cachepy.cache_tree_nodes().items()
    }


def nodes(cache: str) -> None:
    import cachepy

    cachepy.cache_tree_sync(cache)
    print(json.dumps(graph()))


def view(cache: str) -> None:
    import cachepy

    cachepy.cache_tree_sync(cache)
    print(json.dumps(dict(cachepy.cache_tree_view().states)))


def refresh(cache: str, folder: str) -> None:
    import cachepy

    sys.path.insert(0, os.path.abspath(folder))
    cachepy.cache_tree_sync(cache)
    done = cachepy.cache_tree_refresh()
    failed = {call: repr(error) for call, error in done.failed.items()}
    print(json.dumps({"ran": done.ran, "cut": done.cut, "failed": failed, "left": done.left}))


def scratch(_: str, *argv: str) -> None:
    """Run a program, then tell the graph on a line of its own."""
    try:
        run(list(argv))
    finally:
        print("\n@graph " + json.dumps(graph()), flush=True)


TOOLS = {"@nodes": nodes, "@view": view, "@refresh": refresh, "@scratch": scratch}


def run(argv: list[str]) -> None:
    if argv[0] in TOOLS:
        TOOLS[argv[0]](*argv[1:])
    elif argv[0] == "-m":
        sys.argv = argv[1:]
        run_module(argv[1])
    else:
        sys.argv = argv
        run_script(argv[0])


def child(request: dict[str, Any], out: int, err: int) -> None:
    code = 0
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        take_for_the_first_environment()
        run(request["argv"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def one(request: dict[str, Any]) -> dict[str, Any]:
    out, err = os.memfd_create("out"), os.memfd_create("err")
    pid = os.fork()
    if pid == 0:
        child(request, out, err)
    end = os.pidfd_open(pid)
    if not select.select([end], [], [], LIMIT)[0]:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    texts = []
    for fd in (out, err):
        os.lseek(fd, 0, os.SEEK_SET)
        with open(fd, encoding="utf-8", errors="replace") as stream:
            texts.append(stream.read())
    os.close(end)
    return {"rc": code, "out": texts[0], "err": texts[1]}


def main() -> None:
    for name in OTHERS + (COMMANDS if "warm" in sys.argv[1:] else ()):
        importlib.import_module(name)
    del sys.path[0]  # the folder of this file
    sys.dont_write_bytecode = True
    gc.freeze()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(one(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
