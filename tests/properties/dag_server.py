"""A fork server for `test_dags.py`: a fresh process per request at the price of a fork.

Run as a script.  It imports cachepy once, never the generated modules; each request (one line of
JSON) is served in a forked child: chdir, environment, sources on `sys.path`, then phases of
operations on files and environment followed by calls.  With ``"oracle": true`` the same sources see a
stand-in for `cachepy` whose decorator does nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dag_program import text_of

Serve = Callable[[dict[str, Any]], dict[str, Any]]
LIMIT = 60.0  # seconds for one request


def oracle() -> types.ModuleType:
    """A module that looks like cachepy and caches nothing."""
    module = types.ModuleType("cachepy")

    def cache_file(*_: Any, **__: Any) -> Any:
        return lambda function: function

    module.__dict__.update(cache_file=cache_file, track_file=Path)
    return module


def operate(operation: list[Any]) -> None:
    what, name, *rest = operation
    if what == "env":
        os.environ.pop(name, None)
        if rest[0] is not None:
            os.environ[name] = rest[0]
    elif what == "delete":
        Path(name).unlink(missing_ok=True)
    elif what == "touch":
        if Path(name).exists():
            later = Path(name).stat().st_mtime_ns + 5_000_000_000
            os.utime(name, ns=(later, later))
    else:
        content, keep_mtime, replace = rest
        old = Path(name).stat() if Path(name).exists() else None
        Path(name + ".new" if replace else name).write_text(text_of(content))
        if replace:
            Path(name + ".new").replace(name)
        if keep_mtime and old is not None:
            os.utime(name, ns=(old.st_atime_ns, old.st_mtime_ns))


def arguments(request: dict[str, Any], call: list[Any]) -> tuple[Any, dict[str, Any]]:
    """The function and the keyword arguments of a call: [module, function, n, path, text]."""
    module, name, n, path, text = call
    function = getattr(importlib.import_module(module), name)
    base = request["data"] if request["absolute"] else ""
    kwargs: dict[str, Any] = {"n": n}
    if path is not None:
        kwargs["p"] = Path(base, path)
    if text is not None:
        kwargs["s"] = str(Path(base, text))
    return function, kwargs


def ask(request: dict[str, Any], call: list[Any]) -> list[str]:
    function, kwargs = arguments(request, call)
    try:
        return ["value", repr(function(**kwargs))]
    except ValueError as error:
        return ["error", str(error)]


def graph() -> dict[str, Any]:
    import cachepy

    nodes = cachepy.cache_tree_nodes()
    return {i: [n["hash"], sorted(n["children"]), sorted(n["parents"])] for i, n in nodes.items()}


def contents(*places: str) -> dict[str, tuple[int, bytes]]:
    """Every file below some places: its mtime and content."""
    found = [path for place in places for path in sorted(Path(place).rglob("*")) if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def described(plan: Any) -> dict[str, Any]:
    """A plan as JSON; of the reasons what they are about."""
    calls = [
        {
            "id": c.id,
            "state": c.state,
            "certain": c.certain,
            "doubt": c.doubt,
            "elapsed": c.elapsed,
            "own": c.own,
            "reasons": [[r.cue, r.link] for r in c.reasons],
        }
        for c in plan.calls
    ]
    sums = {"counts": plan.counts, "seconds": plan.seconds, "saved": plan.saved, "text": str(plan)}
    sums |= {name: len(getattr(plan, name)) for name in ("certain", "possible")}
    return {"calls": calls, **sums, "unseen": list(plan.unseen)}


def identity(request: dict[str, Any], call: list[Any]) -> str:
    function, kwargs = arguments(request, call)
    return f"{call[1]}:{function.key(**kwargs)}"


def ask_plan(request: dict[str, Any], phase: dict[str, Any]) -> dict[str, Any]:
    """The plan of the roots and of everything, and what asking for it changed; then the refresh, if it is wanted."""
    import cachepy

    for name in request["modules"]:
        importlib.import_module(name)
    ids = [identity(request, call) for call in request["met"]]
    cachepy.cache_tree_sync(request["cache"])
    before = contents(request["cache"], request["data"])
    nodes = cachepy.cache_tree_nodes()
    roots = [i for i in (identity(request, call) for call in phase["calls"]) if i in nodes]
    events = cachepy.current_session().graph.events()
    answer = {
        "ids": ids,
        "roots": {"plan": roots, "all": []},
        "below": {e.id: [d.name for d in e.trace.calls] for e in events},
        "inputs": {i: list(n["inputs"].values()) for i, n in nodes.items()},
        "plan": described(cachepy.cache_tree_plan(roots)),
        "all": described(cachepy.cache_tree_plan()),
    }
    after = contents(request["cache"], request["data"])
    answer["touched"] = sorted(p for p in {*before, *after} if before.get(p) != after.get(p))
    answer["ran"] = Path(request["log"]).read_text().splitlines()
    if phase["ask"] == "refresh":
        done = cachepy.cache_tree_refresh()
        answer["refreshed"] = {
            "ran": list(done.ran),
            "cut": list(done.cut),
            "failed": {i: repr(e) for i, e in done.failed.items()},
            "left": dict(done.left),
            "log": Path(request["log"]).read_text().splitlines(),
        }
        Path(request["log"]).write_text("")
    return answer


def serve(request: dict[str, Any]) -> dict[str, Any]:
    sys.dont_write_bytecode = True
    os.chdir(request["data"])
    os.environ.update(request["env"])
    os.environ["CPDAG_DATA"] = request["data"]
    os.environ["CPDAG_CACHE"] = request["cache"]
    os.environ["CPDAG_LOG"] = request["log"]
    sys.path.insert(0, request["src"])
    if request["oracle"]:
        sys.modules["cachepy"] = oracle()
    log = Path(request["log"])
    answer: dict[str, Any] = {"phases": []}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", ".*caching makes it slower")  # goes by the clock
        for phase in request["phases"]:
            for operation in phase["ops"]:
                operate(operation)
            log.write_text("")
            for call in phase["calls"]:
                arguments(request, call)  # imports the modules, before any thread does
            asked = None if request["oracle"] or not phase["ask"] else ask_plan(request, phase)
            if phase["threads"]:
                with ThreadPoolExecutor(4) as pool:
                    # no thread begins while a body runs: else the body may be the caller of whatever that thread asks
                    list(pool.map(threading.Barrier(4).wait, [LIMIT] * 4))
                    values = list(pool.map(lambda call: ask(request, call), phase["calls"]))
            else:
                values = [ask(request, call) for call in phase["calls"]]
            answer["phases"].append({"values": values, "ran": log.read_text().splitlines(), "asked": asked})
        if not request["oracle"]:
            import cachepy

            answer["hashes"] = []
            answer["cached"] = []
            for call in request["nodes"]:
                function, kwargs = arguments(request, call)
                answer["hashes"].append(function.key(**kwargs))
                answer["cached"].append(function.is_cached(**kwargs))
            answer["graph"] = graph()
            roots = [i for i in (identity(request, call) for call in request["ended"]) if i in answer["graph"]]
            answer["plan"] = described(cachepy.cache_tree_plan(roots))
            answer["changed"] = sorted(cachepy.cache_tree_changed_files())
            stale = cachepy.cache_tree_stale() if hasattr(cachepy, "cache_tree_stale") else {}
            answer["stale"] = {i: [str(r) for r in s["reasons"]] for i, s in stale.items()}
            cachepy.cache_tree_reset()
            cachepy.cache_tree_sync(request["cache"])
            answer["synced"] = graph()
            answer["changed after sync"] = sorted(cachepy.cache_tree_changed_files())
    answer["warnings"] = [f"{w.category.__name__}: {w.message}" for w in caught]
    return answer


def child(answer_to: Serve, request: dict[str, Any], write: int) -> None:
    try:
        answer = answer_to(request)
    except BaseException:
        answer = {"failure": traceback.format_exc()}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(write, data) :]
    os._exit(0)


def one(answer_to: Serve, request: dict[str, Any]) -> bytes:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(answer_to, request, write)
    os.close(write)
    data, end = b"", time.monotonic() + LIMIT
    while True:
        if not select.select([read], [], [], max(0.0, end - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
            data = json.dumps({"failure": f"no answer within {LIMIT:.0f} s: a deadlock"}).encode()
            break
        more = os.read(read, 1 << 16)
        if not more:
            break
        data += more
    os.close(read)
    status = os.waitpid(pid, 0)[1]
    return data or json.dumps({"failure": f"the process died, status {status}"}).encode()


def main(answer_to: Serve = serve) -> None:
    import cachepy  # noqa: F401  (warm: every fork has it)

    for line in sys.stdin.buffer:
        answer = one(answer_to, json.loads(line))
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
