"""A process that forks a child for each run of a case, and what that child does."""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from tests.forked import begin_now, take_for_the_first_environment

WARM = (
    "numpy",
    "pandas",
    "pyarrow",
    "asyncio",
    "decimal",
    "fractions",
    "uuid",
    "zoneinfo",
    "zlib",
    "cachepy",
)
TIMEOUT = 60


class CaseFailed(AssertionError):
    """Something a case promises did not hold; the text says all one needs to know."""


class Server:
    """A warm process that forks one child for each request."""

    def __init__(self) -> None:
        # one thread in the libraries, so that forking is safe; the hash seed is another in each session
        variables = environment() | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
        )

    def run(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise CaseFailed("the server died")

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def run_once(request: dict[str, Any]) -> None:
    command = [sys.executable, __file__, "once", json.dumps(request)]
    subprocess.run(command, env=environment() | request["env"], timeout=TIMEOUT, check=False)


def warm_cachepy() -> None:
    """Load what the first call would load, but make no call: each child starts as a fresh process does."""
    import cachepy

    for found in pkgutil.walk_packages(cachepy.__path__, "cachepy."):
        if not found.name.endswith(("__main__", "cli")) and "commands" not in found.name:
            importlib.import_module(found.name)


def serve() -> None:
    """Forks a child for each line of stdin, and answers with its exit status once it has ended."""
    for name in WARM:
        importlib.import_module(name)
    warm_cachepy()
    gc.collect()
    gc.freeze()
    warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            execute(json.loads(line))
            os._exit(0)  # as abrupt as can be: the cache may not need a clean exit
        sys.stdout.write(f"{os.waitpid(pid, 0)[1]}\n")
        sys.stdout.flush()


def execute(request: dict[str, Any]) -> None:
    """Import script.py of the project, and write the value of its `out`."""
    stderr = os.open(request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stderr, 1)
    os.dup2(stderr, 2)
    faulthandler.dump_traceback_later(TIMEOUT, exit=True)
    warnings.resetwarnings()
    os.environ.update(request["env"])
    take_for_the_first_environment()
    begin_now()
    os.chdir(request["cwd"])
    sys.dont_write_bytecode = True
    sys.path[0] = request["root"]
    for each in Path(request["root"]).glob("*.py"):
        sys.modules.pop(each.stem, None)  # in a fresh process the user's module stands before the library's
    answer: dict[str, Any]
    if request["ask"]:
        ask_instead(request["env"]["CACHEDIR"])
    try:
        script = importlib.import_module("script")
        answer = {"value": script.out if hasattr(script, "_call") else repr(script.out)}
    except Asked as asked:
        answer = {"told": asked.args[0]}
    except BaseException:
        answer = {"error": traceback.format_exc()}
    sys.stderr.flush()
    partial = Path(request["result"] + ".part")
    partial.write_text(json.dumps(answer))
    partial.replace(request["result"])


class Asked(BaseException):
    """A call was asked about instead of being made; no body catches this."""


def ask_instead(cache: str) -> None:
    """Let the first call that is not fresh tell why; calls that are fresh are made, as they run nothing."""
    import cachepy
    from cachepy.calls.engine import CachedCall

    look = CachedCall.look

    def ask(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        verdict = call.wrapper.explain(*args, **kwargs)
        if verdict.state == "fresh":
            return look(call, args, kwargs)
        found = call.request(args, kwargs).id
        cachepy.cache_tree_reset()
        cachepy.cache_tree_sync(cache)
        stale = cachepy.cache_tree_stale()
        raise Asked(
            {
                "call": found,
                "explained": [reason.as_dict() for reason in verdict.reasons],
                "stale": {i: [reason.as_dict() for reason in told["reasons"]] for i, told in stale.items()},
            }
        )

    CachedCall.look = ask  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        execute(json.loads(sys.argv[2]))
