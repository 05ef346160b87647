"""What would wait for ever because there is a cache: locks that a waiter holds, claims that cannot be removed, imports."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from prelude import PRELUDE

from tests.programs import Project

QUICK = """
    from cachepy.calls import patience
    patience.SOME, patience._LOOK = 0.4, 0.1
    patience.UNKNOWN = float(os.environ.get("UNKNOWN", 600))
    warnings.simplefilter("always", cachepy.StuckCallWarning)
"""


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path, PRELUDE) as made:
        yield made


def finish(project, process, limit=40):
    """Its output, and how often it gave up waiting, which is said."""
    _, out, err = project.finish(process, limit=limit)
    return out, err.count("StuckCallWarning:")


def run(project, text, *args, limit=40, **env):
    project.write("main.py", QUICK + text)
    return finish(project, project.start("main.py", *args, **env), limit)


# ---- a lock that the waiter holds, and that the body needs

LOCKS = """
    LOCK = {lock}
    HELD, INSIDE = threading.Event(), threading.Event()

    @cache_file(CACHE, ignore_globals=["LOCK", "HELD", "INSIDE"])
    def f(x):
        log("f")
        INSIDE.set()
        {body}
        return x + 1

    def owner():
        HELD.wait()
        got.append(f(1))

    got = []
    thread = threading.Thread(target=owner)
    thread.start()
    LOCK.acquire()
    HELD.set()
    INSIDE.wait()
    got.append(f(1))
    LOCK.release()
    thread.join()
    print(got)
"""


@pytest.mark.parametrize(
    "body",
    ["with LOCK: pass", "LOCK.acquire(); LOCK.release()", "threading.Condition(LOCK).acquire(); LOCK.release()"],
    ids=["with", "acquire", "condition"],
)
def test_a_lock_that_the_waiter_holds(project, body):
    """Without the cache, the one who has the lock would run the body, and then the other one."""
    out, gave_up = run(project, LOCKS.format(lock="threading.RLock()", body=body))
    assert (out, gave_up) == ("[2, 2]\n", 1)
    assert Counter(project.logged()) == {"f": 2}


@pytest.mark.parametrize("apart", ["ipykernel", "other"])
def test_threads_of_a_notebook_s_kernel_let_nobody_go_on(project, apart):
    """Of any other thread nobody knows what it does; here the owner has to be waited for, for some time."""
    (project / apart).mkdir()
    (project / apart / "beat.py").write_text("import time\ndef beat():\n    while True:\n        time.sleep(9)\n")
    text = LOCKS.format(lock="threading.RLock()", body="with LOCK: pass")
    beat = "\n    sys.path.insert(0, sys.argv[1])\n    import beat\n    threading.Thread(target=beat.beat, daemon=True).start()\n"
    began = time.monotonic()
    assert run(project, beat + text, apart, UNKNOWN="5") == ("[2, 2]\n", 1)
    assert (time.monotonic() - began > 5) == (apart == "other")


WAITERS = """
    LOCK, INSIDE = threading.Lock(), threading.Event()
    HELD = threading.local()

    @cache_file(CACHE, ignore_globals=["LOCK", "INSIDE", "HELD"])
    def f(x):
        log("f")
        INSIDE.set()
        if not getattr(HELD, "has", False):
            with LOCK:
                pass
        time.sleep(1)
        return x + 1

    def ask(x):
        HELD.has = True
        f(x)

    LOCK.acquire()
    owner = threading.Thread(target=f, args=(1,))
    owner.start()
    INSIDE.wait()
    threads = [threading.Thread(target=ask, args=(1,)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    LOCK.release()
    owner.join()
"""


def test_of_many_waiters_one_runs_it(project):
    assert run(project, WAITERS) == ("", 1)
    assert Counter(project.logged()) == {"f": 2}


COROUTINES = """
    @cache_file(CACHE, ignore_globals=["LOCK", "INSIDE", "how", "ran"])
    async def f(x):
        log("f")
        ran.append(1)
        INSIDE.set()
        if how == "sleeps":
            await asyncio.sleep(2)
        elif len(ran) == 1:
            async with LOCK:
                pass
        return x + 1

    async def main():
        global LOCK, INSIDE
        LOCK, INSIDE = asyncio.Lock(), asyncio.Event()
        async with LOCK:
            other = asyncio.create_task(f(1))
            await INSIDE.wait()
            got = await f(1)
        print(got, await other)

    ran = []
    how = sys.argv[1]
    asyncio.run(main())
"""


@pytest.mark.parametrize(("how", "times"), [("lock", 2), ("sleeps", 1)])
def test_a_lock_that_a_waiting_coroutine_holds(project, how, times):
    assert run(project, COROUTINES, how) == ("2 2\n", times - 1)
    assert Counter(project.logged()) == {"f": times}


FILE_LOCK = """
    import fcntl

    FD = os.open(HERE / "lock", os.O_RDWR | os.O_CREAT)

    @cache_file(CACHE, version=os.environ["V"], ignore_globals=["FD"])
    def f(x):
        log("f")
        fcntl.lockf(FD, fcntl.LOCK_EX)  # a process that has it gets it again
        return x + 1

    if sys.argv[1] == "holds":
        fcntl.lockf(FD, fcntl.LOCK_EX)
        log("held")
        while not (HERE / "go").exists():
            time.sleep(0.01)
    print(f(1))
"""


def test_a_lock_of_a_file_that_the_waiter_holds(project):
    """Two processes: nobody sees a lock there, but that the owner stands still for longer than the call ever took."""
    assert run(project, FILE_LOCK, "asks", V="1") == ("2\n", 0)  # from now on it is known how long it takes
    holds = project.start("main.py", "holds", V="2")
    wait_for(lambda: Counter(project.logged())["held"])
    owner = project.start("main.py", "asks", V="2")
    wait_for(lambda: Counter(project.logged())["f"] == 2)
    (project / "go").write_text("")
    assert finish(project, holds) == ("2\n", 1)
    assert finish(project, owner) == ("2\n", 0)
    assert Counter(project.logged())["f"] == 3


WORKS = """
    FREE = threading.Event()

    @cache_file(CACHE, ignore_globals=["FREE", "how"])
    def f(x):
        log("f")
        if how == "computes":
            end = time.monotonic() + 3
            while time.monotonic() < end:
                pass
        elif how == "sleeps":
            time.sleep(3)
        elif how == "starts":
            import subprocess
            subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 2: pass"])
        elif how == "thread":
            thread = threading.Thread(target=time.sleep, args=(3,))
            thread.start()
            thread.join()
        elif how == "pool":
            with ThreadPoolExecutor(1) as pool:
                pool.submit(time.sleep, 3).result()
        return x + 1

    how = sys.argv[1]
    threads = [threading.Thread(target=f, args=(1,)) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
"""


@pytest.mark.parametrize(("how", "unknown"), [("computes", 0.4), ("starts", 0.4), ("sleeps", 600), ("thread", 600), ("pool", 600)])
def test_an_owner_that_goes_on_or_may_be_going_on_is_waited_for(project, how, unknown):
    """Nobody knows yet how long the call takes, so what cannot be seen to move has its time."""
    assert run(project, WORKS, how, UNKNOWN=str(unknown)) == ("", 0)
    assert Counter(project.logged()) == {"f": 1}


def wait_for(is_there, limit=20):
    end = time.monotonic() + limit
    while not is_there():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- modules that call each other's cached functions while they are imported


IMPORTED = """
    import shared
    shared.BOTH.wait()
    {name}_result = shared.f(1)

    @cache_file(CACHE)
    def {name}(x):
        return x

    import {other}
    assert {name}(2) == 2
    print(getattr({other}, "{other}", {name})(3), flush=True)
"""

IMPORTS = """
    import shared
    threads = [threading.Thread(target=__import__, args=(name,)) for name in ("one", "two")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
"""


@pytest.mark.parametrize("below", ["import one, two", "hidden('one'), hidden('two')", "hidden('two'), hidden('one')"])
def test_two_modules_that_call_cached_functions_while_they_are_imported(project, below):
    """One runs the body, which imports the other one's module; that one is being imported, and waits for the body.

    What code imports by a statement is imported when it is looked at, before anybody has a claim.
    """
    project.write(
        "shared.py",
        f"""
        BOTH = threading.Barrier(2)
        hidden = getattr(__builtins__, "__import__", None) or __builtins__["__import__"]

        @cache_file(CACHE, ignore_globals=["BOTH", "hidden"])
        def f(x):
            log("f", x)
            time.sleep(0.2)
            try:
                {below}
            except ImportError:  # half of it is there
                pass
            return x
        """,
    )
    for name, other in (("one", "two"), ("two", "one")):
        project.write(f"{name}.py", IMPORTED.format(name=name, other=other))
    out, _ = run(project, IMPORTS)
    assert out == "3\n3\n"


# ---- where a call may come from in the midst of another one

ODD = """
    import gc

    @cache_file(CACHE)
    def f(x):
        log("f", x)
        return x + 1

    @cache_file(CACHE, ignore_globals=["gc", "Cycle"])
    def outer(x):
        for n in range(50):
            Cycle()
            gc.collect()
        return f(x) + f(x + 1)

    seen = []

    class Cycle:
        def __init__(self):
            self.me = self
        def __del__(self):
            seen.append(f(2))

    def called(phase, info):
        if phase == "start":
            gc.callbacks.remove(called)
            seen.append(f(1))
            gc.callbacks.append(called)

    gc.set_threshold(1)
    gc.callbacks.append(called)
    assert outer(1) == 5
    gc.callbacks.remove(called)
    gc.set_threshold(700)
    assert set(seen) == {2, 3}, set(seen)
"""


def test_calls_from_the_garbage_collector_in_the_midst_of_others(project):
    assert run(project, ODD) == ("", 0)
    assert Counter(project.logged()) == {"f 1": 1, "f 2": 1}


# ---- an owner that can give no sign of life to other hosts

ELSEWHERE = """
    import ctypes
    from cachepy.store import claims, owner as owners
    claims.HEARTBEAT, claims.LEASE = 0.2, 1.0
    ROLE = sys.argv[1]
    if ROLE == "elsewhere":
        owners.host_id = lambda: "elsewhere"

    @cache_file(CACHE, ignore_globals=["ROLE", "ctypes"])
    def f(x):
        log(ROLE)
        if ROLE != "elsewhere":
            time.sleep(1)
            log("now")
            if ROLE == "stops":
                os.kill(os.getpid(), signal.SIGSTOP)
            else:
                ctypes.PyDLL(None).usleep(3_000_000)  # with the GIL
        return x + 1

    print(f(1))
"""


def helpers(owner):
    """Processes that were started to touch the claims of this one."""
    found = []
    for each in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
            found += [int(each)] if b"-I" in command and str(owner).encode() in command else []
    return found


@pytest.mark.parametrize("role", ["stops", "keeps the GIL"])
def test_an_owner_that_can_show_no_life_is_waited_for_by_another_host(project, role):
    """On a disk that other hosts see; for longer than a lease."""
    project.write("main.py", ELSEWHERE)
    env = {"CACHEPY_NETWORK_DIRS": str(project.folder)}
    owner = project.start("main.py", role, **env)
    wait_for(lambda: Counter(project.logged())["now"])
    waiter = project.start("main.py", "elsewhere", **env)
    if role == "stops":
        time.sleep(3)
        owner.send_signal(signal.SIGCONT)
    assert project.finish(owner).stdout == project.finish(waiter).stdout == "2\n"
    assert Counter(project.logged()) == {role: 1, "now": 1}
    wait_for(lambda: not helpers(owner.pid))


def test_the_helper_of_an_owner_that_is_killed_ends(project):
    """Also if a forked child of it lives on, which holds its end of the pipe."""
    project.write(
        "main.py",
        """
        from cachepy.store import claims
        claims.HEARTBEAT = 0.2

        @cache_file(CACHE)
        def f(x):
            time.sleep(1)
            if os.fork() == 0:
                time.sleep(100)
            log("now")
            time.sleep(100)

        f(1)
        """,
    )
    owner = project.start("main.py", CACHEPY_NETWORK_DIRS=str(project.folder))
    wait_for(lambda: Counter(project.logged())["now"])
    wait_for(lambda: helpers(owner.pid))
    owner.kill()
    wait_for(lambda: not helpers(owner.pid), limit=10)


def test_no_helper_where_only_this_host_looks(project):
    project.write(
        "main.py",
        """
        from cachepy.store import claims
        claims.HEARTBEAT = 0.1

        @cache_file(CACHE)
        def f(x):
            time.sleep(1)

        f(1)
        print(cachepy.current_session().claims._keeper._helper)
        """,
    )
    assert project.run("main.py").silent() == "None\n"


# ---- what is said while a call waits

SAYS = """
    import logging
    if sys.argv[1] == "logging":
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")

    @cache_file(CACHE, ignore_globals=["INSIDE"])
    def f(x):
        INSIDE.set()
        time.sleep(1.5)
        return x

    INSIDE = threading.Event()
    threads = [threading.Thread(target=f, args=(1,)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
"""


@pytest.mark.parametrize("where", ["stderr", "logging"])
def test_who_waits_for_long_says_for_what_once(project, where):
    project.write("main.py", QUICK + SAYS)
    _, out, err = project.run("main.py", where)
    said, other = (out, err) if where == "logging" else (err, out)
    level = "WARNING " if where == "logging" else ""
    assert re.fullmatch(
        rf"{level}cachepy: f\(1\) waits since \d\d:\d\d:\d\d for another thread or task of this process, which runs it now\n",
        said,
    ), said
    assert not other


def test_it_is_said_which_process_is_waited_for(project):
    project.write("main.py", QUICK + SAYS.replace("range(4)", "range(1)"))
    first = project.start("main.py", "stderr")
    wait_for(lambda: list(project.folder.rglob("*.claim")))
    err = project.run("main.py", "stderr").stderr
    assert f"for process {first.pid} on {os.uname().nodename}, which runs it now; if you end that process" in err


# ---- subinterpreters

INTERPRETER = """
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters

    SUB = '''if True:
        import sys, warnings
        sys.path.insert(0, {here!r})
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            from shared import f
            print(f(1), f(1), f(2), *[each.message for each in seen], flush=True)
    '''.format(here=str(HERE))

    if sys.argv[1] == "stored":
        from shared import f
        f(1)
    here = interpreters.create("legacy") if sys.version_info >= (3, 13) else interpreters.create(isolated=False)
    interpreters.run_string(here, SUB)
    interpreters.destroy(here)
    print("end")
"""


@pytest.mark.parametrize("before", ["", "stored"])
def test_in_a_subinterpreter_bodies_run_without_the_cache(project, before):
    """It says so, once; and the subinterpreter can end, which a thread of ours would make fatal."""
    (project / "shared.py").write_text(
        "from cachepy import cache_file\n@cache_file('cache', warn_cheap=False)\ndef f(x):\n    return x + 1\n"
    )
    said = (
        "f runs without the cache: this is a subinterpreter, and the cache has threads that it cannot end. Make the "
        "call in the main interpreter, or in a process of its own"
    )
    assert project.main(INTERPRETER, before).silent() == f"2 2 3 {said}\nend\n"
    assert len(list(project.folder.rglob("*.entry"))) == (before == "stored")
